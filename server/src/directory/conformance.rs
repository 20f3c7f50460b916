//! What every [`Directory`] promises, as tests that each implementation runs.

use std::sync::Arc;

use super::{Directory, DirectoryError, DirectorySizes};
use crate::auth::grant::Fingerprint;
use crate::auth::revocations::{Revocation, tests::grant};
use crate::protocol::limits::MAX_GUILDS_PER_USER;
use crate::protocol::objects::User;
use crate::protocol::{ChannelId, GuildId, UserId};

/// Runs the whole suite; `make` gives an empty directory each time.
pub(crate) async fn run<D: Directory>(make: impl Fn() -> Arc<D>) {
    accounts_are_added_and_replaced(&*make()).await;
    memberships_are_noted_and_forgotten(&*make()).await;
    channels_are_noted_and_forgotten(&*make()).await;
    direct_channels_stay_out_of_the_guild_list(&*make()).await;
    the_first_direct_channel_of_a_pair_stays(&*make()).await;
    a_forgotten_guild_leaves_nothing(&*make()).await;
    a_user_without_room_refuses_the_whole_write(&*make()).await;
    concurrent_joins_and_leaves_end_consistent(&make()).await;
    revoked_tokens_are_known(&*make()).await;
}

async fn revoked_tokens_are_known(directory: &impl Directory) {
    assert!(!directory.is_revoked(&grant(1, 10, 7)));
    let before = directory.revocations_entered();
    let token = Revocation::Token {
        fingerprint: Fingerprint(7),
        expires_at: None,
        at: 20,
    };
    for _ in 0..2 {
        directory.revoke(token).await.unwrap();
    }
    let user = UserId::new(2);
    let until = Revocation::User { user, until: 20 };
    directory.revoke(until).await.unwrap();
    assert_ne!(directory.revocations_entered(), before);
    assert!(directory.is_revoked(&grant(1, 10, 7)));
    assert!(directory.is_revoked(&grant(2, 20, 8)));
    assert!(!directory.is_revoked(&grant(2, 21, 8)));
    assert!(!directory.is_revoked(&grant(1, 10, 8)));
}

fn users(ids: impl IntoIterator<Item = u64>) -> Vec<UserId> {
    ids.into_iter().map(UserId::new).collect()
}

async fn accounts_are_added_and_replaced(directory: &impl Directory) {
    let id = UserId::new(1);
    assert_eq!(directory.user(id), None);
    for name in ["first", "second", "second"] {
        let user = Arc::new(User::new(id, name, false));
        directory.put_user(user.clone()).await.unwrap();
        assert_eq!(directory.user(id), Some(user));
    }
    assert_eq!(directory.sizes().users, 1);
}

async fn memberships_are_noted_and_forgotten(directory: &impl Directory) {
    let (low, high) = (GuildId::new(100), GuildId::new(200));
    for guild in [high, low, low] {
        directory.add_members(guild, users([1, 2])).await.unwrap();
    }
    assert_eq!(directory.guilds_of(UserId::new(1)), [low, high]);
    assert!(directory.is_member(UserId::new(2), high));
    assert!(!directory.is_member(UserId::new(3), high));
    assert!(!directory.is_member(UserId::new(1), GuildId::new(300)));
    assert_eq!(directory.sizes().memberships, 4);
    for _ in 0..2 {
        directory.remove_members(low, users([1, 3])).await.unwrap();
    }
    assert_eq!(directory.guilds_of(UserId::new(1)), [high]);
    assert_eq!(directory.guilds_of(UserId::new(2)), [low, high]);
    assert_eq!(directory.sizes().memberships, 3);
}

async fn channels_are_noted_and_forgotten(directory: &impl Directory) {
    let guild = GuildId::new(100);
    let channels = [ChannelId::new(101), ChannelId::new(102)];
    for _ in 0..2 {
        directory
            .add_channels(guild, channels.to_vec())
            .await
            .unwrap();
    }
    assert_eq!(directory.guild_of(channels[1]), Some(guild));
    assert_eq!(directory.sizes().channels, 2);
    for _ in 0..2 {
        directory.remove_channels(vec![channels[1]]).await.unwrap();
    }
    assert_eq!(directory.guild_of(channels[1]), None);
    assert_eq!(directory.guild_of(channels[0]), Some(guild));
    assert_eq!(directory.sizes().channels, 1);
}

