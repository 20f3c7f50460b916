//! The one thread that writes: it takes what waits, commits it as one batch, and answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fjall::PersistMode;
use tokio::sync::oneshot;

use super::change;
use super::disk::{DirLock, Disk};
use super::draft::Draft;
use super::ends::Ends;
use super::log::CommitLog;
use super::shared::{Commits, Shared, Stop};
use super::sorter::Round;
use super::sorting::Sorting;
use super::space::Space;
use crate::clock;
use crate::directory::{Change, DirectoryError};
use crate::journal::{JournalError, NewRecord, Snapshot};
use crate::protocol::{GuildId, MessageId, Position};
use crate::supervision::lifeline::Lifeline;

/// Most requests of one commit; more would make those that wait for it wait long.
const MAX_BATCH: usize = 4_096;
/// Most bytes of one commit, but for one larger request.
const MAX_BATCH_BYTES: usize = 8 << 20;
/// How often a store that refuses writes is tried again.
const HEAL_EVERY: Duration = Duration::from_millis(500);

type Answer<T, E = JournalError> = oneshot::Sender<Result<T, E>>;

/// What the writer is asked for.
pub(super) enum Request {
    Append {
        guild: GuildId,
        expected: Position,
        records: Vec<NewRecord>,
        answer: Answer<Position>,
    },
    Remove {
        guild: GuildId,
        answer: Answer<()>,
    },
    Trim {
        guild: GuildId,
        through: Position,
        messages: MessageId,
        answer: Answer<bool>,
    },
    PutSnapshot {
        guild: GuildId,
        snapshot: Snapshot,
        answer: Answer<()>,
    },
    Change {
        change: Change,
        answer: Answer<(), DirectoryError>,
    },
    /// The sorter is done.
    Sorted {
        round: Round,
        result: fjall::Result<()>,
    },
}

/// A request that was worked on, and what to answer once its commit is done.
enum Pending {
    Append(Answer<Position>, Result<Position, JournalError>),
    Unit(Answer<()>, Result<(), JournalError>),
    Change(Answer<(), DirectoryError>, Result<(), DirectoryError>),
}

// Whoever asked may be gone by now: answers are sent without looking.
impl Pending {
    fn settle(self) {
        match self {
            Self::Append(answer, result) => drop(answer.send(result)),
            Self::Unit(answer, result) => drop(answer.send(result)),
            Self::Change(answer, result) => drop(answer.send(result)),
        }
    }

    /// The commit failed: `error` is for those that would have been written.
    fn fail(self, error: &JournalError) {
        // What would have changed nothing was judged by what is void now.
        let nothing = || JournalError::Unavailable("a commit of the store failed".to_owned());
        match self {
            Self::Append(answer, Ok(_)) => drop(answer.send(Err(error.clone()))),
            Self::Unit(answer, Ok(())) => drop(answer.send(Err(error.clone()))),
            Self::Append(answer, Err(_)) => drop(answer.send(Err(nothing()))),
            Self::Unit(answer, Err(_)) => drop(answer.send(Err(nothing()))),
            Self::Change(answer, _) => {
                drop(answer.send(Err(DirectoryError::Unavailable(error.to_string()))));
            }
        }
    }
}

impl Request {
    fn refuse(self, why: &str) {
        let error = JournalError::Unavailable(why.to_owned());
        match self {
            Self::Append { answer, .. } => drop(answer.send(Err(error))),
            Self::Trim { answer, .. } => drop(answer.send(Err(error))),
            Self::Remove { answer, .. } | Self::PutSnapshot { answer, .. } => {
                drop(answer.send(Err(error)));
            }
            Self::Change { answer, .. } => {
                drop(answer.send(Err(DirectoryError::Unavailable(why.to_owned()))));
            }
            Self::Sorted { .. } => {}
        }
    }
}

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) lock: DirLock,
    pub(super) space: Space,
    pub(super) ends: Ends,
    pub(super) log: CommitLog,
    pub(super) sorting: Sorting,
    /// What forgets something, and waits until nothing is sorted.
    pub(super) deferred: Vec<Request>,
    /// A commit has just failed: the database is opened again at once.
    pub(super) failed: bool,
    pub(super) line: Arc<Lifeline>,
}

