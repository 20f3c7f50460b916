use proptest::prelude::*;

use super::*;

const VIEW: Permissions = Permissions::VIEW_CHANNEL;
const SEND: Permissions = Permissions::SEND_MESSAGES;
const HISTORY: Permissions = Permissions::READ_MESSAGE_HISTORY;
const REACT: Permissions = Permissions::ADD_REACTIONS;
const NONE: Permissions = Permissions::NONE;

fn overwrite(scope: Scope, allow: Permissions, deny: Permissions) -> Applicable {
    Applicable { scope, allow, deny }
}

#[test]
fn base_is_what_everyone_and_the_roles_grant_together() {
    assert_eq!(base_permissions(false, VIEW, []), VIEW);
    assert_eq!(
        base_permissions(false, VIEW, [SEND, HISTORY | SEND]),
        VIEW | SEND | HISTORY
    );
}

#[test]
fn owners_and_administrators_may_do_everything() {
    assert_eq!(base_permissions(true, NONE, []), Permissions::ALL);
    for (everyone, role) in [
        (Permissions::ADMINISTRATOR, NONE),
        (NONE, Permissions::ADMINISTRATOR),
    ] {
        assert_eq!(
            base_permissions(false, everyone, [NONE, role]),
            Permissions::ALL
        );
    }
}

#[test]
fn an_administrator_passes_every_overwrite_and_time_out() {
    let all = [Scope::Everyone, Scope::Role, Scope::Member]
        .map(|scope| overwrite(scope, NONE, Permissions::ALL));
    for timed_out in [false, true] {
        assert_eq!(
            channel_permissions(Permissions::ADMINISTRATOR, timed_out, all),
            Permissions::ALL
        );
    }
}

#[test]
fn each_scope_overrules_the_one_before_it() {
    let base = VIEW | SEND;
    let everyone = overwrite(Scope::Everyone, NONE, SEND);
    let role = overwrite(Scope::Role, SEND, NONE);
    let member = overwrite(Scope::Member, NONE, SEND);
    assert_eq!(channel_permissions(base, false, [everyone]), VIEW);
    assert_eq!(channel_permissions(base, false, [everyone, role]), base);
    assert_eq!(
        channel_permissions(base, false, [everyone, role, member]),
        VIEW
    );
    // As the channel lists them is of no importance.
    assert_eq!(
        channel_permissions(base, false, [member, role, everyone]),
        VIEW
    );
}

#[test]
fn within_a_scope_allow_wins_whatever_the_order_of_the_roles() {
    let a = overwrite(Scope::Role, NONE, VIEW);
    let b = overwrite(Scope::Role, VIEW, NONE);
    for roles in [[a, b], [b, a]] {
        assert_eq!(channel_permissions(VIEW | SEND, false, roles), VIEW | SEND);
    }
}

#[test]
fn who_does_not_see_a_channel_may_do_nothing_in_it() {
    let hidden = overwrite(Scope::Everyone, SEND, VIEW);
    assert_eq!(
        channel_permissions(VIEW | SEND | HISTORY, false, [hidden]),
        NONE
    );
    assert_eq!(channel_permissions(SEND, false, []), NONE);
}

#[test]
fn who_may_not_send_may_not_send_in_a_special_way() {
    let ways = Permissions::MENTION_EVERYONE
        | Permissions::SEND_TTS_MESSAGES
        | Permissions::ATTACH_FILES
        | Permissions::EMBED_LINKS;
    assert_eq!(
        channel_permissions(VIEW | REACT | ways, false, []),
        VIEW | REACT
    );
    let base = VIEW | SEND | ways;
    assert_eq!(channel_permissions(base, false, []), base);
}

#[test]
fn timed_out_members_see_and_read_and_no_overwrite_gives_them_more() {
    let base = VIEW | SEND | HISTORY | Permissions::KICK_MEMBERS;
    assert_eq!(while_timed_out(base), VIEW | HISTORY);
    assert_eq!(while_timed_out(Permissions::ALL), Permissions::ALL);
    let generous = overwrite(Scope::Member, SEND | REACT, NONE);
    assert_eq!(channel_permissions(base, true, [generous]), VIEW | HISTORY);
    let hidden = overwrite(Scope::Member, NONE, VIEW);
    assert_eq!(channel_permissions(base, true, [hidden]), NONE);
}

#[test]
fn an_overwrite_makes_no_administrator() {
    let sly = overwrite(Scope::Member, Permissions::ADMINISTRATOR, NONE);
    assert_eq!(channel_permissions(VIEW, false, [sly]), VIEW);
}

