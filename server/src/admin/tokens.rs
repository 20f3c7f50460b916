//! `POST /tokens/revoke`: tokens that are not to be good any more.

use actix_web::web;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::answer::{Answer, bad_request, ok, read};
use super::provision::directory_error;
use crate::auth::revocations::Revocation;
use crate::auth::tokens::strip_prefix;
use crate::clock;
use crate::protocol::UserId;

/// One token, or all of a user.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Revoke {
    Token {
        token: String,
    },
    User {
        user_id: UserId,
        /// The last second whose tokens are revoked, since the Unix epoch; now by default.
        until: Option<u64>,
    },
}

#[derive(Serialize)]
struct Revoked {
    user_id: UserId,
    /// For all of a user: up to when they were signed, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

pub(super) async fn revoke(admin: web::Data<Admin>, payload: web::Payload) -> Answer {
    let now_s = clock::unix_ms() / 1_000;
    let (revocation, revoked) = match read::<Revoke>(payload).await? {
        Revoke::Token { token } => {
            let grant = admin.verifier.verify(strip_prefix(token.trim()), now_s);
            let grant = grant.map_err(|error| bad_request(error.to_string()))?;
            let revocation = Revocation::Token {
                fingerprint: grant.fingerprint,
                expires_at: grant.expires_at,
                at: now_s,
            };
            let user_id = UserId::new(grant.user_id);
            (
                revocation,
                Revoked {
                    user_id,
                    until: None,
                },
            )
        }
        Revoke::User { user_id, until } => {
            let until = until.unwrap_or(now_s);
            if until > now_s {
                return Err(bad_request("until is in the future"));
            }
            let revocation = Revocation::User {
                user: user_id,
                until,
            };
            (
                revocation,
                Revoked {
                    user_id,
                    until: Some(until),
                },
            )
        }
    };
    let written = admin.directory.revoke(revocation).await;
    written.map_err(|error| directory_error(&error))?;
    tracing::info!(user = %revoked.user_id, until = revoked.until, "tokens revoked");
    Ok(ok(&revoked))
}