impl Writer {
    /// Works until the queue is closed and empty, then closes the database.
    pub(super) fn run(mut self) {
        let mut requests = Vec::new();
        loop {
            let patience = match self.shared.accepts_writes() {
                true => None,
                false if std::mem::take(&mut self.failed) => Some(Duration::ZERO),
                false => Some(HEAL_EVERY),
            };
            let queue = &self.shared.queue;
            let open = queue.drain(&mut requests, MAX_BATCH, MAX_BATCH_BYTES, patience);
            self.shared.note_queue(queue.len());
            if !open {
                break;
            }
            self.line.begin(1);
            let worked = catch_unwind(AssertUnwindSafe(|| {
                self.look_after();
                self.serve(std::mem::take(&mut requests));
            }));
            self.line.end();
            if worked.is_err() {
                // Whoever waits is told by the drop of the answer that it is unknown.
                self.shared.stop(Stop::Broken);
            }
        }
        self.close();
    }

    fn close(mut self) {
        for request in std::mem::take(&mut self.deferred) {
            request.refuse("the store is closed");
        }
        if let Err(error) = self.log.sync() {
            tracing::error!(%error, "the log of commits cannot be synced at its close");
        }
        let mut disk = self.shared.disk_mut();
        if let Some(disk) = disk.take()
            && let Err(error) = disk.db.persist(PersistMode::SyncAll)
        {
            tracing::error!(%error, "the store cannot be synced at its close");
        }
        drop(disk);
        drop(self.lock);
    }

    /// Looks at the free space, and opens a broken store again: also without space, since that decides
    /// what became of the last commit, so that all can be read.
    fn look_after(&mut self) {
        let least = self.shared.min_free_bytes.load(Ordering::Relaxed);
        let short = self.space.is_short(least);
        self.shared.set_short(short);
        if !self.shared.is_broken() {
            return;
        }
        #[cfg(test)]
        if self.shared.stays_broken.load(Ordering::Relaxed) {
            return;
        }
        let mut slot = self.shared.disk_mut();
        // The old one holds the database's own lock.
        *slot = None;
        let opened = Disk::open(&self.shared.dir, self.shared.indexer).and_then(|disk| {
            let sizes = disk.sizes()?;
            let (log, starts) = disk.open_log(&self.shared.dir, self.shared.is_synced())?;
            self.shared.begin_life();
            let life = self.shared.life();
            let round_bytes = self.shared.unsorted_max_bytes;
            let sorting = Sorting::find(&disk, starts, round_bytes, life)?;
            Ok((disk, sizes, log, sorting))
        });
        match opened {
            Ok((disk, sizes, log, sorting)) => {
                *slot = Some(disk);
                drop(slot);
                self.ends.clear();
                self.log = log;
                self.sorting = sorting;
                self.shared.set_sizes(sizes);
                self.shared.healed();
                tracing::info!(short_of_space = short, "the store was opened again");
            }
            Err(error) => tracing::error!(%error, "the store cannot be opened again"),
        }
    }

    fn serve(&mut self, requests: Vec<Request>) {
        let mut run = Vec::with_capacity(requests.len());
        for request in requests {
            match request {
                Request::Sorted { round, result } => self.sorted(&round, result),
                Request::Remove { .. } | Request::Trim { .. } => {
                    self.commit(std::mem::take(&mut run));
                    self.forget(request);
                }
                other => run.push(other),
            }
        }
        self.commit(run);
        if !self.sorting.is_under_way() && !self.deferred.is_empty() {
            let deferred = std::mem::take(&mut self.deferred);
            self.serve(deferred);
        }
    }

