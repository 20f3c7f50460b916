//! The shard, driven by a task of its own, and the record of what it reported.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::anyhow;
use futures_util::StreamExt;
use tokio::{sync::watch, time::timeout};
use twilight_gateway::{EventTypeFlags, Message, MessageSender, Shard, parse};
use twilight_model::gateway::event::{DispatchEvent, GatewayEvent};

/// Waiting for one thing may take this long: half of a step's time.
const WAIT_LIMIT: Duration = Duration::from_secs(10);

/// What the shard reported so far.
#[derive(Default)]
pub(crate) struct Record {
    /// Every dispatch with its sequence number, in order of arrival.
    pub(crate) dispatches: Vec<(u64, DispatchEvent)>,
    /// Id of the session the shard is in.
    pub(crate) session: Option<String>,
    /// Why the shard's stream ended, once it has.
    pub(crate) ended: Option<String>,
}

impl Record {
    /// Contents of the messages created after the first `skip` messages.
    pub(crate) fn contents(&self, skip: usize) -> Vec<String> {
        self.messages()
            .skip(skip)
            .map(|(_, content)| content.to_owned())
            .collect()
    }

    /// Id and content of every message created, in order of arrival.
    pub(crate) fn messages(&self) -> impl Iterator<Item = (u64, &str)> {
        self.dispatches.iter().filter_map(|(_, event)| match event {
            DispatchEvent::MessageCreate(message) => {
                Some((message.id.get(), message.content.as_str()))
            }
            _ => None,
        })
    }

    /// Number of dispatches that `wanted` accepts.
    pub(crate) fn count(&self, wanted: impl Fn(&DispatchEvent) -> bool) -> usize {
        self.dispatches
            .iter()
            .filter(|(_, event)| wanted(event))
            .count()
    }
}

/// The record of a running shard, and the way to send commands to it.
pub(crate) struct Watch {
    record: Arc<Mutex<Record>>,
    changed: watch::Receiver<u64>,
    /// Sends gateway commands.
    pub(crate) sender: MessageSender,
}

impl Watch {
    /// Starts to drive `shard` and to record what comes, until its stream ends.
    pub(crate) fn start(shard: Shard) -> Self {
        let record = Arc::new(Mutex::new(Record::default()));
        let (notify, changed) = watch::channel(0);
        let sender = shard.sender();
        tokio::spawn(drive(shard, Arc::clone(&record), notify));
        Self {
            record,
            changed,
            sender,
        }
    }

    /// Looks at the record as it is now.
    pub(crate) fn look<T>(&self, read: impl FnOnce(&Record) -> T) -> T {
        read(&self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until `find` returns a value. Fails after 10 s, and when the shard ends first.
    pub(crate) async fn until<T>(
        &self,
        what: &str,
        find: impl Fn(&Record) -> Option<T>,
    ) -> anyhow::Result<T> {
        let mut changed = self.changed.clone();
        let wait = async {
            loop {
                changed.borrow_and_update();
                if let Some(found) = self.look(&find) {
                    return Ok(found);
                }
                if changed.changed().await.is_err() {
                    let why = self.look(|record| record.ended.clone());
                    return Err(anyhow!("the shard ended: {}", why.unwrap_or_default()));
                }
            }
        };
        timeout(WAIT_LIMIT, wait).await.unwrap_or_else(|_| {
            let seen = self.look(|record| {
                let last = record.dispatches.iter().rev().take(5);
                last.map(|(sequence, event)| format!("{sequence}: {event:?}"))
                    .collect::<Vec<_>>()
            });
            Err(anyhow!("waited for {what}; last dispatches: {seen:#?}"))
        })
    }
}

async fn drive(mut shard: Shard, record: Arc<Mutex<Record>>, notify: watch::Sender<u64>) {
    let mut last_close = None;
    let ended = loop {
        let dispatch = match shard.next().await {
            Some(Ok(Message::Text(json))) => match parse(json.clone(), EventTypeFlags::all()) {
                Ok(Some(GatewayEvent::Dispatch(sequence, event))) => Some((sequence, event)),
                Ok(_) => None,
                Err(error) => break format!("cannot parse {json}: {error}"),
            },
            Some(Ok(Message::Close(frame))) => {
                last_close = frame;
                None
            }
            // A lost connection is reported here as well; the shard goes on by itself.
            Some(Err(_)) => None,
            None => break format!("the stream is over, last close {last_close:?}"),
        };
        {
            let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
            record.dispatches.extend(dispatch);
            record.session = shard.session().map(|session| session.id().to_owned());
        }
        notify.send_modify(|version| *version += 1);
    };
    record.lock().unwrap_or_else(PoisonError::into_inner).ended = Some(ended);
}

/// Whether `event` starts a new session.
pub(crate) fn is_ready(event: &DispatchEvent) -> bool {
    matches!(event, DispatchEvent::Ready(_))
}

/// Whether `event` ends a replay.
pub(crate) fn is_resumed(event: &DispatchEvent) -> bool {
    matches!(event, DispatchEvent::Resumed)
}
