//! The steps of a chat session without outages.

use anyhow::{Context, bail, ensure};
use futures_util::future::try_join_all;
use twilight_http::{error::ErrorType, request::channel::reaction::RequestReactionType};
use twilight_model::{
    channel::ChannelType,
    gateway::{
        event::DispatchEvent,
        payload::{incoming::GuildCreate, outgoing::RequestGuildMembers},
    },
    id::Id,
};

use crate::{bot::Bot, equal};

const WAVE: &str = "👋";
const WAVE_ENCODED: &str = "%F0%9F%91%8B";
const NONCE: &str = "members";

/// `GUILD_CREATE` carries the channel, the roles and the bot; REST lists the channel.
pub(crate) async fn guild(bot: &Bot) -> anyhow::Result<()> {
    let guild = bot
        .gateway
        .until("GUILD_CREATE", |record| {
            let mut events = record.dispatches.iter();
            events.find_map(|(_, event)| match event {
                DispatchEvent::GuildCreate(create) => match &**create {
                    GuildCreate::Available(guild) => Some(guild.clone()),
                    GuildCreate::Unavailable(_) => None,
                },
                _ => None,
            })
        })
        .await?;
    equal(&guild.id, &bot.guild(), "id of the guild")?;
    let mut channels = guild.channels.iter();
    let channel = channels
        .find(|channel| channel.id == bot.channel())
        .context("the demo channel is not in GUILD_CREATE")?;
    equal(
        &channel.name.as_deref(),
        &Some("general"),
        "name of the channel",
    )?;
    equal(
        &channel.kind,
        &ChannelType::GuildText,
        "type of the channel",
    )?;
    ensure!(
        guild.roles.iter().any(|role| role.id == guild.id.cast()),
        "the guild has no @everyone role"
    );
    ensure!(
        guild.members.iter().any(|member| member.user.id == bot.id),
        "the bot's own member is missing"
    );
    let listed = bot.http.guild_channels(bot.guild()).await?.model().await?;
    ensure!(
        listed.iter().any(|channel| channel.id == bot.channel()),
        "GET /guilds/{{id}}/channels lacks the demo channel"
    );
    Ok(())
}

/// Op 8 with an empty query brings everybody, over one or more chunks.
pub(crate) async fn members(bot: &Bot) -> anyhow::Result<()> {
    let request = RequestGuildMembers::builder(bot.guild())
        .nonce(NONCE)
        .query("", None);
    bot.gateway.sender.command(&request)?;
    let members = bot
        .gateway
        .until("all chunks", |record| {
            let mut members = Vec::new();
            let mut left = None;
            for (_, event) in &record.dispatches {
                if let DispatchEvent::MemberChunk(chunk) = event
                    && chunk.nonce.as_deref() == Some(NONCE)
                {
                    left = Some(left.unwrap_or(chunk.chunk_count) - 1);
                    members.extend(chunk.members.iter().map(|member| member.user.id));
                }
            }
            (left == Some(0)).then_some(members)
        })
        .await?;
    for id in [bot.id, bot.user_ids[0], bot.user_ids[1]] {
        ensure!(members.contains(&id), "member {id} is missing");
    }
    Ok(())
}

/// Sends the first message and returns its id.
pub(crate) async fn own(bot: &Bot) -> anyhow::Result<u64> {
    let request = bot.http.create_message(bot.channel());
    let message = request.content("first").nonce(1).await?.model().await?;
    equal(&message.author.id, &bot.id, "author")?;
    received(bot, 0, &["first".to_owned()]).await?;
    let seen = bot
        .gateway
        .look(|record| record.messages().next().map(|(id, _)| id));
    equal(&seen, &Some(message.id.get()), "id of the message")?;
    Ok(message.id.get())
}

