//! The file that a [`MemoryDirectory`] is kept in: one JSON value a line.
//!
//! The first line names format and version, the last one counts the lines between: a file that was
//! cut off is refused. Direct message channels come before guilds, which are read by them.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::MemoryDirectory;
use crate::directory::DirectoryError;
use crate::protocol::objects::User;
use crate::protocol::{ChannelId, GuildId, UserId};

const FORMAT: &str = "guildhall-directory";
const VERSION: u32 = 1;

/// Why a directory was not written to or read from its file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The file is of another format or of a newer version.
    #[error("{path}: not a directory file of version {VERSION}")]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// A line is not what it should be, or the last one is missing.
    #[error("{path}: line {line} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    Header {
        format: String,
        version: u32,
    },
    User(Arc<User>),
    Direct {
        one: UserId,
        other: UserId,
        channel: ChannelId,
    },
    Guild {
        id: GuildId,
        members: Vec<UserId>,
        channels: Vec<ChannelId>,
    },
    End {
        records: usize,
    },
}

impl MemoryDirectory {
    /// Writes everything to a file, which is replaced as a whole or left as it was. Blocks.
    ///
    /// What changes meanwhile may be in the file or not: call it when nothing writes any more.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        let fresh = path.with_extension("new");
        self.write(&fresh)
            .and_then(|()| fs::rename(&fresh, path))
            .and_then(|()| sync_folder(path))
            .map_err(|source| FileError::Io {
                path: path.to_owned(),
                source,
            })
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let mut out = Lines {
            file: BufWriter::new(File::create(path)?),
            written: 0,
        };
        out.put(&Record::Header {
            format: FORMAT.to_owned(),
            version: VERSION,
        })?;
        for user in &self.accounts {
            out.put(&Record::User(user.value().clone()))?;
        }
        for pair in &self.pairs {
            let (one, other) = *pair.key();
            out.put(&Record::Direct {
                one,
                other,
                channel: *pair.value(),
            })?;
        }
        for guild in &self.guilds {
            out.put(&Record::Guild {
                id: *guild.key(),
                members: guild.members.iter().copied().collect(),
                channels: guild.channels.iter().copied().collect(),
            })?;
        }
        let records = out.written - 1;
        out.put(&Record::End { records })?;
        out.file.into_inner()?.sync_all()
    }

    /// Reads a file that [`Self::save`] wrote; an empty directory where there is none. Blocks.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::new()),
            Err(source) => {
                return Err(FileError::Io {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let directory = Self::new();
        let mut ended = false;
        let mut count = 0;
        for text in BufReader::new(file).lines() {
            let text = text.map_err(|source| FileError::Io {
                path: path.to_owned(),
                source,
            })?;
            count += 1;
            let damaged = |reason: String| FileError::Damaged {
                path: path.to_owned(),
                line: count,
                reason,
            };
            if ended {
                return Err(damaged("it follows the last one".to_owned()));
            }
            let record = match serde_json::from_str(&text) {
                Ok(record) => record,
                Err(_) if count == 1 => {
                    return Err(FileError::Format {
                        path: path.to_owned(),
                    });
                }
                Err(error) => return Err(damaged(error.to_string())),
            };
            match record {
                Record::Header { format, version } => {
                    if count != 1 || format != FORMAT || version != VERSION {
                        return Err(FileError::Format {
                            path: path.to_owned(),
                        });
                    }
                }
                _ if count == 1 => {
                    return Err(FileError::Format {
                        path: path.to_owned(),
                    });
                }
                Record::End { records } if records == count - 2 => ended = true,
                Record::End { records } => {
                    return Err(damaged(format!(
                        "{records} records were written, {} are here",
                        count - 2
                    )));
                }
                record => directory
                    .restore(record)
                    .map_err(|error| damaged(error.to_string()))?,
            }
        }
        if ended {
            Ok(directory)
        } else {
            Err(FileError::Damaged {
                path: path.to_owned(),
                line: count + 1,
                reason: "the file was cut off".to_owned(),
            })
        }
    }

    fn restore(&self, record: Record) -> Result<(), DirectoryError> {
        match record {
            Record::User(user) => {
                self.accounts.insert(user.id, user);
            }
            Record::Direct {
                one,
                other,
                channel,
            } => self.note_direct(one, other, channel),
            Record::Guild {
                id,
                members,
                channels,
            } => {
                self.join(id, &members)?;
                self.note_channels(id, channels);
            }
            Record::Header { .. } | Record::End { .. } => {}
        }
        Ok(())
    }
}

struct Lines {
    file: BufWriter<File>,
    written: usize,
}

impl Lines {
    fn put(&mut self, record: &Record) -> io::Result<()> {
        serde_json::to_writer(&mut self.file, record)?;
        self.written += 1;
        self.file.write_all(b"\n")
    }
}

/// A rename is durable once the folder is synced.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Directory;

    fn user(n: u64) -> UserId {
        UserId::new(n)
    }

    async fn sample() -> MemoryDirectory {
        let directory = MemoryDirectory::new();
        for n in 1..=3 {
            let account = User::new(user(n), format!("user {n}\n\"quoted\""), n == 1);
            directory.put_user(Arc::new(account)).await.unwrap();
        }
        let guild = GuildId::new(10);
        directory
            .add_members(guild, vec![user(1), user(2)])
            .await
            .unwrap();
        directory
            .add_channels(guild, vec![ChannelId::new(11), ChannelId::new(12)])
            .await
            .unwrap();
        let direct = ChannelId::new(20);
        directory
            .put_direct_channel(user(3), user(2), direct)
            .await
            .unwrap();
        let direct_guild = GuildId::new(20);
        directory
            .add_members(direct_guild, vec![user(3), user(2)])
            .await
            .unwrap();
        directory
            .add_channels(direct_guild, vec![direct])
            .await
            .unwrap();
        directory
    }

    #[tokio::test]
    async fn what_was_saved_is_there_after_loading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("directory.jsonl");
        let before = sample().await;
        before.save(&path).unwrap();
        // A second save replaces the first.
        before.save(&path).unwrap();
        let after = MemoryDirectory::load(&path).unwrap();
        assert_eq!(after.sizes(), before.sizes());
        for n in 1..=3 {
            assert_eq!(after.user(user(n)), before.user(user(n)));
            assert_eq!(after.guilds_of(user(n)), before.guilds_of(user(n)));
            assert_eq!(
                after.direct_channels_of(user(n)),
                before.direct_channels_of(user(n))
            );
        }
        assert_eq!(
            after.direct_channel(user(2), user(3)),
            Some(ChannelId::new(20))
        );
        assert_eq!(after.guild_of(ChannelId::new(12)), Some(GuildId::new(10)));
        let files: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(files.len(), 1, "{files:?}");
    }

    #[test]
    fn a_missing_file_is_an_empty_directory() {
        let folder = tempfile::tempdir().unwrap();
        let directory = MemoryDirectory::load(&folder.path().join("none")).unwrap();
        assert_eq!(
            directory.sizes(),
            crate::directory::DirectorySizes::default()
        );
    }

    #[tokio::test]
    async fn a_damaged_file_is_refused_and_the_line_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("directory.jsonl");
        sample().await.save(&path).unwrap();
        let good = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = good.lines().collect();
        let last = lines.len();

        fs::write(&path, lines[..last - 1].join("\n")).unwrap();
        let error = MemoryDirectory::load(&path).unwrap_err();
        assert!(matches!(error, FileError::Damaged { line, .. } if line == last));

        let mut shorter = lines.clone();
        shorter.remove(2);
        fs::write(&path, shorter.join("\n")).unwrap();
        let error = MemoryDirectory::load(&path).unwrap_err();
        assert!(matches!(error, FileError::Damaged { line, .. } if line == last - 1));

        let mut spoilt = lines.clone();
        spoilt[2] = "{\"user\":{}}";
        fs::write(&path, spoilt.join("\n")).unwrap();
        let error = MemoryDirectory::load(&path).unwrap_err();
        assert!(matches!(error, FileError::Damaged { line: 3, .. }));

        fs::write(&path, format!("{good}{}\n", lines[1])).unwrap();
        assert!(MemoryDirectory::load(&path).is_err());

        for header in [
            "{\"header\":{\"format\":\"guildhall-directory\",\"version\":2}}",
            "{\"header\":{\"format\":\"other\",\"version\":1}}",
            "\u{0}",
            lines[1],
        ] {
            let mut other = lines.clone();
            other[0] = header;
            fs::write(&path, other.join("\n")).unwrap();
            let error = MemoryDirectory::load(&path).unwrap_err();
            assert!(matches!(error, FileError::Format { .. }), "{error}");
        }
    }
}
