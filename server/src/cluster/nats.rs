//! The connection to NATS, and the streams that everything is kept in.
//!
//! | stream | subjects | what it keeps |
//! |---|---|---|
//! | `NAME-log-P` | `NAME.log.P.GUILD` | guilds' logs, one message for each append |
//! | `NAME-head` | `NAME.head.OWNER` | the newest only: where a guild's snapshot is, what was trimmed; the list of nodes |
//! | `NAME-chunk` | `NAME.chunk.OWNER.KEY.N` | what is too large for one message, in pieces |
//! | `NAME-dir` | `NAME.dir` | changes of the directory, sent on as `NAME.feed.dir` |
//! | `NAME-sess` | `NAME.sess.ID`, `NAME.claim.ID`, `NAME.table.GUILD.NAME` | the newest only, for a while: sessions, who has them, what they see |

mod chunks;
mod directory;
mod frame;
mod head;
mod index;
mod journal;
pub mod membership;
pub mod peers;
mod sessions;
#[cfg(test)]
pub(crate) mod test_server;
mod thread;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::stream::{
    Config as StreamConfig, DirectGetErrorKind, DiscardPolicy, LastRawMessageError,
    LastRawMessageErrorKind, Republish, StorageType, Stream,
};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions, Event, connection};
use bytes::Bytes;

use crate::config::NatsLogin;
use crate::counters::{ClusterFigures, Counters};

pub use directory::NatsDirectory;
pub use journal::NatsJournal;
pub use sessions::NatsSessions;
pub use thread::ClusterThread;

/// How long a question to NATS may take.
const ASK: Duration = Duration::from_secs(5);
/// How long the first connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest pause between two attempts to connect again.
const RECONNECT: Duration = Duration::from_millis(500);
/// How often the server is asked whether it still is there.
const PING: Duration = Duration::from_secs(5);
/// Where a server's limit is not known: its default.
const MAX_PAYLOAD: usize = 1 << 20;
/// What headers of a message may take of that limit.
const HEADERS: usize = 1 << 10;

/// What there is to know of the NATS servers.
#[derive(Debug, Clone)]
pub struct NatsSettings {
    /// Addresses, `nats://host:port`.
    pub servers: Vec<String>,
    /// As whom to connect, where they ask for it.
    pub login: Option<NatsLogin>,
    /// What all names begin with.
    pub name: String,
    /// Who connects, as NATS shows it.
    pub node: String,
    /// Copies of everything, 1 to 5.
    pub replicas: usize,
    /// Streams of logs, 1 to 256.
    pub partitions: usize,
    /// How long the answer to a write is waited for.
    pub append_timeout: Duration,
    /// How long what is kept of a session stays.
    pub sessions_max_age: Duration,
    /// Most bytes of what is kept of all sessions; the oldest go first.
    pub sessions_max_bytes: u64,
}

/// Why NATS cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct NatsError(String);

impl NatsError {
    fn new(what: &str, error: &dyn std::fmt::Display) -> Self {
        Self(format!("{what}: {error}"))
    }
}

/// A message of a stream.
#[derive(Debug, Clone)]
struct Stored {
    sequence: u64,
    payload: Bytes,
}

/// What a write did.
enum Written {
    /// It is stored, under this sequence number.
    At(u64),
    /// Another one was first.
    Refused,
    /// Nothing was stored.
    Not(String),
    /// Nobody knows.
    Unknown(String),
}

/// A connection. Cheap to clone.
#[derive(Clone)]
pub struct Nats {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    context: Context,
    settings: NatsSettings,
    logs: Vec<Stream<()>>,
    heads: Stream<()>,
    chunks: Stream<()>,
    directory: Stream<()>,
    counters: Arc<Counters>,
    sessions: Stream<()>,
}