async fn direct_channels_stay_out_of_the_guild_list(directory: &impl Directory) {
    let (one, other) = (UserId::new(1), UserId::new(2));
    // Whether the pair or the members are noted first makes no difference.
    for (id, pair_first) in [(500, true), (600, false)] {
        let (channel, guild) = (ChannelId::new(id), GuildId::new(id));
        let partner = UserId::new(id + 1);
        if pair_first {
            directory
                .put_direct_channel(one, partner, channel)
                .await
                .unwrap();
        }
        directory
            .add_members(guild, vec![one, partner])
            .await
            .unwrap();
        directory.add_channels(guild, vec![channel]).await.unwrap();
        if !pair_first {
            directory
                .put_direct_channel(one, partner, channel)
                .await
                .unwrap();
        }
        assert!(directory.is_member(one, guild));
        assert_eq!(directory.direct_channels_of(partner), [channel]);
    }
    assert_eq!(directory.guilds_of(one), []);
    assert_eq!(
        directory.direct_channels_of(one),
        [ChannelId::new(500), ChannelId::new(600)]
    );
    assert_eq!(directory.direct_channels_of(other), []);
}

async fn the_first_direct_channel_of_a_pair_stays(directory: &impl Directory) {
    let (one, other) = (UserId::new(2), UserId::new(1));
    assert_eq!(directory.direct_channel(one, other), None);
    let first = ChannelId::new(500);
    for channel in [first, ChannelId::new(501), first] {
        directory
            .put_direct_channel(one, other, channel)
            .await
            .unwrap();
        directory
            .put_direct_channel(other, one, channel)
            .await
            .unwrap();
        assert_eq!(directory.direct_channel(one, other), Some(first));
        assert_eq!(directory.direct_channel(other, one), Some(first));
    }
}

async fn a_forgotten_guild_leaves_nothing(directory: &impl Directory) {
    let (one, other) = (UserId::new(1), UserId::new(2));
    let channel = ChannelId::new(500);
    directory
        .put_direct_channel(one, other, channel)
        .await
        .unwrap();
    for guild in [GuildId::new(100), GuildId::new(500)] {
        directory
            .add_members(guild, vec![one, other])
            .await
            .unwrap();
        directory
            .add_channels(guild, vec![ChannelId::new(guild.get())])
            .await
            .unwrap();
    }
    for guild in [100, 100, 500] {
        directory.remove_guild(GuildId::new(guild)).await.unwrap();
    }
    assert_eq!(directory.sizes(), DirectorySizes::default());
    assert_eq!(directory.guilds_of(one), []);
    assert_eq!(directory.direct_channels_of(one), []);
    assert_eq!(directory.direct_channel(one, other), None);
    assert_eq!(directory.guild_of(channel), None);
}

async fn a_user_without_room_refuses_the_whole_write(directory: &impl Directory) {
    let full = UserId::new(1);
    let most = MAX_GUILDS_PER_USER as u64;
    for n in 1..=most {
        directory
            .add_members(GuildId::new(n), vec![full])
            .await
            .unwrap();
    }
    let one_more = GuildId::new(most + 1);
    let refused = directory.add_members(one_more, users([7, 1, 8])).await;
    assert!(matches!(refused, Err(DirectoryError::Full(user)) if user == full));
    for user in users([1, 7, 8]) {
        assert!(!directory.is_member(user, one_more));
    }
    assert_eq!(directory.guilds_of(UserId::new(7)), []);
    assert_eq!(directory.sizes().memberships, MAX_GUILDS_PER_USER);
    // A guild that the user is in already is no further one.
    directory
        .add_members(GuildId::new(1), vec![full])
        .await
        .unwrap();
    directory
        .remove_members(GuildId::new(1), vec![full])
        .await
        .unwrap();
    directory.add_members(one_more, vec![full]).await.unwrap();
}

async fn concurrent_joins_and_leaves_end_consistent<D: Directory>(directory: &Arc<D>) {
    let threads: Vec<_> = (1..=4_u64)
        .map(|thread| {
            let directory = directory.clone();
            std::thread::spawn(move || {
                let wait = futures_util::FutureExt::now_or_never;
                for round in 0..500_u64 {
                    let guild = GuildId::new(1 + round % 7);
                    let crowd = users([thread, 50 + round % 3]);
                    let joined = wait(directory.add_members(guild, crowd));
                    assert!(joined.is_none_or(|result| result.is_ok()));
                    if round % 3 == 0 {
                        drop(wait(directory.remove_members(guild, users([50]))));
                    }
                    if round % 11 == 0 {
                        drop(wait(directory.remove_guild(GuildId::new(7))));
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    // The writes above were not waited for; they are done in order, so this one is the last.
    let last = Arc::new(User::new(UserId::new(99), "last", false));
    directory.put_user(last).await.unwrap();
    let mut memberships = 0;
    for user in users((1..=4).chain(50..=52)) {
        let listed = directory.guilds_of(user);
        for guild in (1..=7).map(GuildId::new) {
            assert_eq!(
                listed.contains(&guild),
                directory.is_member(user, guild),
                "{user} in {guild}"
            );
        }
        memberships += listed.len();
    }
    assert_eq!(directory.sizes().memberships, memberships);
}
