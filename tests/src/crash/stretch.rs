//! What a session saw of one guild, from a GUILD_CREATE on.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use super::faults::Faults;
use super::ledger::Post;

/// The messages of one guild that one session got without a break that it was told of.
#[derive(Debug, Default)]
pub struct Stretch {
    /// The guild, as the scene counts them.
    pub guild: usize,
    /// Who saw it, for messages.
    pub session: String,
    /// The newest message that GUILD_CREATE knew of; 0 where there was none.
    pub after: u64,
    /// Ids of MESSAGE_CREATE in the order in which they came.
    pub seen: Vec<u64>,
    /// Ids of MESSAGE_DELETE in the order in which they came.
    pub deleted: Vec<u64>,
    /// What the last MESSAGE_UPDATE of a message said.
    pub edited: HashMap<u64, String>,
    /// The message up to which it was read at least; none where the session was ended before.
    pub until: Option<u64>,
    /// When GUILD_CREATE came. The `last_message_id` of its channels may be a little older than its
    /// position, so that what was asked for after this moment is what must not be missing at the start.
    pub since: Option<Instant>,
}

impl Stretch {
    /// The newest message that it knows of.
    pub fn newest(&self) -> u64 {
        self.seen.last().copied().unwrap_or(self.after)
    }

    /// Compares it with all messages of the guild that were acknowledged, by rising id.
    pub fn check(&self, posts: &[Post], faults: &Faults) {
        if self.after > 0
            && posts
                .binary_search_by_key(&self.after, |post| post.id)
                .is_err()
        {
            self.fault(
                faults,
                &format!("GUILD_CREATE named message {}, which is lost", self.after),
            );
        }
        let known = posts.partition_point(|post| post.id <= self.after);
        let first = self.seen.first();
        let start = first.map_or(posts.len(), |first| {
            posts.partition_point(|post| post.id < *first)
        });
        let before = posts.get(known..start).unwrap_or_default();
        let until = self
            .until
            .unwrap_or_default()
            .max(first.copied().unwrap_or(0));
        let late = before
            .iter()
            .find(|post| Some(post.began) > self.since && post.id <= until);
        if let Some(post) = late {
            let what = format!("asked for after GUILD_CREATE but not seen: {}", post.name());
            return self.fault(faults, &what);
        }
        let expected = &posts[start.max(known)..];
        let mismatch = self
            .seen
            .iter()
            .zip(expected)
            .position(|(seen, post)| *seen != post.id);
        if let Some(place) = mismatch {
            let what = self.mismatch(place, &expected[place], posts);
            return self.fault(faults, &what);
        }
        if let Some(unknown) = self.seen.get(expected.len()) {
            let what = format!("message {unknown} came, of which nothing was acknowledged");
            return self.fault(faults, &what);
        }
        let (seen, missing) = expected.split_at(self.seen.len());
        let until = self.until.filter(|_| !self.seen.is_empty());
        if let (Some(until), Some(first)) = (until, missing.first())
            && first.id <= until
        {
            let what = format!("missing at the end, first {}", first.name());
            return self.fault(faults, &what);
        }
        self.check_changes(seen, posts, faults);
    }

    fn mismatch(&self, place: usize, expected: &Post, posts: &[Post]) -> String {
        let came = self.seen[place];
        if self.seen[..place].contains(&came) {
            return format!("message {came} came twice, before {}", expected.name());
        }
        if came <= self.after {
            return format!("message {came} came again: GUILD_CREATE was after it");
        }
        match posts.iter().find(|post| post.id == came) {
            Some(post) if self.seen.contains(&expected.id) => {
                format!("order: {} came before {}", post.name(), expected.name())
            }
            Some(post) => format!(
                "gap: {} did not come, but then {}",
                expected.name(),
                post.name()
            ),
            None => format!("message {came} came, of which nothing was acknowledged"),
        }
    }

