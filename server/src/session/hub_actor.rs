//! The hub actor: a worker's mailbox.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Supervised};

use super::links::HubMail;
use super::shared::SessionShared;
use super::worker::noting::LOOKS;
use super::worker::pacing::keep_pace;
use super::worker::{Worker, WorkerCell};
use crate::supervision::guarded;
use crate::supervision::lifeline::{BEAT, Lifeline};
use crate::supervision::mail::{Mail, MailBounds, MailGauge, Mailer};

/// How much mail may wait for a hub.
const BOUNDS: MailBounds = MailBounds {
    count: 65_536,
    bytes: 128 << 20,
};
/// Messages handled before other tasks of the thread get their turn.
const SLICE: u32 = 64;

/// Hands a worker its mail and its ticks.
pub struct HubActor {
    worker: WorkerCell,
    /// Messages handled since the last yield.
    handled: u32,
    line: Arc<Lifeline>,
}

impl HubActor {
    /// Starts a hub on this thread and makes it known; answers the worker.
    pub fn start_here(shared: &SessionShared) -> WorkerCell {
        let hub = shared.links.next_hub();
        let worker = Worker::new(hub, shared.clone());
        let bell = worker.borrow().bell();
        #[allow(clippy::disallowed_methods)] // one per worker, ends with it
        actix_rt::spawn(keep_pace(Rc::downgrade(&worker), bell));
        let line = Lifeline::new(format!("session worker {}", hub.0));
        let actor = Self {
            worker: worker.clone(),
            handled: 0,
            line: shared.links.lines.watch(line),
        };
        let address = guarded::start_here(|_: &mut Context<Self>| actor);
        let gauge = Arc::new(MailGauge::new(BOUNDS));
        shared.links.insert(hub, Mailer::new(address, gauge));
        worker
    }
}

impl Actor for HubActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(Duration::from_secs(1), |actor, _| {
            actor.worker.borrow_mut().tick();
        });
        ctx.run_interval(BEAT, |actor, _| actor.line.beat());
        let elsewhere = self.worker.borrow().shared().elsewhere.clone();
        if let Some(elsewhere) = elsewhere {
            ctx.run_interval(elsewhere.note_every() / LOOKS, |actor, _| {
                actor.worker.borrow_mut().note_for_others();
            });
        }
    }
}

impl Supervised for HubActor {
    /// The mail that made it panic is gone: what it may have brought is asked for again.
    fn restarting(&mut self, _: &mut Self::Context) {
        self.handled = 0;
        self.worker.borrow_mut().after_panic();
    }
}

impl Handler<Mail<HubMail>> for HubActor {
    type Result = ();

    fn handle(&mut self, mail: Mail<HubMail>, ctx: &mut Self::Context) {
        self.worker.borrow_mut().on_mail(mail);
        self.line.beat();
        self.handled += 1;
        if self.handled >= SLICE {
            self.handled = 0;
            // A flood of mail must not keep the thread from its sockets.
            ctx.wait(actix::fut::wrap_future(tokio::task::yield_now()));
        }
    }
}