#[test]
fn an_overwrite_applies_to_everyone_to_a_role_held_or_to_the_member() {
    let (everyone, held, other) = (RoleId::new(1), RoleId::new(2), RoleId::new(3));
    let (user, stranger) = (UserId::new(10), UserId::new(11));
    let scope = |kind, id| {
        let overwrite = Overwrite {
            id,
            kind,
            allow: SEND,
            deny: VIEW,
        };
        let found = Applicable::to_member(&overwrite, everyone, user, &[held])?;
        assert_eq!((found.allow, found.deny), (SEND, VIEW));
        Some(found.scope)
    };
    let (role, member) = (OverwriteType::Role, OverwriteType::Member);
    assert_eq!(scope(role, everyone.get()), Some(Scope::Everyone));
    assert_eq!(scope(role, held.get()), Some(Scope::Role));
    assert_eq!(scope(role, other.get()), None);
    assert_eq!(scope(member, user.get()), Some(Scope::Member));
    assert_eq!(scope(member, stranger.get()), None);
    // A user's id among the roles, or a role's among the users, is somebody else's.
    assert_eq!(scope(role, user.get()), None);
    assert_eq!(scope(member, held.get()), None);
}

fn permissions() -> impl Strategy<Value = Permissions> {
    any::<u64>().prop_map(Permissions::from_bits)
}

/// Anything an ordinary member may have.
fn ordinary() -> impl Strategy<Value = Permissions> {
    permissions().prop_map(|set| set - Permissions::ADMINISTRATOR)
}

fn applicable() -> impl Strategy<Value = Applicable> {
    let scope = prop_oneof![
        Just(Scope::Everyone),
        Just(Scope::Role),
        Just(Scope::Member)
    ];
    (scope, permissions(), permissions())
        .prop_map(|(scope, allow, deny)| overwrite(scope, allow, deny))
}

/// A channel's overwrites for one member: at most one for everyone and one for the member.
fn overwrites() -> impl Strategy<Value = Vec<Applicable>> {
    proptest::collection::vec(applicable(), 0..8).prop_map(|mut list| {
        let mut seen = Vec::new();
        list.retain(|o| {
            let first = o.scope == Scope::Role || !seen.contains(&o.scope);
            seen.push(o.scope);
            first
        });
        list
    })
}

/// The documentation's eight steps, one after the other, without the implicit rules.
fn explicit(base: Permissions, overwrites: &[Applicable]) -> Permissions {
    let mut granted = base.bits();
    for scope in [Scope::Everyone, Scope::Role, Scope::Member] {
        let of = || overwrites.iter().filter(|o| o.scope == scope);
        of().for_each(|o| granted &= !o.deny.bits());
        of().for_each(|o| granted |= o.allow.bits());
    }
    Permissions::from_bits(granted)
}

proptest! {
    #[test]
    fn administrators_always_have_all(
        base in permissions(),
        timed_out: bool,
        list in overwrites(),
    ) {
        let base = base | Permissions::ADMINISTRATOR;
        prop_assert_eq!(channel_permissions(base, timed_out, list), Permissions::ALL);
    }

    #[test]
    fn the_order_of_the_list_does_not_matter(
        base in ordinary(),
        timed_out: bool,
        (list, shuffled) in overwrites()
            .prop_flat_map(|l| (Just(l.clone()), Just(l).prop_shuffle())),
    ) {
        prop_assert_eq!(
            channel_permissions(base, timed_out, list),
            channel_permissions(base, timed_out, shuffled)
        );
    }

    #[test]
    fn denying_alone_never_grants(base in ordinary(), list in overwrites()) {
        let denying = list.into_iter().map(|o| Applicable { allow: NONE, ..o });
        let granted = channel_permissions(base, false, denying);
        prop_assert!(base.contains(granted));
    }

    #[test]
    fn nothing_is_granted_that_neither_base_nor_an_overwrite_allows(
        base in ordinary(),
        timed_out: bool,
        list in overwrites(),
    ) {
        let granted = channel_permissions(base, timed_out, list.iter().copied());
        let possible = list.iter().fold(base, |sum, o| sum | o.allow);
        prop_assert!((possible - Permissions::ADMINISTRATOR).contains(granted));
    }

    #[test]
    fn for_who_sees_and_sends_the_eight_steps_are_the_whole_rule(
        base in ordinary(),
        list in overwrites(),
    ) {
        // The implicit rules must not be what decides here: the member's own overwrite allows.
        let mut list: Vec<_> = list.into_iter().filter(|o| o.scope != Scope::Member).collect();
        list.push(overwrite(Scope::Member, VIEW | SEND, NONE));
        let expected = explicit(base, &list) - Permissions::ADMINISTRATOR;
        prop_assert_eq!(channel_permissions(base, false, list), expected);
    }

    #[test]
    fn timed_out_members_never_have_more_than_seeing_and_history(
        base in ordinary(),
        list in overwrites(),
    ) {
        let at_ease = channel_permissions(base, false, list.iter().copied());
        let granted = channel_permissions(base, true, list);
        prop_assert_eq!(granted, at_ease & (VIEW | HISTORY));
    }
}
