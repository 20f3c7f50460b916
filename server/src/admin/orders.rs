//! What the operator wants of one guild, carried out on the node that has it.

use serde_json::{Value, json as object};

use super::Admin;
use super::view::{AskGuild, View};
use crate::cluster::control::{GuildOrder, Question};
use crate::counters::Label;
use crate::guild::command::{Caller, Command, Request};
use crate::guild::handoff::{MoveError, Target};
use crate::guild::stats::Health;
use crate::protocol::{ApiError, GuildId};

/// The guild is on its way from one node to another.
const ON_ITS_WAY: ApiError = ApiError::new(503, 0, "the guild is going to another node; ask again");

/// Has the node that owns a guild carry an order out, whichever that is.
pub(super) async fn anywhere(
    admin: &Admin,
    id: GuildId,
    order: GuildOrder,
) -> Result<Value, ApiError> {
    let owner = admin.view.placement().snapshot().owner(id.get()).clone();
    let Some(cluster) = admin.cluster.as_ref() else {
        return carry_out(&*admin.view, &*admin.guilds, id, order).await;
    };
    if owner == admin.view.node().name {
        return here(&*admin.view, &*admin.guilds, id, order).await;
    }
    let answer = cluster.ask(owner, Question::Guild(id, order)).await?;
    let answer: Result<Result<Value, ApiError>, _> = serde_json::from_value(answer);
    answer.map_err(|_| ApiError::INTERNAL)?
}

/// Carries an order out that another node or the operator has for a guild of this one.
///
/// Errors: as the admin API has them; also where the guild is not this node's.
pub async fn here(
    view: &dyn View,
    guilds: &dyn AskGuild,
    id: GuildId,
    order: GuildOrder,
) -> Result<Value, ApiError> {
    if *view.placement().snapshot().owner(id.get()) != view.node().name {
        return Err(ON_ITS_WAY);
    }
    carry_out(view, guilds, id, order).await
}

async fn carry_out(
    view: &dyn View,
    guilds: &dyn AskGuild,
    id: GuildId,
    order: GuildOrder,
) -> Result<Value, ApiError> {
    let target = match order {
        GuildOrder::Show => return Ok(object!(view.guild(id))),
        GuildOrder::Restart | GuildOrder::Revive => return restart(view, guilds, id, order),
        GuildOrder::Promote => Target::Dedicated,
        GuildOrder::Demote | GuildOrder::Executor(None) => Target::LeastLoaded,
        GuildOrder::Executor(Some(executor)) => Target::Shared(executor),
    };
    wake(view, guilds, id).await?;
    let has_own = || view.guild(id).is_some_and(|guild| guild.dedicated);
    if order == GuildOrder::Demote && !has_own() {
        return Err(MoveError::AlreadyThere.into());
    }
    let moved = guilds.move_to(id, target).await?;
    Ok(object!({
        "id": id,
        "from": moved.from,
        "to": moved.to,
        "kind": moved.kind.value(),
        // How long it handled nothing; none where it was read from its journal.
        "pause_ms": moved.pause.map(|pause| pause.as_secs_f64() * 1e3),
    }))
}

fn restart(
    view: &dyn View,
    guilds: &dyn AskGuild,
    id: GuildId,
    order: GuildOrder,
) -> Result<Value, ApiError> {
    let guild = view.guild(id).ok_or(ApiError::UNKNOWN_GUILD)?;
    if order == GuildOrder::Revive && guild.state == Health::Serving.name() {
        return Err(ApiError {
            message: "the guild serves; POST …/restart loads it anew".into(),
            ..ApiError::INVALID_FORM
        });
    }
    if guilds.restart(id) {
        Ok(object!({ "id": id }))
    } else {
        Err(ApiError::UNAVAILABLE)
    }
}

/// Starts a guild that nobody used.
async fn wake(view: &dyn View, guilds: &dyn AskGuild, id: GuildId) -> Result<(), ApiError> {
    if view.guild(id).is_some_and(|guild| guild.position > 0) {
        return Ok(());
    }
    let request = Request {
        caller: Caller::Operator,
        command: Command::GetGuild { with_counts: true },
    };
    guilds.ask(id, request).await.map(drop)
}
