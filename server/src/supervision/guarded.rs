//! Actors that survive a panic.
//!
//! actix's own supervisor ends with the actor that panics, and its mail with it. Here the actor's
//! future is polled inside `catch_unwind`: after a panic, in a handler or in a future that the actor
//! spawned on itself, the actor is restarted in place ([`actix::Supervised::restarting`], then
//! `started`). Its address and the mail that waits stay; its timers and futures are gone. What to
//! rebuild, how long to wait and when to give up is the actor's to decide in `restarting`.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use actix::dev::ContextFut;
use actix::dev::channel::channel;
use actix::{Actor, Addr, ArbiterHandle, Context, Supervised};

use super::lifeline::Lifeline;
use super::meter::{Metered, ThreadMeter};
use crate::clock;

/// What a watched thread's actors share.
pub struct WatchedThread {
    /// Its signs of life.
    pub line: Lifeline,
    /// What it uses.
    pub meter: ThreadMeter,
}

/// How a watched thread knows what it is at work on, and what that takes.
pub struct Mark {
    /// The thread.
    pub thread: Arc<WatchedThread>,
    /// Names the actor; not 0.
    pub work: u64,
    /// The actor's.
    pub meter: Arc<dyn Metered>,
}

impl Mark {
    /// The actor gets the thread.
    fn begin(&self) -> Instant {
        self.thread.line.begin(self.work);
        clock::now()
    }

    /// It gives the thread back.
    fn end(&self, began: Instant) {
        let WatchedThread { line, meter } = &*self.thread;
        meter.worked(self.work, &self.meter, began.elapsed());
        line.end();
    }
}

/// Starts an actor on an arbiter's thread, which is marked while the actor has it.
///
/// Its mailbox has no bound of its own: post through [`super::mail`].
pub fn start_on<A>(
    arbiter: &ArbiterHandle,
    mark: Mark,
    make: impl FnOnce(&mut Context<A>) -> A + Send + 'static,
) -> Addr<A>
where
    A: Actor<Context = Context<A>> + Supervised,
{
    let (sender, receiver) = channel(1);
    arbiter.spawn_fn(move || spawn_here(Context::with_receiver(receiver), Some(mark), make));
    Addr::new(sender)
}

/// Starts an actor on this thread; see [`start_on`].
pub fn start_here<A>(make: impl FnOnce(&mut Context<A>) -> A) -> Addr<A>
where
    A: Actor<Context = Context<A>> + Supervised,
{
    let (sender, receiver) = channel(1);
    spawn_here(Context::with_receiver(receiver), None, make);
    Addr::new(sender)
}

fn spawn_here<A>(
    mut context: Context<A>,
    mark: Option<Mark>,
    make: impl FnOnce(&mut Context<A>) -> A,
) where
    A: Actor<Context = Context<A>> + Supervised,
{
    // The bound is the gauge's; the channel itself only has to never be the narrower one.
    context.set_mailbox_capacity(usize::MAX >> 4);
    let actor = make(&mut context);
    #[allow(clippy::disallowed_methods)] // one per actor, ends with it
    actix_rt::spawn(Guarded(Box::new(Marked {
        actor: Some(context.into_future(actor)),
        mark,
    })));
}

/// An actor with its mailbox, polled under guard. A pointer and no more: what a task takes is rounded up to 128 bytes.
struct Guarded<A: Actor<Context = Context<A>>>(Box<Marked<A>>);

/// An actor until its end, and how its thread knows of it.
struct Marked<A: Actor<Context = Context<A>>> {
    actor: Option<ContextFut<A, Context<A>>>,
    mark: Option<Mark>,
}

// The actor is on the heap and never pinned structurally.
impl<A: Actor<Context = Context<A>>> Unpin for Guarded<A> {}

