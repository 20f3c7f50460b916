//! A twilight bot works against the server: every step of a chat session, and two outages that end
//! in Resume.
//!
//! Started by `../run.mjs`. The library is unmodified; only the proxy options of its HTTP client and
//! its gateway configuration point it at the server.

mod bot;
mod chat;
mod gateway;
mod others;
mod resume;
mod steps;

use std::time::Duration;

use anyhow::{Context, bail};

use crate::{bot::Bot, steps::Steps};

/// Everything together may take this long.
const OVERALL_LIMIT: Duration = Duration::from_secs(90);

async fn script(steps: &mut Steps) -> anyhow::Result<()> {
    let bot = steps.run("the bot logs in", Bot::log_in()).await?;
    steps
        .run("the gateway speaks zstd-stream", bot.is_compressed())
        .await?;
    steps
        .run("guild and channels are visible", chat::guild(&bot))
        .await?;
    steps
        .run("all members come by op 8", chat::members(&bot))
        .await?;
    let first = steps
        .run("a message of its own is sent and received", chat::own(&bot))
        .await?;
    steps
        .run(
            "messages of others and its own come in order",
            chat::in_order(&bot),
        )
        .await?;
    steps
        .run(
            "messages sent at the same time come in the order of the history",
            chat::at_once(&bot),
        )
        .await?;
    steps
        .run(
            "edits are seen: its own and others'",
            chat::edits(&bot, first),
        )
        .await?;
    steps
        .run(
            "deletions are seen: its own and others'",
            chat::deletions(&bot),
        )
        .await?;
    steps
        .run(
            "reactions are added and removed",
            chat::reactions(&bot, first),
        )
        .await?;
    steps
        .run("typing is sent and seen", chat::typing(&bot))
        .await?;
    steps
        .run(
            "history honours limit, before, after and around",
            chat::history(&bot),
        )
        .await?;
    steps
        .run(
            "a cut connection is resumed with the missed messages",
            resume::outage(&bot, "cut", true),
        )
        .await?;
    steps
        .run(
            "a resume takes over from a connection the server believes in",
            resume::outage(&bot, "half open", false),
        )
        .await?;
    steps
        .run("a wrong token is refused", resume::wrong_token(&bot))
        .await
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut steps = Steps::default();
    let outcome = match tokio::time::timeout(OVERALL_LIMIT, script(&mut steps)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(anyhow::anyhow!("the whole script took too long")),
    };
    steps.finish(outcome);
}

/// An environment variable that the runner sets.
fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set"))
}

/// Fails with both values unless they are equal.
fn equal<T: PartialEq + std::fmt::Debug>(got: &T, wanted: &T, what: &str) -> anyhow::Result<()> {
    if got != wanted {
        bail!("{what}: got {got:?}, wanted {wanted:?}");
    }
    Ok(())
}
