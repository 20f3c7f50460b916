//! Values that must not be printed, and the files in the data directory that keep generated ones.

use std::fmt::{self, Write as _};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub use crate::auth::tokens::MIN_SECRET_LEN;

/// Random bytes of a generated secret; its text is twice as long, in hexadecimal.
const GENERATED_BYTES: usize = 32;

/// A text that is never shown: its `Debug` and `Display` are a placeholder.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret of at least [`MIN_SECRET_LEN`] bytes.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (text.len() >= MIN_SECRET_LEN).then_some(Self(text))
    }

    /// A random secret: 256 bits in hexadecimal.
    pub fn generate() -> io::Result<Self> {
        let mut bytes = [0_u8; GENERATED_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        let mut text = String::with_capacity(2 * GENERATED_BYTES);
        for byte in bytes {
            write!(text, "{byte:02x}").expect("writing into a string does not fail");
        }
        Ok(Self(text))
    }

    /// The secret itself, for those who check or print it on purpose.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hidden")
    }
}

/// Why a kept secret cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("secret file {path}: {source}")]
pub struct SecretFileError {
    path: PathBuf,
    source: io::Error,
}

/// Reads the secret kept in `dir/name`, or generates one and keeps it there with mode 0600.
///
/// The directory is made where it is missing. Of two processes that start at the same time, both
/// get the secret of the first. A file that others may read is made private again; one that holds
/// less than a secret is an error, since replacing it would void every token.
pub fn load_or_create(dir: &Path, name: &str) -> Result<Secret, SecretFileError> {
    let path = dir.join(name);
    match read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(dir, &path),
        other => other,
    }
    .map_err(|source| SecretFileError { path, source })
}

fn read(path: &Path) -> io::Result<Secret> {
    let text = fs::read_to_string(path)?;
    let secret = Secret::new(text.trim()).ok_or_else(|| {
        let reason = format!("holds no secret of at least {MIN_SECRET_LEN} bytes");
        io::Error::new(io::ErrorKind::InvalidData, reason)
    })?;
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "secret file was readable by others, made private");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    Ok(secret)
}

fn create(dir: &Path, path: &Path) -> io::Result<Secret> {
    fs::create_dir_all(dir)?;
    let secret = Secret::generate()?;
    // Written aside and linked into place, so that the file is whole whenever it is there, and an
    // existing one is never replaced.
    let aside = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&aside)?;
    let linked = file
        .write_all(secret.reveal().as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::hard_link(&aside, path));
    fs::remove_file(&aside)?;
    match linked {
        Ok(()) => File::open(dir)?.sync_all().map(|()| secret),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(path),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_secret_is_made_once_kept_private_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let first = load_or_create(&data, "auth-secret").unwrap();
        assert_eq!(first.reveal().len(), 64);
        assert_eq!(mode(&data.join("auth-secret")), 0o600);
        assert_eq!(load_or_create(&data, "auth-secret").unwrap(), first);
        assert_ne!(load_or_create(&data, "admin-token").unwrap(), first);
        assert_eq!(
            fs::read_dir(&data).unwrap().count(),
            2,
            "nothing left aside"
        );
    }

    #[test]
    fn racing_starts_agree_on_one_secret() {
        let dir = tempfile::tempdir().unwrap();
        let first = create(dir.path(), &dir.path().join("s")).unwrap();
        let second = create(dir.path(), &dir.path().join("s")).unwrap();
        assert_eq!(first, second);
    }

    #[test]
    fn a_readable_file_is_made_private_and_a_cut_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        fs::write(&path, "0123456789abcdef\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let secret = load_or_create(dir.path(), "s").unwrap();
        assert_eq!(secret.reveal(), "0123456789abcdef");
        assert_eq!(mode(&path), 0o600);
        fs::write(&path, "short").unwrap();
        let error = load_or_create(dir.path(), "s").unwrap_err().to_string();
        assert!(error.contains("at least 16 bytes"), "{error}");
    }

    #[test]
    fn a_secret_does_not_show_in_debug_or_display() {
        let secret = Secret::new("correct horse battery").unwrap();
        assert!(!format!("{secret:?} {secret}").contains("horse"));
    }
}
