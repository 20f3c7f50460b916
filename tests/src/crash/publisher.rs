//! A client that posts, and does not give up before it is acknowledged.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fastrand::Rng;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::faults::Faults;
use super::figures::{self, Figures};
use super::ledger::Post;
use super::phase::Phase;
use super::scene::Scene;
use crate::deadline::DEADLINE;
use crate::rest::{Answer, Rest};

/// The most requests that a publisher begins in a round. With a scene's rounds it keeps each guild
/// below the number of messages that the server keeps.
const MOST_A_ROUND: usize = 18;
/// Own messages that are edited, deleted and so on: the newest.
const RECENT: usize = 40;
/// Between two attempts.
const RETRY: Duration = Duration::from_millis(3);
/// 👍
const THUMBS_UP: &str = "%F0%9F%91%8D";

/// One of several clients of an account.
pub struct Publisher {
    /// Names it in nonces.
    pub name: String,
    /// The API as the account.
    pub rest: Rest,
    /// Where it posts.
    pub scene: Arc<Scene>,
    /// What is to be done.
    pub phase: watch::Receiver<Phase>,
    /// What is wrong.
    pub faults: Arc<Faults>,
    /// What is counted.
    pub figures: Arc<Figures>,
    /// What comes next.
    pub random: Rng,
    /// What was acknowledged.
    pub posts: Vec<Post>,
    /// The last round that it took part in.
    pub round: usize,
}

/// How a request came out.
enum Outcome {
    /// Acknowledged.
    Done(Answer),
    /// Refused with a 4xx; whether an attempt before may have been carried out.
    Refused(Answer, bool),
    /// Nothing more is to be done.
    GivenUp,
}

impl Publisher {
    /// Publishes while there is load; gives what was acknowledged.
    pub async fn run(mut self) -> Vec<Post> {
        let mut begun = 0;
        loop {
            let phase = self.phase.borrow().clone();
            let Phase::Load { round, gap } = phase else {
                return self.posts;
            };
            if round != self.round {
                (self.round, begun) = (round, 0);
            }
            if begun == MOST_A_ROUND {
                // An error means that nobody directs any more.
                if self.phase.changed().await.is_err() {
                    return self.posts;
                }
                continue;
            }
            begun += 1;
            self.act().await;
            if self.faults.are_many() {
                return self.posts;
            }
            tokio::time::sleep(gap.mul_f64(2.0 * self.random.f64())).await;
        }
    }

    async fn act(&mut self) {
        let first = self.posts.len().saturating_sub(RECENT);
        let place = self.random.usize(first..=self.posts.len());
        let usable = self.posts.get(place).is_some_and(|p| p.deleted.is_none());
        match self.random.u8(0..100) {
            80..86 if usable => self.edit(place).await,
            86..90 if usable => self.delete(place).await,
            90..94 if usable => self.react(place).await,
            94..97 if usable => self.repeat(place).await,
            97.. if usable => self.look(place).await,
            _ => {
                let guild = self.random.usize(0..self.scene.guilds.len());
                let channel = self
                    .random
                    .usize(0..self.scene.guilds[guild].channels.len());
                self.post(guild, channel).await;
            }
        }
    }

    /// Posts a new message; gives its id where it was acknowledged.
    pub async fn post(&mut self, guild: usize, channel: usize) -> Option<u64> {
        let nonce = format!("{}-{}", self.name, self.posts.len());
        let content = nonce.clone();
        let began = Instant::now();
        let id = self.send(guild, channel, &nonce, &content).await?;
        figures::count(&self.figures.posts);
        self.posts.push(Post {
            nonce,
            guild,
            channel,
            id,
            round: self.round(),
            began,
            content,
            deleted: None,
            reacted: false,
        });
        Some(id)
    }

    /// Sends a message that was acknowledged once more.
    async fn repeat(&mut self, place: usize) {
        let post = self.posts[place].clone();
        let id = self.send(post.guild, post.channel, &post.nonce, &post.content);
        let Some(id) = id.await else { return };
        figures::count(&self.figures.repeats);
        if id != post.id {
            let name = post.name();
            self.fault(&format!(
                "the same nonce gave another message, {id}: {name}"
            ));
        }
    }