impl Nats {
    /// Connects and makes the streams that are not there.
    ///
    /// Errors: no server answers within five seconds, JetStream is off, or the streams are of another form.
    pub async fn connect(
        settings: NatsSettings,
        counters: Arc<Counters>,
    ) -> Result<Self, NatsError> {
        let told = Arc::clone(&counters);
        let options = ConnectOptions::new()
            .name(format!("guildhall {}", settings.node))
            .connection_timeout(CONNECT)
            .request_timeout(Some(ASK))
            .ping_interval(PING)
            .subscription_capacity(65_536)
            .reconnect_delay_callback(|attempts| {
                let factor = u32::try_from(attempts).unwrap_or(u32::MAX);
                RECONNECT.min(Duration::from_millis(20).saturating_mul(factor))
            })
            .event_callback(move |event| {
                let counters = Arc::clone(&told);
                async move { note_event(&event, &counters.cluster) }
            });
        // The client takes no login from an address, and its log shows addresses as they are.
        let options = match settings.login.clone() {
            None => options,
            Some(NatsLogin::Token(token)) => options.token(token),
            Some(NatsLogin::User { user, password }) => options.user_and_password(user, password),
        };
        let connecting = options.connect(settings.servers.clone());
        let client = tokio::time::timeout(CONNECT, connecting)
            .await
            .map_err(|_| NatsError("no server answers".to_owned()))?
            .map_err(|error| NatsError::new("cannot connect", &error))?;
        let mut context = jetstream::ContextBuilder::new()
            .timeout(ASK)
            .ack_timeout(settings.append_timeout)
            .build(client.clone());
        context.set_timeout(ASK);
        // Its event may come later than this.
        counters.cluster.nats_connected.set(1);
        let name = &settings.name;
        let make = |config: StreamConfig| make_stream(&context, config, settings.replicas);
        let mut logs = Vec::with_capacity(settings.partitions);
        for partition in 0..settings.partitions {
            let log = StreamConfig {
                name: format!("{name}-log-{partition}"),
                subjects: vec![format!("{name}.log.{partition}.*")],
                ..StreamConfig::default()
            };
            logs.push(make(log).await?);
        }
        let heads = StreamConfig {
            name: format!("{name}-head"),
            subjects: vec![format!("{name}.head.*")],
            max_messages_per_subject: 1,
            ..StreamConfig::default()
        };
        let chunks = StreamConfig {
            name: format!("{name}-chunk"),
            subjects: vec![format!("{name}.chunk.>")],
            ..StreamConfig::default()
        };
        let directory = StreamConfig {
            name: format!("{name}-dir"),
            subjects: vec![format!("{name}.dir")],
            republish: Some(Republish {
                source: format!("{name}.dir"),
                destination: format!("{name}.feed.dir"),
                headers_only: false,
            }),
            ..StreamConfig::default()
        };
        let sessions = StreamConfig {
            name: format!("{name}-sess"),
            subjects: ["sess.*", "claim.*", "table.*.*"]
                .map(|subject| format!("{name}.{subject}"))
                .to_vec(),
            max_messages_per_subject: 1,
            max_age: settings.sessions_max_age,
            max_bytes: i64::try_from(settings.sessions_max_bytes).unwrap_or(i64::MAX),
            ..StreamConfig::default()
        };
        let (heads, chunks, directory, sessions) = (
            make(heads).await?,
            make(chunks).await?,
            make(directory).await?,
            make(sessions).await?,
        );
        Ok(Self {
            inner: Arc::new(Inner {
                client,
                context,
                settings,
                logs,
                heads,
                chunks,
                directory,
                counters,
                sessions,
            }),
        })
    }

    fn figures(&self) -> &ClusterFigures {
        &self.inner.counters.cluster
    }

    fn name(&self) -> &str {
        &self.inner.settings.name
    }

    /// Whether a server is connected now.
    fn is_connected(&self) -> bool {
        self.inner.client.connection_state() == connection::State::Connected
    }

    /// The largest payload of one message, in bytes.
    fn max_payload(&self) -> usize {
        let said = self.inner.client.max_payload();
        let most = if said == 0 { MAX_PAYLOAD } else { said };
        most.saturating_sub(HEADERS).max(HEADERS)
    }

    /// Stores a message; where a sequence number is given, only if it is the last one of the subject (0:
    /// the subject has none).
    async fn publish(&self, subject: String, payload: Bytes, expected: Option<u64>) -> Written {
        if !self.is_connected() {
            return Written::Not("no NATS server is connected".to_owned());
        }
        let mut message = PublishMessage::build().payload(payload);
        if let Some(expected) = expected {
            message = message.expected_last_subject_sequence(expected);
        }
        let sent = self.inner.context.send_publish(subject, message).await;
        let answered = match sent {
            Ok(answer) => answer.await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(ack) => Written::At(ack.sequence),
            Err(error) => written(&error),
        }
    }
}

