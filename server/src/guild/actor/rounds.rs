//! When guilds look after themselves: one timer for all of a thread, where one for each would take more memory than the rest of
//! what waits for a guild, and would be looked at whenever there is mail.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use actix::{ActorContext, AsyncContext, Context, Handler, Message, WeakAddr};
use tokio::task::JoinHandle;

use super::GuildActor;
use crate::clock;

/// Guilds that are told before the others of the thread get their turn.
const AT_ONCE: usize = 16;

thread_local! {
    static ROUNDS: RefCell<Rounds> = const { RefCell::new(Rounds::new()) };
}

/// The guilds of this thread, by when their turn is: they all wait for the same time.
struct Rounds {
    waiting: VecDeque<(Instant, WeakAddr<GuildActor>)>,
    /// What tells them; it ends when nobody waits.
    caller: Option<JoinHandle<()>>,
}

/// It is the guild's turn.
struct Turn;

impl Message for Turn {
    type Result = ();
}

impl Rounds {
    const fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            caller: None,
        }
    }

    /// The next one whose turn it is.
    fn next(&mut self, now: Instant) -> Option<WeakAddr<GuildActor>> {
        let (due, _) = self.waiting.front()?;
        if *due > now {
            return None;
        }
        self.waiting.pop_front().map(|(_, guild)| guild)
    }

    /// When that is the case again.
    fn due(&mut self) -> Option<Instant> {
        if self.waiting.capacity() > 4 * self.waiting.len() {
            self.waiting.shrink_to(2 * self.waiting.len());
        }
        self.waiting.front().map(|(due, _)| *due)
    }
}

fn wait(guild: WeakAddr<GuildActor>, time: Duration) {
    ROUNDS.with_borrow_mut(|rounds| {
        rounds.waiting.push_back((clock::now() + time, guild));
        if rounds.caller.as_ref().is_none_or(JoinHandle::is_finished) {
            #[allow(clippy::disallowed_methods)] // one per thread, ends with its guilds
            let caller = actix_rt::spawn(call());
            rounds.caller = Some(caller);
        }
    });
}

/// Tells guilds when it is their turn. Each has itself put at the end again, so that no more than one letter waits for it
/// and those that are gone are forgotten.
async fn call() {
    while let Some(due) = ROUNDS.with_borrow_mut(Rounds::due) {
        tokio::time::sleep_until(due.into()).await;
        let now = clock::now();
        for _ in 0..AT_ONCE {
            let Some(guild) = ROUNDS.with_borrow_mut(|rounds| rounds.next(now)) else {
                break;
            };
            if let Some(guild) = guild.upgrade() {
                #[allow(clippy::disallowed_methods)] // never more than one for a guild
                guild.do_send(Turn);
            }
        }
        tokio::task::yield_now().await;
    }
}

impl GuildActor {
    /// Waits for its turn on this thread, where it does not yet.
    pub(super) fn join_rounds(&mut self, ctx: &Context<Self>) {
        if !std::mem::replace(&mut self.in_rounds, true) {
            wait(ctx.address().downgrade(), self.tools.settings.housekeeping);
        }
    }
}

impl Handler<Turn> for GuildActor {
    type Result = ();

    fn handle(&mut self, _: Turn, ctx: &mut Context<Self>) {
        self.in_rounds = false;
        self.housekeeping(ctx);
        // One that stops would be kept in part until a turn that it does not have.
        if ctx.state().alive() {
            self.join_rounds(ctx);
        }
    }
}