/// Messages of three authors, one after the other.
pub(crate) async fn in_order(bot: &Bot) -> anyhow::Result<()> {
    let skip = bot.gateway.look(|record| record.messages().count());
    let mut wanted = Vec::new();
    for n in 0..4 {
        for who in ["alice", "bot", "bob"] {
            let content = format!("{who} {n}");
            match who {
                "alice" => bot.users[0].send(&content).await?,
                "bob" => bot.users[1].send(&content).await?,
                _ => bot.send(&content).await?,
            };
            wanted.push(content);
        }
    }
    received(bot, skip, &wanted).await
}

/// Messages sent concurrently arrive in the order in which the history keeps them.
pub(crate) async fn at_once(bot: &Bot) -> anyhow::Result<()> {
    let skip = bot.gateway.look(|record| record.messages().count());
    let mut sent = try_join_all((0..8).map(|n| {
        let user = &bot.users[n % 2];
        async move { user.send(&format!("at once {n}")).await }
    }))
    .await?;
    let got = bot
        .gateway
        .until("all of them", |record| {
            let ids: Vec<u64> = record.messages().skip(skip).map(|(id, _)| id).collect();
            (ids.len() >= sent.len()).then_some(ids)
        })
        .await?;
    let mut history = page(bot, Page::Newest, sent.len()).await?;
    history.reverse();
    equal(&got, &history, "order of arrival against history")?;
    history.sort_unstable();
    sent.sort_unstable();
    equal(&history, &sent, "what was sent")
}

/// An edit of its own and one of another.
pub(crate) async fn edits(bot: &Bot, first: u64) -> anyhow::Result<()> {
    let text = "first, edited";
    let request = bot.http.update_message(bot.channel(), Id::new(first));
    let edited = request.content(Some(text)).await?.model().await?;
    equal(&edited.content.as_str(), &text, "content in the answer")?;
    let theirs = bot.users[0].send("draft").await?;
    bot.users[0].edit(theirs, "final").await?;
    for (id, wanted) in [(first, text), (theirs, "final")] {
        bot.gateway
            .until("an edit", |record| {
                let mut events = record.dispatches.iter();
                events
                    .any(|(_, event)| match event {
                        DispatchEvent::MessageUpdate(update) => {
                            update.id.get() == id
                                && update.content == wanted
                                && update.edited_timestamp.is_some()
                        }
                        _ => false,
                    })
                    .then_some(())
            })
            .await?;
    }
    let fetched = bot.http.message(bot.channel(), Id::new(first)).await?;
    equal(
        &fetched.model().await?.content.as_str(),
        &text,
        "content over REST",
    )
}

/// A deletion of its own and one of another.
pub(crate) async fn deletions(bot: &Bot) -> anyhow::Result<()> {
    let own = bot.send("to be deleted").await?;
    bot.http.delete_message(bot.channel(), Id::new(own)).await?;
    let theirs = bot.users[1].send("to be deleted, too").await?;
    bot.users[1].delete(theirs).await?;
    bot.gateway
        .until("both deletions", |record| {
            let deleted = |id: u64| {
                record.count(|event| match event {
                    DispatchEvent::MessageDelete(deletion) => deletion.id.get() == id,
                    _ => false,
                })
            };
            (deleted(own) == 1 && deleted(theirs) == 1).then_some(())
        })
        .await?;
    let fetched = bot.http.message(bot.channel(), Id::new(own)).await;
    let error = fetched.err().context("a deleted message can be fetched")?;
    match error.kind() {
        ErrorType::Response { status, body, .. } => {
            equal(&status.get(), &404, "status")?;
            let code = serde_json::from_slice::<serde_json::Value>(body)?["code"].as_u64();
            equal(&code, &Some(10008), "error code")
        }
        other => bail!("unexpected error {other:?}"),
    }
}

