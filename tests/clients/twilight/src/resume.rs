//! Outages that end in Resume, and the login that must not succeed.

use anyhow::{Context, bail, ensure};
use twilight_http::error::ErrorType;

use crate::{
    bot::Bot,
    equal,
    gateway::{Record, Watch, is_ready, is_resumed},
};

/// Cuts the connection, lets others post meanwhile, and expects a Resume with exactly what was missed.
pub(crate) async fn outage(bot: &Bot, label: &str, server_knows: bool) -> anyhow::Result<()> {
    let (session, skip, resumes) = bot.gateway.look(|record| {
        (
            record.session.clone(),
            record.messages().count(),
            record.count(is_resumed),
        )
    });
    ensure!(session.is_some(), "the shard has no session");
    bot.outage.cut(server_knows).await?;
    let mut wanted = Vec::new();
    for n in 0..4 {
        for (who, user) in ["alice", "bob"].into_iter().zip(&bot.users) {
            let content = format!("{label}: {who} {n}");
            user.send(&content).await?;
            wanted.push(content);
        }
    }
    let through = bot.gateway.look(|record| record.contents(skip));
    equal(&through, &Vec::new(), "received through a cut connection")?;
    bot.outage.dialled_again().await?;
    bot.outage.release().await?;
    bot.gateway
        .until("RESUMED", |record| {
            (record.count(is_resumed) > resumes).then_some(())
        })
        .await?;
    let back = format!("{label}: back again");
    bot.send(&back).await?;
    wanted.push(back);
    let got = bot
        .gateway
        .until("the missed messages", |record| {
            Some(record.contents(skip)).filter(|contents| contents.len() >= wanted.len())
        })
        .await?;
    equal(&got, &wanted, "messages after the outage")?;
    bot.gateway.look(|record| {
        equal(&record.session, &session, "session id")?;
        equal(&record.count(is_ready), &1, "number of sessions started")?;
        sequence_is_whole(record)
    })
}

/// Every dispatch so far carried the next sequence number: nothing lost, doubled or out of order.
fn sequence_is_whole(record: &Record) -> anyhow::Result<()> {
    for ((sequence, event), expected) in record.dispatches.iter().zip(1..) {
        ensure!(
            *sequence == expected,
            "dispatch {expected} has s={sequence}: {event:?}"
        );
    }
    Ok(())
}

/// REST answers 401, and the gateway closes with 4004 for good.
pub(crate) async fn wrong_token(bot: &Bot) -> anyhow::Result<()> {
    let token = bot.dev().wrong_token();
    let error = bot
        .dev()
        .http(&token)?
        .current_user()
        .await
        .err()
        .context("REST accepted a wrong token")?;
    match error.kind() {
        ErrorType::Response { status, .. } => equal(&status.get(), &401, "status")?,
        other => bail!("unexpected error {other:?}"),
    }
    let stranger = Watch::start(bot.dev().shard(&token));
    let outcome = stranger
        .until("the end of the shard", |record| {
            (record.count(is_ready) > 0).then_some(())
        })
        .await;
    let error = outcome
        .err()
        .context("the gateway accepted a wrong token")?;
    ensure!(error.to_string().contains("4004"), "{error:#}");
    Ok(())
}