impl<A> Future for Guarded<A>
where
    A: Actor<Context = Context<A>> + Supervised,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        let Marked { actor, mark } = &mut *self.0;
        let Some(running) = actor else {
            return Poll::Ready(());
        };
        let began = mark.as_ref().map(Mark::begin);
        let polled = poll_guarded(running, task);
        if polled.is_ready() {
            drop_quietly(actor.take());
        }
        if let (Some(mark), Some(began)) = (mark, began) {
            mark.end(began);
        }
        polled
    }
}

/// Polls an actor and restarts it where it panics; ready once it is at its end.
fn poll_guarded<A>(actor: &mut ContextFut<A, Context<A>>, task: &mut TaskContext<'_>) -> Poll<()>
where
    A: Actor<Context = Context<A>> + Supervised,
{
    let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut *actor).poll(task)));
    let panic = match polled {
        Ok(polled) => return polled,
        Err(panic) => panic,
    };
    tracing::error!(
        actor = std::any::type_name::<A>(),
        panic = message(&*panic),
        "an actor panicked"
    );
    if let Ok(true) = catch_unwind(AssertUnwindSafe(|| actor.restart())) {
        // The others of the thread have their turn first.
        task.waker().wake_by_ref();
        return Poll::Pending;
    }
    // Nobody can reach it any more, or it cannot even be restarted.
    Poll::Ready(())
}

/// Drops what may panic again.
fn drop_quietly<T>(value: T) {
    if catch_unwind(AssertUnwindSafe(|| drop(value))).is_err() {
        tracing::error!("an actor panicked while it was dropped");
    }
}

/// What a panic says.
pub fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use actix::{AsyncContext, Handler};
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

    use super::*;
    use crate::supervision::mail::{Mail, MailBounds, MailGauge, Mailer};

    enum Ask {
        Say(u32),
        Panic,
        PanicLater,
    }

    struct Echo(UnboundedSender<String>);

    impl Echo {
        fn tell(&self, text: impl Into<String>) {
            self.0.send(text.into()).unwrap();
        }
    }

    impl Actor for Echo {
        type Context = Context<Self>;
        fn started(&mut self, _: &mut Context<Self>) {
            self.tell("started");
        }
    }

    impl Supervised for Echo {
        fn restarting(&mut self, _: &mut Context<Self>) {
            self.tell("restarting");
        }
    }

    impl Handler<Mail<Ask>> for Echo {
        type Result = ();
        fn handle(&mut self, mail: Mail<Ask>, ctx: &mut Context<Self>) {
            match mail.message {
                Ask::Say(number) => self.tell(number.to_string()),
                Ask::Panic => panic!("asked to"),
                Ask::PanicLater => {
                    ctx.run_later(Duration::ZERO, |_, _| panic!("asked to, later"));
                }
            }
        }
    }

    #[test]
    fn i8_mail_that_waits_survives_a_panic_of_the_actor_or_of_its_future() {
        actix::System::new().block_on(async {
            let (sender, mut heard) = unbounded_channel();
            let address = start_here(|_| Echo(sender));
            let bounds = MailBounds {
                count: 100,
                bytes: 100,
            };
            let gauge = Arc::new(MailGauge::new(bounds));
            let mailer = Mailer::new(address, Arc::clone(&gauge));
            for ask in [Ask::Say(1), Ask::Panic, Ask::Say(2), Ask::PanicLater] {
                mailer.post(ask, 1).map_err(|_| ()).unwrap();
            }
            let mut all = Vec::new();
            while all.iter().filter(|text| *text == "started").count() < 3 {
                all.push(heard.recv().await.unwrap());
            }
            mailer.post(Ask::Say(3), 1).map_err(|_| ()).unwrap();
            all.push(heard.recv().await.unwrap());
            assert_eq!(
                all.join(" "),
                "started 1 restarting started 2 restarting started 3"
            );
            // The last letter's permit goes back when its handler is done.
            while gauge.count() > 0 {
                tokio::task::yield_now().await;
            }
        });
    }
}
