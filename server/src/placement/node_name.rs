//! The name of a node.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// A node's name, unique in its cluster: 1 to 64 bytes of `A-Z a-z 0-9 . _ -`.
///
/// The bytes are hashed onto the ring, so a node that changes its name moves its guilds. A clone
/// is a counted reference to the same text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeName(Arc<str>);

impl NodeName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Checks and takes a name.
    pub fn new(name: &str) -> Result<Self, NodeNameError> {
        if name.is_empty() {
            return Err(NodeNameError::Empty);
        }
        if name.len() > Self::MAX_LEN {
            return Err(NodeNameError::TooLong { len: name.len() });
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match name.chars().find(|&c| !allowed(c)) {
            Some(found) => Err(NodeNameError::Character { found }),
            None => Ok(Self(name.into())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as the bytes that are hashed.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Why a text is no node name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeNameError {
    /// The name has no characters.
    #[error("node name is empty")]
    Empty,
    /// The name is longer than [`NodeName::MAX_LEN`] bytes.
    #[error("node name has {len} bytes, at most 64 are allowed")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// A character outside the allowed set.
    #[error("node name contains {found:?}, allowed are letters, digits, '.', '_' and '-'")]
    Character {
        /// The first such character.
        found: char,
    },
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeName({})", self.0)
    }
}

impl Borrow<str> for NodeName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = NodeNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl TryFrom<String> for NodeName {
    type Error = NodeNameError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name)
    }
}

impl From<NodeName> for String {
    fn from(name: NodeName) -> Self {
        name.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_host_like_names_up_to_64_bytes() {
        for name in ["a", "node-1", "eu-west_1.pod-0", &"x".repeat(64)] {
            assert_eq!(NodeName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn refuses_empty_long_and_foreign_names() {
        assert_eq!(NodeName::new(""), Err(NodeNameError::Empty));
        assert_eq!(
            NodeName::new(&"x".repeat(65)),
            Err(NodeNameError::TooLong { len: 65 })
        );
        for (name, found) in [("a b", ' '), ("n/1", '/'), ("nöde", 'ö'), ("a\0", '\0')] {
            assert_eq!(NodeName::new(name), Err(NodeNameError::Character { found }));
        }
    }

    #[test]
    fn json_goes_through_the_same_check() {
        let name: NodeName = serde_json::from_str("\"node-1\"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"node-1\"");
        assert!(serde_json::from_str::<NodeName>("\"no de\"").is_err());
    }
}
