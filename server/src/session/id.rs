//! Names of sessions.

use std::fmt;
use std::str::FromStr;

/// A session's name: 128 random bits, 32 lower-case hexadecimal digits on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(u128);

impl SessionId {
    /// A new name that nobody can guess.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        Self(u128::from_be_bytes(bytes))
    }

    /// A number from 0 to 1, evenly spread over sessions: when in a span of time it is a session's turn.
    pub fn moment(self) -> f64 {
        // A float has 53 bits.
        (self.0 as u64 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Who knows the whole name and a token can resume: logs show a part.
        write!(f, "SessionId({:08x}…)", self.0 >> 96)
    }
}

impl FromStr for SessionId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}