    async fn send(
        &mut self,
        guild: usize,
        channel: usize,
        nonce: &str,
        content: &str,
    ) -> Option<u64> {
        let channel = &self.scene.guilds[guild].channels[channel];
        let path = format!("/channels/{channel}/messages");
        let body = json!({"content": content, "nonce": nonce, "enforce_nonce": true});
        let answer = match self.insist(Method::POST, &path, Some(&body)).await {
            Outcome::Done(answer) => answer,
            Outcome::Refused(answer, _) => {
                self.refused(&answer, &format!("nonce {nonce}, guild {guild}"));
                return None;
            }
            Outcome::GivenUp => return None,
        };
        let message: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let id = message["id"].as_str().and_then(|id| id.parse().ok());
        if id.is_none() || message["content"] != content {
            self.fault(&format!("post with nonce {nonce} answered with {message}"));
        }
        id
    }

    async fn edit(&mut self, place: usize) {
        let edit = self.random.u32(..);
        let content = format!("{} edit-{edit}", self.posts[place].nonce);
        let body = json!({"content": content});
        let path = self.path(place);
        match self.insist(Method::PATCH, &path, Some(&body)).await {
            Outcome::Done(_) => {
                figures::count(&self.figures.edits);
                self.posts[place].content = content;
            }
            Outcome::Refused(answer, _) => self.refused(&answer, &self.posts[place].name()),
            Outcome::GivenUp => {}
        }
    }

    async fn delete(&mut self, place: usize) {
        let path = self.path(place);
        match self.insist(Method::DELETE, &path, None).await {
            Outcome::Done(_) => {}
            // The attempt before was carried out without an answer.
            Outcome::Refused(answer, true) if answer.status == 404 => {}
            Outcome::Refused(answer, _) => {
                return self.refused(&answer, &self.posts[place].name());
            }
            Outcome::GivenUp => return,
        }
        figures::count(&self.figures.deletes);
        self.posts[place].deleted = Some(self.round());
    }

    async fn react(&mut self, place: usize) {
        let path = format!("{}/reactions/{THUMBS_UP}/@me", self.path(place));
        match self.insist(Method::PUT, &path, None).await {
            Outcome::Done(_) => {
                figures::count(&self.figures.reactions);
                self.posts[place].reacted = true;
            }
            Outcome::Refused(answer, _) => self.refused(&answer, &self.posts[place].name()),
            Outcome::GivenUp => {}
        }
    }

    /// Reads a message that was acknowledged.
    async fn look(&mut self, place: usize) {
        let path = self.path(place);
        let post = &self.posts[place];
        match self.insist(Method::GET, &path, None).await {
            Outcome::Done(answer) => {
                let message: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                if message["content"] != post.content {
                    let said = &message["content"];
                    self.fault(&format!("it says {said}: {}", post.name()));
                }
            }
            Outcome::Refused(answer, _) => self.refused(&answer, &post.name()),
            Outcome::GivenUp => {}
        }
    }

    /// Sends a request until there is an answer that counts.
    async fn insist(&self, method: Method, path: &str, body: Option<&Value>) -> Outcome {
        let first = Instant::now();
        let mut again = false;
        loop {
            let body = body.map(|body| (Bytes::from(body.to_string()), "application/json"));
            let began = Instant::now();
            let answer = self.rest.try_send(method.clone(), path, body).await;
            let shown = match answer {
                Ok(answer) if answer.status < 300 => {
                    self.figures.acknowledged(began);
                    return Outcome::Done(answer);
                }
                Ok(answer) if answer.status < 500 && answer.status != 429 => {
                    return Outcome::Refused(answer, again);
                }
                Ok(answer) => answer.status.to_string(),
                Err(error) => format!("{error:?}"),
            };
            if matches!(*self.phase.borrow(), Phase::Abort) {
                return Outcome::GivenUp;
            }
            if first.elapsed() > DEADLINE {
                self.fault(&format!(
                    "{method} {path}: not acknowledged within {DEADLINE:?}: {shown}"
                ));
                return Outcome::GivenUp;
            }
            again = true;
            figures::count(&self.figures.retries);
            tokio::time::sleep(RETRY).await;
        }
    }

    fn path(&self, place: usize) -> String {
        let post = &self.posts[place];
        let channel = &self.scene.guilds[post.guild].channels[post.channel];
        format!("/channels/{channel}/messages/{}", post.id)
    }

    /// The round of now, or the last one.
    fn round(&self) -> usize {
        match *self.phase.borrow() {
            Phase::Load { round, .. } => round,
            _ => self.round,
        }
    }

    fn refused(&self, answer: &Answer, what: &str) {
        let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(200)]);
        let (request, status) = (&answer.request, answer.status);
        self.fault(&format!("{request}: {status} {body}: {what}"));
    }

    fn fault(&self, what: &str) {
        self.faults.add(format!(
            "publisher {} in round {}: {what}",
            self.name,
            self.round()
        ));
    }
}
