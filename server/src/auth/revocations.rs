//! Tokens that are not good any more though their signature is.
//!
//! Either one token, by its fingerprint, or all of a user that were signed up to a moment. Kept by the
//! directory, so that every node of a cluster has the same list.

use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use serde::{Deserialize, Serialize};

use super::grant::{Fingerprint, Grant};
use crate::protocol::UserId;

/// Most single tokens on the list; one more is refused. Users are not counted: each has one entry.
pub const MAX_TOKENS: usize = 100_000;

/// What is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Revocation {
    /// One token.
    Token {
        /// Which.
        fingerprint: Fingerprint,
        /// When it ends by itself, in seconds since the Unix epoch; the entry is of no use afterwards.
        expires_at: Option<u64>,
        /// When it was revoked, in seconds since the Unix epoch.
        at: u64,
    },
    /// Every token of a user that was signed at or before a time, in seconds since the Unix epoch.
    User {
        /// Whose.
        user: UserId,
        /// The last second whose tokens are revoked.
        until: u64,
    },
}

/// The list. Read on every request, written rarely.
#[derive(Debug, Default)]
pub struct Revocations {
    tokens: DashMap<Fingerprint, Revocation>,
    users: DashMap<UserId, u64>,
    /// Entries so far: a look tells whether there is any, and whether there are new ones.
    entered: AtomicU64,
}

impl Revocations {
    /// Enters a revocation; false where there is no room. Doing so again changes nothing.
    pub fn enter(&self, revocation: Revocation) -> bool {
        match revocation {
            Revocation::Token {
                fingerprint, at, ..
            } => {
                if self.tokens.len() >= MAX_TOKENS {
                    self.tokens.retain(|_, entry| !is_over(entry, at));
                }
                if self.tokens.len() >= MAX_TOKENS && !self.tokens.contains_key(&fingerprint) {
                    return false;
                }
                self.tokens.insert(fingerprint, revocation);
            }
            Revocation::User { user, until } => {
                let mut entry = self.users.entry(user).or_default();
                *entry = until.max(*entry);
            }
        }
        self.entered.fetch_add(1, Ordering::Release);
        true
    }

    /// Whether a token is revoked.
    pub fn has(&self, grant: &Grant) -> bool {
        if self.entered.load(Ordering::Acquire) == 0 {
            return false;
        }
        let until = self.users.get(&UserId::new(grant.user_id));
        until.is_some_and(|until| grant.issued_at <= *until)
            || self.tokens.contains_key(&grant.fingerprint)
    }

    /// Another number whenever something was entered.
    pub fn entered(&self) -> u64 {
        self.entered.load(Ordering::Acquire)
    }

    /// Everything on the list, in no order.
    pub fn all(&self) -> Vec<Revocation> {
        let tokens = self.tokens.iter().map(|entry| *entry.value());
        let users = self.users.iter().map(|entry| Revocation::User {
            user: *entry.key(),
            until: *entry.value(),
        });
        tokens.chain(users).collect()
    }
}

fn is_over(entry: &Revocation, now_s: u64) -> bool {
    matches!(entry, Revocation::Token { expires_at: Some(end), .. } if *end <= now_s)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What a token says.
    pub(crate) fn grant(user_id: u64, issued_at: u64, fingerprint: u64) -> Grant {
        Grant {
            user_id,
            bot: false,
            issued_at,
            expires_at: None,
            guilds: None,
            fingerprint: Fingerprint(fingerprint),
        }
    }

    fn token(fingerprint: u64, expires_at: Option<u64>, at: u64) -> Revocation {
        Revocation::Token {
            fingerprint: Fingerprint(fingerprint),
            expires_at,
            at,
        }
    }

    #[test]
    fn a_token_or_all_of_a_user_up_to_a_moment() {
        let list = Revocations::default();
        assert!(!list.has(&grant(1, 100, 7)));
        assert!(list.enter(token(7, None, 100)));
        assert!(list.has(&grant(1, 100, 7)) && !list.has(&grant(1, 100, 8)));
        let user = UserId::new(2);
        assert!(list.enter(Revocation::User { user, until: 100 }));
        assert!(list.enter(Revocation::User { user, until: 50 }));
        assert!(list.has(&grant(2, 100, 9)) && list.has(&grant(2, 0, 9)));
        assert!(!list.has(&grant(2, 101, 9)) && !list.has(&grant(3, 1, 9)));
        assert_eq!((list.entered(), list.all().len()), (3, 2));
        let copy = Revocations::default();
        assert!(list.all().into_iter().all(|entry| copy.enter(entry)));
        assert!(copy.has(&grant(2, 100, 9)) && copy.has(&grant(1, 100, 7)));
    }

    #[test]
    fn i7_the_list_is_bounded_and_what_has_ended_makes_room() {
        let list = Revocations::default();
        for number in 0..MAX_TOKENS as u64 {
            let end = (number % 2 == 0).then_some(50);
            assert!(list.enter(token(number, end, 0)));
        }
        let one_more = MAX_TOKENS as u64;
        assert!(!list.enter(token(one_more, None, 49)));
        assert!(list.enter(token(1, None, 49)), "it is on the list");
        assert!(list.enter(token(one_more, None, 50)));
        assert!(list.has(&grant(1, 1, one_more)) && list.has(&grant(1, 1, 1)));
        assert!(!list.has(&grant(1, 1, 0)));
    }
}
