//! Members by rising id, of guilds of every size.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use litemap::LiteMap;

use crate::protocol::UserId;
use crate::protocol::objects::Member;

/// From more members on they are in a tree: to add one to a list moves those behind it.
const FEW: usize = 32;

type Tree = BTreeMap<UserId, Arc<Member>>;

/// Members by rising id. Most guilds are small, and a tree makes room for eleven at a time.
#[derive(Debug)]
pub(super) enum MemberMap {
    Few(LiteMap<UserId, Arc<Member>>),
    /// Boxed: few guilds have one, and it would make room for it in the others.
    Many(Box<Tree>),
}

impl MemberMap {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(members) => members.len(),
            Self::Many(members) => members.len(),
        }
    }

    pub(super) fn get(&self, user: UserId) -> Option<&Arc<Member>> {
        match self {
            Self::Few(members) => members.get(&user),
            Self::Many(members) => members.get(&user),
        }
    }

    pub(super) fn contains(&self, user: UserId) -> bool {
        self.get(user).is_some()
    }

    /// Adds a member, or another form of one.
    pub(super) fn insert(&mut self, member: Arc<Member>) {
        let user = member.user.id;
        match self {
            Self::Few(members) if members.len() < FEW || members.contains_key(&user) => {
                members.insert(user, member);
            }
            Self::Few(members) => {
                let all = std::mem::take(members).into_iter();
                let all = all.chain([(user, member)]).collect();
                *self = Self::Many(Box::new(all));
            }
            Self::Many(members) => {
                members.insert(user, member);
            }
        }
    }

    pub(super) fn remove(&mut self, user: UserId) {
        match self {
            Self::Few(members) => members.remove(&user),
            Self::Many(members) => members.remove(&user),
        };
    }

    /// Every member.
    pub(super) fn values(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.after(None)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = UserId> {
        self.values().map(|member| member.user.id)
    }

    /// Every member with a higher id than this.
    pub(super) fn after(&self, user: Option<UserId>) -> impl Iterator<Item = &Arc<Member>> {
        let (few, many) = match self {
            Self::Few(members) => (Some(members), None),
            Self::Many(members) => (None, Some(members)),
        };
        let few = few.into_iter().flat_map(LiteMap::iter);
        let few = few.skip_while(move |(id, _)| user.is_some_and(|user| **id <= user));
        let start = user.map_or(Bound::Unbounded, Bound::Excluded);
        let many = many.into_iter();
        let many = many.flat_map(move |members| members.range((start, Bound::Unbounded)));
        few.chain(many).map(|(_, member)| member)
    }

    /// Changes some members.
    pub(super) fn change(&mut self, change: impl FnMut(&mut Arc<Member>)) {
        match self {
            Self::Few(members) => members
                .iter_mut()
                .map(|(_, member)| member)
                .for_each(change),
            Self::Many(members) => members.values_mut().for_each(change),
        }
    }
}

impl FromIterator<Arc<Member>> for MemberMap {
    fn from_iter<T: IntoIterator<Item = Arc<Member>>>(members: T) -> Self {
        let members: Vec<Arc<Member>> = members.into_iter().collect();
        let few = LiteMap::with_capacity(members.len().min(FEW));
        let mut map = Self::Few(few);
        for member in members {
            map.insert(member);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::super::guilds::new_member;
    use super::*;
    use crate::protocol::Timestamp;
    use crate::protocol::objects::User;

    fn member(id: u64) -> Arc<Member> {
        let user = User::new(UserId::new(id), format!("user {id}"), false);
        Arc::new(new_member(Arc::new(user), Timestamp::from_unix_ms(0)))
    }

    #[test]
    fn many_are_as_few() {
        let mut map = MemberMap::from_iter([]);
        for count in 1..=3 * FEW as u64 {
            // Neither rising nor falling.
            map.insert(member(count * 7 % 97));
            map.insert(member(count * 7 % 97));
            let mut ids: Vec<u64> = (1..=count).map(|n| n * 7 % 97).collect();
            ids.sort_unstable();
            let found = |after: Option<u64>| -> Vec<u64> {
                let members = map.after(after.map(UserId::new));
                members.map(|member| member.user.id.get()).collect()
            };
            assert_eq!(found(None), ids);
            let middle = ids.len() / 2;
            assert_eq!(found(Some(ids[middle])), ids[middle + 1..]);
            assert_eq!(found(Some(ids[middle] - 1)), ids[middle..]);
            assert!(map.contains(UserId::new(ids[middle])));
            assert_eq!(map.len(), ids.len());
        }
        assert!(matches!(map, MemberMap::Many(_)));
        map.remove(UserId::new(7));
        assert!(!map.contains(UserId::new(7)));
        map.change(|member| *member = Arc::clone(member));
        assert_eq!(map.keys().count(), 3 * FEW - 1);
    }
}
