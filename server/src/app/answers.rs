//! What this node answers when others ask.

use std::future::ready;
use std::sync::Arc;

use crate::admin::{self, View as _};
use crate::cluster::control::{Answering, Control, Question, Unanswered};
use crate::cluster::moves::{NodeMoved, NodeMoves};
use crate::cluster::sessions::Yields;
use crate::counters::Counters;
use crate::guild::router::Router;
use crate::supervision::drain::Drain;

use serde_json::Value;

use super::views::NodeView;

/// Answers with what each room knows.
pub(super) struct Answers {
    pub(super) moves: NodeMoves,
    pub(super) view: Arc<NodeView>,
    pub(super) router: Router,
    pub(super) drain: Drain,
    pub(super) counters: Arc<Counters>,
    pub(super) sessions: Arc<dyn Yields>,
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
            Question::Ping => Box::pin(ready(Ok(Value::Null))),
            Question::Report { top, .. } => {
                let (view, counters) = (Arc::clone(&self.view), Arc::clone(&self.counters));
                Box::pin(async move {
                    // It looks at every guild that runs: not on the thread that speaks with NATS.
                    let report = move || admin::report(&*view, &counters, top);
                    let report = tokio::task::spawn_blocking(report).await;
                    let report = report.map_err(|_| Unanswered::new(500, "the report panicked"))?;
                    Ok(serde_json::to_value(report).expect("reports are plain data"))
                })
            }
            Question::Drain => {
                let is_new = self.drain.order();
                tracing::info!(node = %self.view.node().name, is_new, "another node's operator drains this one");
                Box::pin(ready(Ok(is_new.into())))
            }
            Question::Yield(wanted) => {
                let yielded = self.sessions.yields(wanted);
                Box::pin(async move {
                    let stays = || Unanswered::new(503, "the session stays");
                    let yielded = yielded.await.ok_or_else(stays)?;
                    Ok(serde_json::to_value(yielded).expect("it is plain data"))
                })
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