    fn check_changes(&self, seen: &[Post], posts: &[Post], faults: &Faults) {
        let mut once = HashSet::new();
        for id in &self.deleted {
            if !once.insert(*id) {
                self.fault(faults, &format!("the delete of {id} came twice"));
            }
        }
        for post in posts.iter().filter(|post| post.deleted.is_none()) {
            if once.contains(&post.id) {
                let what = format!("a delete came that nobody asked for: {}", post.name());
                self.fault(faults, &what);
            }
        }
        if self.until.is_none() {
            return;
        }
        for post in seen {
            if post.deleted.is_some() && !once.contains(&post.id) {
                self.fault(faults, &format!("its delete did not come: {}", post.name()));
            }
            let edited = self.edited.get(&post.id);
            let said = edited.unwrap_or(&post.nonce);
            // An unedited message says its nonce alone.
            if *said != post.content {
                let what = format!("its last edit did not come, but {said:?}: {}", post.name());
                self.fault(faults, &what);
            }
        }
    }

    fn fault(&self, faults: &Faults, what: &str) {
        faults.add(format!(
            "{}, guild {}, after {} messages: {what}",
            self.session,
            self.guild,
            self.seen.len()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posts() -> Vec<Post> {
        let post = |id| Post {
            nonce: format!("n{id}"),
            guild: 0,
            channel: 0,
            id,
            round: 1,
            content: format!("n{id}"),
            deleted: None,
            reacted: false,
            began: Instant::now(),
        };
        let mut posts: Vec<Post> = (1..=5).map(post).collect();
        posts[3].content = "n4 edited".to_owned();
        posts[4].deleted = Some(1);
        posts
    }

    fn whole() -> Stretch {
        Stretch {
            after: 2,
            seen: vec![3, 4, 5],
            deleted: vec![5],
            edited: HashMap::from([(4, "n4 edited".to_owned())]),
            until: Some(5),
            ..Stretch::default()
        }
    }

    fn found(stretch: &Stretch) -> Vec<String> {
        let faults = Faults::default();
        stretch.check(&posts(), &faults);
        faults.report().0
    }

    #[test]
    fn what_is_in_order_is_no_fault() {
        assert_eq!(found(&whole()), [""; 0]);
        let cut = Stretch {
            seen: vec![3],
            deleted: vec![],
            until: None,
            ..whole()
        };
        assert_eq!(found(&cut), [""; 0]);
    }

    #[test]
    fn every_kind_of_fault_is_found() {
        let finds = |stretch: Stretch, what: &str| {
            let found = found(&stretch);
            assert!(found[0].contains(what), "{what}: {found:?}");
        };
        let seen = |seen: &[u64]| Stretch {
            seen: seen.to_vec(),
            ..whole()
        };
        finds(seen(&[3, 5]), "gap: nonce n4");
        finds(seen(&[3, 3, 4, 5]), "3 came twice");
        finds(seen(&[3, 5, 4]), "order: nonce n5");
        finds(seen(&[4, 5]), "not seen: nonce n3");
        finds(seen(&[]), "not seen: nonce n3");
        finds(seen(&[2, 3, 4, 5]), "2 came again");
        finds(seen(&[3, 7, 5]), "7 came, of which nothing");
        finds(seen(&[3, 4, 5, 6]), "6 came, of which nothing");
        finds(seen(&[3, 4]), "missing at the end, first nonce n5");
        let ghost = Stretch {
            after: 9,
            seen: vec![],
            ..whole()
        };
        finds(ghost, "message 9, which is lost");
        let deletes = |deleted: &[u64]| Stretch {
            deleted: deleted.to_vec(),
            ..whole()
        };
        finds(deletes(&[]), "its delete did not come");
        finds(deletes(&[5, 5]), "came twice");
        finds(deletes(&[5, 3]), "nobody asked for");
        let unedited = Stretch {
            edited: HashMap::new(),
            ..whole()
        };
        finds(unedited, "its last edit did not come");
    }
}
