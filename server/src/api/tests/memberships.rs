//! Joins and leaves at once, over a directory whose writes take their time: whatever their order,
//! the directory never lacks a membership that a guild has.

use std::sync::atomic::{AtomicU64, Ordering};

use super::guilds::{BOB, call, guild_of_two};
use super::*;
use crate::auth::grant::Grant;
use crate::directory::{Change, DirectoryFuture, DirectorySizes};
use crate::protocol::objects::User;

/// Writes of memberships are done after a while that is different each time; all else at once.
struct SlowDirectory {
    inner: Arc<MemoryDirectory>,
    whiles: Arc<Whiles>,
}

/// Durations of up to 4 ms.
struct Whiles(AtomicU64);

impl Whiles {
    fn next(&self) -> Duration {
        let step = |seed: u64| seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let seed = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seed| {
                Some(step(seed))
            })
            .unwrap();
        Duration::from_micros((seed >> 40) % 4_000)
    }
}

impl Directory for SlowDirectory {
    fn user(&self, id: UserId) -> Option<Arc<User>> {
        self.inner.user(id)
    }

    fn guilds_of(&self, user: UserId) -> Vec<GuildId> {
        self.inner.guilds_of(user)
    }

    fn direct_channels_of(&self, user: UserId) -> Vec<ChannelId> {
        self.inner.direct_channels_of(user)
    }

    fn is_member(&self, user: UserId, guild: GuildId) -> bool {
        self.inner.is_member(user, guild)
    }

    fn guild_of(&self, channel: ChannelId) -> Option<GuildId> {
        self.inner.guild_of(channel)
    }

    fn direct_channel(&self, one: UserId, other: UserId) -> Option<ChannelId> {
        self.inner.direct_channel(one, other)
    }

    fn is_revoked(&self, grant: &Grant) -> bool {
        self.inner.is_revoked(grant)
    }

    fn revocations_entered(&self) -> u64 {
        self.inner.revocations_entered()
    }

    fn sizes(&self) -> DirectorySizes {
        self.inner.sizes()
    }

    fn change(&self, change: Change) -> DirectoryFuture<()> {
        if !matches!(change, Change::AddMembers(..) | Change::RemoveMembers(..)) {
            return self.inner.change(change);
        }
        let (inner, before, after) = (self.inner.clone(), self.whiles.next(), self.whiles.next());
        Box::pin(async move {
            tokio::time::sleep(before).await;
            let result = inner.change(change).await;
            tokio::time::sleep(after).await;
            result
        })
    }
}

#[actix_web::test]
async fn the_directory_never_lacks_a_membership_that_a_guild_has() {
    let inner = Arc::new(MemoryDirectory::new());
    let whiles = Arc::new(Whiles(AtomicU64::new(7)));
    let slow = SlowDirectory {
        inner: inner.clone(),
        whiles: whiles.clone(),
    };
    let api = Fixture::over(router("one"), Arc::new(slow), inner, generous());
    let (guild, _) = guild_of_two(&api).await;
    let member = format!("/guilds/{guild}/members/{BOB}");
    let leave = format!("/users/@me/guilds/{guild}");
    let mut present = 0;
    for round in 0..80 {
        let later = async |user, method, path, body| {
            // A join asks the guild after a write, a leave at once: without a head start for joins
            // they would always come last.
            let share = if method == "DELETE" { 4 } else { 1 };
            tokio::time::sleep(whiles.next() * share).await;
            call(&api, user, method, path, body).await
        };
        tokio::join!(
            later(ALICE, "PUT", &member, json!({})),
            later(BOB, "DELETE", &leave, Value::Null),
            later(ALICE, "PUT", &member, json!({})),
            later(ALICE, "DELETE", &member, Value::Null),
        );
        let in_guild = call(&api, ALICE, "GET", &member, Value::Null).await.status == 200;
        let known = api.directory.is_member(BOB, guild.parse().unwrap());
        assert!(known || !in_guild, "round {round}");
        present += u32::from(in_guild);
    }
    // Both ends were met, or nothing was tried.
    assert!((1..80).contains(&present), "{present}");
}
