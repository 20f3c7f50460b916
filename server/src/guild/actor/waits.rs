//! Waiting for something that belongs to the actor.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use actix::{ActorFuture, Context};

use super::GuildActor;

/// A future that is this function of the actor, asked until it is ready.
///
/// What is waited for stays with the actor, so it goes along where that is handed over.
pub(super) fn waits<F>(poll: F) -> Waits<F>
where
    F: FnMut(&mut GuildActor, &mut Context<GuildActor>, &mut TaskContext<'_>) -> Poll<()>,
{
    Waits(poll)
}

/// See [`waits`].
pub(super) struct Waits<F>(F);

impl<F> ActorFuture<GuildActor> for Waits<F>
where
    F: FnMut(&mut GuildActor, &mut Context<GuildActor>, &mut TaskContext<'_>) -> Poll<()> + Unpin,
{
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        actor: &mut GuildActor,
        ctx: &mut Context<GuildActor>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        (self.0)(actor, ctx, task)
    }
}
