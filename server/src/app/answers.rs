//! What this node answers when others ask.

use std::future::ready;
use std::sync::Arc;

use crate::admin::{self, View as _};
use crate::cluster::control::{Answering, Control, Question};
use crate::cluster::moves::{NodeMoved, NodeMoves};
use crate::guild::router::Router;
use crate::supervision::drain::Drain;

use super::views::NodeView;

/// Answers with what each room knows.
pub(super) struct Answers {
    pub(super) moves: NodeMoves,
    pub(super) view: Arc<NodeView>,
    pub(super) router: Router,
    pub(super) drain: Drain,
}

impl Control for Answers {
    fn answer(&self, question: Question) -> Answering {
        match question {
            Question::Prepare(guild) => {
                let moves = self.moves.clone();
                Box::pin(async move { moves.prepare_here(guild).await })
            }
            Question::Move(guild, to) => {
                let moves = self.moves.clone();
                Box::pin(async move { moves.move_from_here(guild, to).await })
            }
            Question::Describe => Box::pin(ready(Ok(admin::describe(&*self.view)))),
            Question::Drain => {
                let is_new = self.drain.order();
                tracing::info!(node = %self.view.node().name, is_new, "another node's operator drains this one");
                Box::pin(ready(Ok(is_new.into())))
            }
            Question::Guild(guild, order) => {
                let (view, router) = (Arc::clone(&self.view), self.router.clone());
                Box::pin(async move {
                    let done = admin::carry_out(&*view, &router, guild, order).await;
                    Ok(serde_json::to_value(done).expect("outcomes are plain data"))
                })
            }
        }
    }

    fn moved(&self, moved: NodeMoved) {
        self.moves.remember(moved);
    }
}
