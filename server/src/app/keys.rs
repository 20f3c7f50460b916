//! Keys of JSON Web Tokens, from the settings and the files that they name.

use std::path::Path;

use super::StartError;
use crate::auth::jwt::{JwtKeys, JwtRules};
use crate::config::auth::Auth;

/// Reads the keys; none where no setting names one. Blocks on the disk. Errors name files and say nothing of
/// what is in them.
pub(super) fn read(auth: &Auth) -> Result<JwtKeys, StartError> {
    let mut keys = JwtKeys::new(JwtRules {
        issuer: auth.jwt_issuer.clone(),
        audience: auth.jwt_audience.clone(),
        leeway_s: auth.jwt_leeway_s,
    });
    if let Some(secret) = &auth.jwt_secret {
        let added = keys.add_secret(secret.reveal().as_bytes());
        added.map_err(|error| StartError::Secret(format!("auth.jwt_secret: {error}")))?;
    }
    if let Some(path) = &auth.jwt_public_key {
        let pem = file(path)?;
        keys.add_pem(pem.as_bytes())
            .map_err(|error| refused(path, &error))?;
    }
    if let Some(path) = &auth.jwt_keys {
        let set = file(path)?;
        let passed_over = keys.add_set(&set).map_err(|error| refused(path, &error))?;
        if passed_over > 0 {
            let path = path.display();
            tracing::warn!(%path, count = passed_over, "keys of the set are of no use here");
        }
    }
    Ok(keys)
}

/// Whether a file has a part in it.
pub(super) const fn has_files(auth: &Auth) -> bool {
    auth.jwt_public_key.is_some() || auth.jwt_keys.is_some()
}

fn file(path: &Path) -> Result<String, StartError> {
    std::fs::read_to_string(path).map_err(|error| refused(path, &error))
}

fn refused(path: &Path, error: &dyn std::fmt::Display) -> StartError {
    StartError::Secret(format!("{}: {error}", path.display()))
}
