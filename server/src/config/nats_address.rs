//! The address of a NATS server, and as whom to connect there.

use std::fmt;

use super::value::Value;

/// What stands for what is hidden.
pub(super) const HIDDEN: &str = "(hidden)";

/// As whom to connect. It shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub enum NatsLogin {
    /// With a token.
    Token(String),
    /// With a user and a password.
    User {
        /// Who.
        user: String,
        /// The password.
        password: String,
    },
}

impl fmt::Debug for NatsLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NatsLogin(hidden)")
    }
}

/// `nats://host:port`, with `user:password@` or `token@` before the host where the server asks for it. What stands
/// there is percent-encoded; it is never shown but for the user of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct NatsAddress {
    login: Option<NatsLogin>,
    host: String,
}

impl NatsAddress {
    /// Where to connect, without what is secret: `nats://host:port`.
    pub fn url(&self) -> String {
        format!("nats://{}", self.host)
    }

    /// As whom.
    pub const fn login(&self) -> Option<&NatsLogin> {
        self.login.as_ref()
    }

    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("nats://")?;
        let (login, host) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some((login, host)) => (Some(parse_login(login)?), host),
        };
        let good = !host.is_empty() && !host.contains([' ', '/', '?', '#']);
        good.then(|| Self {
            login,
            host: host.to_owned(),
        })
    }
}

fn parse_login(text: &str) -> Option<NatsLogin> {
    let login = match text.split_once(':') {
        None => NatsLogin::Token(decoded(text)?),
        Some((user, password)) => NatsLogin::User {
            user: decoded(user)?,
            password: decoded(password)?,
        },
    };
    let is_empty = match &login {
        NatsLogin::Token(token) => token.is_empty(),
        NatsLogin::User { user, .. } => user.is_empty(),
    };
    (!is_empty).then_some(login)
}

/// Takes back what percent-encoding did; `None` where that is broken or no text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            bytes.push((high * 16 + low) as u8);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

impl fmt::Display for NatsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.login {
            None => write!(f, "nats://{}", self.host),
            Some(NatsLogin::Token(_)) => write!(f, "nats://{HIDDEN}@{}", self.host),
            Some(NatsLogin::User { user, .. }) => {
                write!(f, "nats://{user}:{HIDDEN}@{}", self.host)
            }
        }
    }
}

impl fmt::Debug for NatsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Value for NatsAddress {
    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        Self::from_text(value.as_str().ok_or("expected a text in quotes")?)
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let expected =
            "expected an address of the form nats://host:port or nats://user:password@host:port";
        Self::parse(text).ok_or_else(|| expected.to_owned())
    }

    fn show(&self) -> Option<String> {
        Some(toml::Value::from(self.to_string()).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(user: &str, password: &str) -> NatsLogin {
        NatsLogin::User {
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }

    #[test]
    fn an_address_may_have_a_login_and_shows_nothing_secret_of_it() {
        for (text, url, login, shown) in [
            ("nats://a:4222", "nats://a:4222", None, "nats://a:4222"),
            (
                "nats://me:horse@[::1]:4222",
                "nats://[::1]:4222",
                Some(user("me", "horse")),
                "nats://me:(hidden)@[::1]:4222",
            ),
            (
                "nats://me:h%40rse%3A%C3%A4@a",
                "nats://a",
                Some(user("me", "h@rse:ä")),
                "nats://me:(hidden)@a",
            ),
            (
                "nats://staple@a",
                "nats://a",
                Some(NatsLogin::Token("staple".to_owned())),
                "nats://(hidden)@a",
            ),
        ] {
            let address = NatsAddress::from_text(text).unwrap();
            assert_eq!(address.url(), url);
            assert_eq!(address.login(), login.as_ref());
            assert_eq!(address.to_string(), shown);
            assert_eq!(format!("{address:?}"), shown);
            let debug = format!("{:?}", address.login());
            assert!(!debug.contains("horse") && !debug.contains("staple"));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for text in [
            "a:4222",
            "nats://",
            "nats://horse@",
            "nats://:horse@a",
            "nats://@a",
            "nats://me:horse%2@a",
            "nats://me:horse%ff@a",
            "nats://me:ho/rse@a/b",
        ] {
            let reason = NatsAddress::from_text(text).unwrap_err();
            assert!(!reason.contains("horse") && reason.contains("nats://host"));
        }
    }
}
