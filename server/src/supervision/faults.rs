//! Faults on demand, for tests: compiled only with the feature `fault-points`.
//!
//! A fault is set for one guild and strikes a number of times, each at its point.

use std::sync::{LazyLock, Mutex, PoisonError};

use serde::Deserialize;

use crate::protocol::GuildId;

/// Where a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// A panic while the guild handles a message to be sent.
    HandlerPanic,
    /// A panic in a future that the guild's actor spawned: when an append is acknowledged, before
    /// anybody is told.
    FuturePanic,
    /// The guild's handler does not end.
    Loop,
    /// A panic in each hub that gets something from the guild.
    HubPanic,
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
}

static FAULTS: LazyLock<Mutex<Vec<Fault>>> = LazyLock::new(Mutex::default);

/// Sets a fault; `times` of 0 takes it back.
pub fn set(fault: Fault) {
    let mut faults = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    faults.retain(|other| (other.guild, other.point) != (fault.guild, fault.point));
    faults.push(fault);
}

/// Lets a fault strike that waits here. Panics, or never returns.
pub fn hit(point: Point, guild: GuildId) {
    let struck = {
        let mut faults = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
        let found = faults
            .iter_mut()
            .find(|fault| (fault.guild, fault.point) == (guild, point) && fault.times > 0);
        found.is_some_and(|fault| {
            fault.times -= 1;
            true
        })
    };
    if !struck {
        return;
    }
    match point {
        Point::Loop => loop {
            std::hint::spin_loop();
        },
        Point::HandlerPanic | Point::FuturePanic | Point::HubPanic => {
            panic!("fault point {point:?} of guild {guild}")
        }
    }
}
