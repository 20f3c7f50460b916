//! What was acknowledged.

use std::collections::HashMap;
use std::time::Instant;

use super::faults::Faults;

/// A message whose creation was acknowledged, and what was acknowledged of it since.
#[derive(Debug, Clone)]
pub struct Post {
    /// Unique; the first word of the content.
    pub nonce: String,
    /// The guild, as the scene counts them.
    pub guild: usize,
    /// The channel within the guild.
    pub channel: usize,
    /// The message's id.
    pub id: u64,
    /// The round in which it was acknowledged.
    pub round: usize,
    /// When it was first asked for.
    pub began: Instant,
    /// What it says now.
    pub content: String,
    /// The round in which its delete was acknowledged.
    pub deleted: Option<usize>,
    /// Whether its author's reaction was acknowledged.
    pub reacted: bool,
}

impl Post {
    /// What it is, for messages.
    pub fn name(&self) -> String {
        format!(
            "nonce {}, id {}, guild {}, acknowledged in round {}",
            self.nonce, self.id, self.guild, self.round
        )
    }
}

/// Every acknowledged message of a scene.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Per guild, by rising id.
    guilds: Vec<Vec<Post>>,
    by_nonce: HashMap<String, (usize, usize)>,
}

impl Ledger {
    /// Sorts what the publishers noted. An id that stands for two posts is a fault.
    pub fn new(guilds: usize, posts: Vec<Post>, faults: &Faults) -> Self {
        let mut ledger = Self {
            guilds: vec![Vec::new(); guilds],
            by_nonce: HashMap::new(),
        };
        for post in posts {
            ledger.guilds[post.guild].push(post);
        }
        for (guild, posts) in ledger.guilds.iter_mut().enumerate() {
            posts.sort_by_key(|post| post.id);
            for pair in posts.windows(2).filter(|pair| pair[0].id == pair[1].id) {
                let (first, second) = (pair[0].name(), &pair[1].nonce);
                faults.add(format!("one id for two posts: {first}; nonce {second}"));
            }
            for (place, post) in posts.iter().enumerate() {
                ledger.by_nonce.insert(post.nonce.clone(), (guild, place));
            }
        }
        ledger
    }

    /// The posts of a guild by rising id, deleted ones included.
    pub fn guild(&self, guild: usize) -> &[Post] {
        &self.guilds[guild]
    }

    /// The post with this nonce.
    pub fn find(&self, nonce: &str) -> Option<&Post> {
        let (guild, place) = *self.by_nonce.get(nonce)?;
        Some(&self.guilds[guild][place])
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_nonce.len()
    }

    /// Whether nothing was acknowledged.
    pub fn is_empty(&self) -> bool {
        self.by_nonce.is_empty()
    }
}