/// Reactions of the bot and of another, added and removed.
pub(crate) async fn reactions(bot: &Bot, first: u64) -> anyhow::Result<()> {
    let emoji = RequestReactionType::Unicode { name: WAVE };
    let (channel, message) = (bot.channel(), Id::new(first));
    bot.http.create_reaction(channel, message, &emoji).await?;
    bot.users[0].react(first, WAVE_ENCODED, true).await?;
    let fetched = bot.http.message(channel, message).await?.model().await?;
    let counts: Vec<_> = fetched
        .reactions
        .iter()
        .map(|reaction| (reaction.count, reaction.me))
        .collect();
    equal(&counts, &vec![(2, true)], "reactions over REST")?;
    bot.http
        .delete_current_user_reaction(channel, message, &emoji)
        .await?;
    bot.users[0].react(first, WAVE_ENCODED, false).await?;
    let seen = bot
        .gateway
        .until("four reaction events", |record| {
            let events = record.dispatches.iter();
            let seen: Vec<_> = events
                .filter_map(|(_, event)| match event {
                    DispatchEvent::ReactionAdd(add) => {
                        Some((true, add.message_id.get(), add.user_id))
                    }
                    DispatchEvent::ReactionRemove(remove) => {
                        Some((false, remove.message_id.get(), remove.user_id))
                    }
                    _ => None,
                })
                .collect();
            (seen.len() >= 4).then_some(seen)
        })
        .await?;
    let other = bot.user_ids[0];
    let wanted = vec![
        (true, first, bot.id),
        (true, first, other),
        (false, first, bot.id),
        (false, first, other),
    ];
    equal(&seen, &wanted, "reactions seen")
}

/// Typing of the bot is accepted, typing of another is seen.
pub(crate) async fn typing(bot: &Bot) -> anyhow::Result<()> {
    bot.http.create_typing_trigger(bot.channel()).await?;
    bot.users[0].typing().await?;
    bot.gateway
        .until("the typing of another", |record| {
            let seen = record.count(|event| match event {
                DispatchEvent::TypingStart(typing) => {
                    typing.user_id == bot.user_ids[0] && typing.channel_id == bot.channel()
                }
                _ => false,
            });
            (seen == 1).then_some(())
        })
        .await
}

/// Pages of the history, against the whole of it.
pub(crate) async fn history(bot: &Bot) -> anyhow::Result<()> {
    let all = page(bot, Page::Newest, 100).await?;
    ensure!(all.len() >= 20, "only {} messages", all.len());
    ensure!(
        all.is_sorted_by(|newer, older| newer > older),
        "not newest first: {all:?}"
    );
    let oldest = *all.last().context("an empty history")?;
    for (query, limit, wanted) in [
        (Page::Newest, 3, &all[..3]),
        (Page::Before(all[5]), 4, &all[6..10]),
        (Page::After(all[9]), 4, &all[5..9]),
        (Page::Around(all[8]), 5, &all[6..11]),
        (Page::Before(oldest), 10, &[]),
    ] {
        let got = page(bot, query, limit).await?;
        equal(&got.as_slice(), &wanted, &format!("{query:?}"))?;
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
enum Page {
    Newest,
    Before(u64),
    After(u64),
    Around(u64),
}

async fn page(bot: &Bot, page: Page, limit: usize) -> anyhow::Result<Vec<u64>> {
    let request = bot.http.channel_messages(bot.channel());
    let limit = u16::try_from(limit)?;
    let response = match page {
        Page::Newest => request.limit(limit).await?,
        Page::Before(id) => request.before(Id::new(id)).limit(limit).await?,
        Page::After(id) => request.after(Id::new(id)).limit(limit).await?,
        Page::Around(id) => request.around(Id::new(id)).limit(limit).await?,
    };
    let messages = response.model().await?;
    Ok(messages.iter().map(|message| message.id.get()).collect())
}

/// The messages after the first `skip` are exactly `wanted`, in this order.
async fn received(bot: &Bot, skip: usize, wanted: &[String]) -> anyhow::Result<()> {
    let got = bot
        .gateway
        .until("messages", |record| {
            Some(record.contents(skip)).filter(|contents| contents.len() >= wanted.len())
        })
        .await?;
    equal(&got.as_slice(), &wanted, "received messages")
}
