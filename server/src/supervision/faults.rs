//! Faults on demand, for tests: compiled only with the feature `fault-points`.
//!
//! A fault is set for one guild and strikes a number of times, each at its point.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;

use crate::journal::{JournalError, JournalFuture};
use crate::protocol::{GuildId, Position};

/// Where a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// A panic while the guild handles a message to be sent.
    HandlerPanic,
    /// A panic in a future that the guild's actor spawned: when an append is acknowledged, before
    /// anybody is told.
    FuturePanic,
    /// The guild's handler of a message to be sent does not end, until the fault is taken back.
    Loop,
    /// A panic when the guild is to be handed over to another thread.
    ReleasePanic,
    /// A panic in each hub that gets something from the guild.
    HubPanic,
    /// An append fails, and nothing of it is written.
    AppendFail,
    /// An append is written, and reported as one of which that is not known.
    AppendUnknown,
    /// An append begins later, by `ms`.
    AppendDelay,
    /// A message is not delivered to one session.
    DropDelivery,
    /// A message is delivered to one session twice.
    DuplicateDelivery,
    /// A message is delivered to one session after the next one.
    SwapDeliveries,
    /// A message of a channel is delivered to a session that does not see the channel.
    LeakDelivery,
    /// A message is acknowledged, and delivered to no session of a worker.
    LoseDelivery,
    /// Two events are left out of what a Resume replays, if it replays more than two.
    PartialReplay,
    /// The process ends when an append is acknowledged, before anybody is told.
    KillAfterAppend,
}

/// A fault that waits.
#[derive(Debug, Clone, Deserialize)]
pub struct Fault {
    /// The guild.
    pub guild: GuildId,
    /// Where.
    pub point: Point,
    /// How often.
    pub times: u32,
    /// How long, in milliseconds, where the fault is a delay.
    #[serde(default)]
    pub ms: u64,
}

static FAULTS: LazyLock<Mutex<Vec<Fault>>> = LazyLock::new(Mutex::default);

fn faults() -> MutexGuard<'static, Vec<Fault>> {
    FAULTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets a fault; `times` of 0 takes it back.
pub fn set(fault: Fault) {
    let mut faults = faults();
    faults.retain(|other| (other.guild, other.point) != (fault.guild, fault.point));
    if fault.times > 0 {
        faults.push(fault);
    }
}

/// How often a fault is still to strike.
#[cfg(test)]
pub(crate) fn left(point: Point, guild: GuildId) -> u32 {
    faults()
        .iter()
        .filter(|fault| (fault.guild, fault.point) == (guild, point))
        .map(|fault| fault.times)
        .sum()
}

/// The fault that strikes here now, if one does.
fn strike(point: Point, guild: GuildId) -> Option<Fault> {
    let mut faults = faults();
    let fault = faults
        .iter_mut()
        .find(|fault| (fault.guild, fault.point) == (guild, point) && fault.times > 0)?;
    fault.times -= 1;
    Some(fault.clone())
}

/// Whether a fault strikes here now; whoever asks does the rest.
pub fn strikes(point: Point, guild: GuildId) -> bool {
    strike(point, guild).is_some()
}

fn was_taken_back(point: Point, guild: GuildId) -> bool {
    !faults()
        .iter()
        .any(|fault| (fault.guild, fault.point) == (guild, point))
}

/// Lets a fault strike that waits here. Panics, ends the process, or does not return.
pub fn hit(point: Point, guild: GuildId) {
    if strike(point, guild).is_none() {
        return;
    }
    match point {
        Point::Loop => {
            while !was_taken_back(point, guild) {
                // It keeps the thread, and leaves the processor to the test.
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Point::KillAfterAppend => std::process::abort(),
        _ => panic!("fault point {point:?} of guild {guild}"),
    }
}

/// Appends, with the faults that wait for it. A journal may write when it is called, not only when what
/// it answers is polled.
pub fn append(
    guild: GuildId,
    append: impl FnOnce() -> JournalFuture<Position> + Send + 'static,
) -> JournalFuture<Position> {
    if strike(Point::AppendFail, guild).is_some() {
        let why = "fault point".to_owned();
        return Box::pin(async { Err(JournalError::Unavailable(why)) });
    }
    let delay = strike(Point::AppendDelay, guild).map(|fault| Duration::from_millis(fault.ms));
    let forgets = strike(Point::AppendUnknown, guild).is_some();
    if delay.is_none() && !forgets {
        return append();
    }
    Box::pin(async move {
        if let Some(delay) = delay {
            // No timer: the thread that began this may end before.
            let (over, is_over) = tokio::sync::oneshot::channel();
            std::thread::spawn(move || {
                std::thread::sleep(delay);
                let _ = over.send(());
            });
            // It is sent.
            let _ = is_over.await;
        }
        let appended = append().await?;
        if forgets {
            return Err(JournalError::Ambiguous("fault point".to_owned()));
        }
        Ok(appended)
    })
}