fn written(error: &PublishError) -> Written {
    match error.kind() {
        PublishErrorKind::WrongLastSequence => Written::Refused,
        PublishErrorKind::StreamNotFound
        | PublishErrorKind::MaxAckPending
        | PublishErrorKind::MaxPayloadExceeded => Written::Not(error.to_string()),
        _ => Written::Unknown(error.to_string()),
    }
}

/// The next message of a subject from a sequence number on.
async fn next(stream: &Stream<()>, subject: &str, from: u64) -> Result<Option<Stored>, NatsError> {
    let found = stream
        .direct_get_next_for_subject(subject, Some(from))
        .await;
    match found {
        Ok(message) => Ok(Some(stored(message))),
        // Any server with a copy answers that, also one that has not heard of the newest messages.
        Err(error) if matches!(error.kind(), DirectGetErrorKind::NotFound) => {
            leader_has(stream.get_first_raw_message_by_subject(subject, from).await)
        }
        Err(error) => Err(NatsError::new("a stream cannot be read", &error)),
    }
}

/// The last message of a subject, as the stream's leader has it.
async fn last(stream: &Stream<()>, subject: &str) -> Result<Option<Stored>, NatsError> {
    leader_has(stream.get_last_raw_message_by_subject(subject).await)
}

fn leader_has(
    found: Result<StreamMessage, LastRawMessageError>,
) -> Result<Option<Stored>, NatsError> {
    match found {
        Ok(message) => Ok(Some(stored(message))),
        Err(error) if matches!(error.kind(), LastRawMessageErrorKind::NoMessageFound) => Ok(None),
        Err(error) => Err(NatsError::new("a stream cannot be read", &error)),
    }
}

fn stored(message: StreamMessage) -> Stored {
    Stored {
        sequence: message.sequence,
        payload: message.payload,
    }
}

async fn make_stream(
    context: &Context,
    config: StreamConfig,
    replicas: usize,
) -> Result<Stream<()>, NatsError> {
    let name = config.name.clone();
    let config = StreamConfig {
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        allow_direct: true,
        num_replicas: replicas,
        ..config
    };
    let config = StreamConfig {
        // One message for each subject means that the newest takes the place of the last.
        discard: if config.max_messages_per_subject == 1 {
            DiscardPolicy::Old
        } else {
            config.discard
        },
        ..config
    };
    let (max_age, max_bytes) = (config.max_age, config.max_bytes);
    let made = context.get_or_create_stream(config).await;
    let stream = made.map_err(|error| NatsError::new(&format!("stream {name}"), &error))?;
    let kept = &stream.cached_info().config;
    if kept.num_replicas != replicas {
        let kept = kept.num_replicas;
        tracing::warn!(stream = %name, kept, wanted = replicas, "the stream was made with other replicas");
    }
    if max_bytes > 0 && (kept.max_age, kept.max_bytes) != (max_age, max_bytes) {
        // The settings have changed since it was made.
        let config = StreamConfig {
            max_age,
            max_bytes,
            // A longer one than messages stay is refused.
            duplicate_window: kept.duplicate_window.min(max_age),
            ..kept.clone()
        };
        if let Err(error) = context.update_stream(config).await {
            tracing::warn!(stream = %name, %error, "the stream keeps its former bounds");
        }
    }
    context
        .get_stream_no_info(&name)
        .await
        .map_err(|error| NatsError::new(&format!("stream {name}"), &error))
}

fn note_event(event: &Event, figures: &ClusterFigures) {
    match event {
        Event::Connected => {
            figures.nats_connected.set(1);
            tracing::info!("connected to NATS");
        }
        Event::Disconnected => {
            figures.nats_connected.set(0);
            figures.nats_disconnects.inc();
            tracing::warn!("the connection to NATS is lost");
        }
        other => tracing::warn!(event = %other, "nats"),
    }
}