    fn forget(&mut self, request: Request) {
        match request {
            // What the sorter has read would come back.
            request if self.sorting.is_under_way() => self.deferred.push(request),
            Request::Remove { guild, answer } => {
                let removed = self.remove(guild);
                Pending::Unit(answer, removed).settle();
            }
            Request::Trim {
                guild,
                through,
                messages,
                answer,
            } => {
                // Whoever asked may be gone.
                drop(answer.send(self.trim(guild, through, messages)));
            }
            _ => unreachable!("it forgets nothing"),
        }
    }

    fn commit(&mut self, requests: Vec<Request>) {
        if requests.is_empty() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let disk = shared.disk();
        let is_full = self.sorting.is_full();
        let takes = shared.accepts_writes() && !is_full;
        let Some(disk) = disk.as_ref().filter(|_| takes) else {
            shared.counters.store_refused.inc_by(requests.len() as u64);
            let why = if is_full {
                "too much waits to be sorted".to_owned()
            } else {
                shared.refusal()
            };
            for request in requests {
                request.refuse(&why);
            }
            return;
        };
        self.ends.make_room();
        let mut draft = Draft::new(disk, shared.sizes());
        let mut pending = Vec::with_capacity(requests.len());
        for request in requests {
            pending.push(match request {
                Request::Append {
                    guild,
                    expected,
                    records,
                    answer,
                } => {
                    let result = draft.append(&mut self.ends, guild, expected, records);
                    Pending::Append(answer, result)
                }
                Request::PutSnapshot {
                    guild,
                    snapshot,
                    answer,
                } => Pending::Unit(answer, draft.put_snapshot(guild, snapshot)),
                Request::Change { change, answer } => {
                    Pending::Change(answer, change::make(change, &mut draft))
                }
                Request::Remove { .. } | Request::Trim { .. } | Request::Sorted { .. } => {
                    unreachable!("what forgets has commits of its own")
                }
            });
        }
        let records = draft.records() as u64;
        let guilds: Vec<GuildId> = draft.guilds().collect();
        let start = clock::now();
        let before = self.log.next();
        let committed = shared.inject(Commits::New, || draft.commit(&mut self.log, shared.mode));
        match committed {
            Ok(written) => {
                let counters = &shared.counters;
                counters.store_commit_seconds.observe(start.elapsed());
                counters.store_commits.inc();
                counters.store_records.inc_by(records);
                shared.set_sizes(written.sizes);
                pending.into_iter().for_each(Pending::settle);
                if written.bytes > 0 {
                    self.sorting.committed(written.bytes);
                }
                self.look_after_sorting(disk);
            }
            Err(error) => {
                let is_logged = self.log.next() > before;
                let failure = self.failed(&error, guilds, is_logged);
                for pending in pending {
                    pending.fail(&failure);
                }
            }
        }
    }

    /// Notes that a commit failed, the records of which are in the log already or not, and tells what its callers are to know.
    pub(super) fn failed(
        &mut self,
        error: &fjall::Error,
        guilds: Vec<GuildId>,
        is_logged: bool,
    ) -> JournalError {
        tracing::error!(%error, "a commit of the store failed, writes are refused");
        // A database that is poisoned may be so because a table could not be written.
        if matches!(error, fjall::Error::Poisoned) || is_lack_of_space(error) {
            self.space.ran_out();
        }
        self.ends.clear();
        self.failed = true;
        if matches!(error, fjall::Error::Poisoned) && !is_logged {
            self.shared.stop(Stop::Broken);
            return JournalError::Unavailable(error.to_string());
        }
        // Opening the database again decides whether this commit is in the log.
        self.shared.stop(Stop::Unsettled(guilds));
        JournalError::Ambiguous(error.to_string())
    }
}

fn is_lack_of_space(error: &fjall::Error) -> bool {
    let kind = match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => error.kind(),
        _ => return false,
    };
    matches!(
        kind,
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
    )
}
