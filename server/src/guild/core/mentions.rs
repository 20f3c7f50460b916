//! Whom a message addresses: mentions in its content, under what the author allows.

use std::sync::Arc;

use super::rights::Rights;
use super::state::Guild;
use super::validate;
use crate::guild::command::AllowedMentions;
use crate::protocol::objects::{Channel, User};
use crate::protocol::{ApiError, Permissions, RoleId, UserId};

/// Most entries of a list in `allowed_mentions`.
const MAX_LISTED: usize = 100;

/// Whom a message mentions.
#[derive(Debug, Default)]
pub(super) struct Mentions {
    pub(super) everyone: bool,
    pub(super) users: Vec<Arc<User>>,
    pub(super) roles: Vec<RoleId>,
}

/// A mention as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    User(UserId),
    Role(RoleId),
    Everyone,
}

/// Checks what a client says of its mentions.
pub(super) fn check(allowed: &AllowedMentions) -> Result<(), ApiError> {
    validate::at_most("allowed_mentions.users", allowed.users.len(), MAX_LISTED)?;
    validate::at_most("allowed_mentions.roles", allowed.roles.len(), MAX_LISTED)?;
    for kind in &allowed.parse {
        let listed = match kind.as_str() {
            "users" => !allowed.users.is_empty(),
            "roles" => !allowed.roles.is_empty(),
            "everyone" => false,
            _ => {
                return Err(validate::not_a_choice(
                    "allowed_mentions.parse",
                    "'users', 'roles', 'everyone'",
                ));
            }
        };
        if listed {
            return Err(ApiError::invalid_form(
                "allowed_mentions",
                "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                format!("parse:[\"{kind}\"] and {kind}: [ids...] are mutually exclusive."),
            ));
        }
    }
    Ok(())
}

/// Finds whom a content mentions. Only members and roles of the guild count; roles that are not
/// mentionable, `@everyone` and `@here` need MENTION_EVERYONE.
pub(super) fn parse(
    guild: &Guild,
    may: Permissions,
    content: &str,
    allowed: Option<&AllowedMentions>,
) -> Mentions {
    let mut found = Mentions::default();
    let parses = |kind: &str| allowed.is_none_or(|a| a.parse.iter().any(|k| k == kind));
    for token in tokens(content) {
        match token {
            Token::User(id) => {
                let wanted = parses("users") || allowed.is_some_and(|a| a.users.contains(&id));
                if let Some(member) = guild.members.get(id)
                    && wanted
                {
                    found.add_user(&member.user);
                }
            }
            Token::Role(id) => {
                let wanted = parses("roles") || allowed.is_some_and(|a| a.roles.contains(&id));
                let mentionable = guild.roles.get(&id).is_some_and(|role| {
                    role.mentionable || may.contains(Permissions::MENTION_EVERYONE)
                });
                let known = id != guild.settings.id.everyone() && mentionable;
                if wanted && known && !found.roles.contains(&id) {
                    found.roles.push(id);
                }
            }
            Token::Everyone => {
                found.everyone |= !guild.direct
                    && parses("everyone")
                    && may.contains(Permissions::MENTION_EVERYONE);
            }
        }
    }
    found
}

impl Mentions {
    /// Adds a user, once.
    pub(super) fn add_user(&mut self, user: &Arc<User>) {
        if !self.users.iter().any(|known| known.id == user.id) {
            self.users.push(Arc::clone(user));
        }
    }

    /// Parses and checks in one go.
    pub(super) fn of(
        guild: &Guild,
        rights: &Rights<'_>,
        channel: &Channel,
        content: &str,
        allowed: Option<&AllowedMentions>,
    ) -> Result<Self, ApiError> {
        if let Some(allowed) = allowed {
            check(allowed)?;
        }
        Ok(parse(guild, rights.within(channel), content, allowed))
    }
}

/// The mentions written in a content.
fn tokens(content: &str) -> impl Iterator<Item = Token> + '_ {
    let mut rest = content;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find(['<', '@'])?;
            rest = &rest[start..];
            let (token, len) = token_at(rest);
            rest = &rest[len..];
            if token.is_some() {
                return token;
            }
        }
    })
}

/// The mention that a text beginning with `<` or `@` starts with, and how much to go on by.
fn token_at(text: &str) -> (Option<Token>, usize) {
    for word in ["@everyone", "@here"] {
        if text.starts_with(word) {
            return (Some(Token::Everyone), word.len());
        }
    }
    let parsed = text.strip_prefix("<@").and_then(|inner| {
        // Twenty digits are the longest snowflake.
        let end = inner.bytes().take(24).position(|byte| byte == b'>')?;
        let token = if let Some(role) = inner[..end].strip_prefix('&') {
            Token::Role(role.parse().ok()?)
        } else {
            let user = inner[..end].strip_prefix('!').unwrap_or(&inner[..end]);
            Token::User(user.parse().ok()?)
        };
        Some((token, end + 3))
    });
    match parsed {
        Some((token, len)) => (Some(token), len),
        None => (None, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mentions_are_found_in_any_text() {
        let user = |id| Token::User(UserId::new(id));
        let role = |id| Token::Role(RoleId::new(id));
        let cases: [(&str, &[Token]); 10] = [
            ("", &[]),
            ("no mention <@> <@x> <@!> <@&> <@0> < @ <@12", &[]),
            ("<@12>", &[user(12)]),
            ("<@!12><@&3>", &[user(12), role(3)]),
            ("<<@1>", &[user(1)]),
            ("<@<@1>", &[user(1)]),
            ("hi @everyone, @here", &[Token::Everyone, Token::Everyone]),
            ("@@everyone@ever", &[Token::Everyone]),
            ("ü<@1>ü<@ü1>", &[user(1)]),
            (
                "<@18446744073709551616> <@18446744073709551615>",
                &[user(u64::MAX)],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(tokens(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn a_kind_is_either_parsed_or_listed() {
        let mut allowed = AllowedMentions {
            parse: vec!["users".to_owned(), "everyone".to_owned()],
            ..AllowedMentions::default()
        };
        assert_eq!(check(&allowed), Ok(()));
        allowed.roles = vec![RoleId::new(1)];
        assert_eq!(check(&allowed), Ok(()));
        allowed.users = vec![UserId::new(1); 101];
        assert_eq!(check(&allowed).unwrap_err().code, 50_035);
        allowed.users.truncate(1);
        assert_eq!(check(&allowed).unwrap_err().code, 50_035);
        allowed.parse = vec!["all".to_owned()];
        assert_eq!(check(&allowed).unwrap_err().code, 50_035);
    }
}
