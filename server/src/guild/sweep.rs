//! Wakes guilds that nobody uses, each now and then, so that their old history goes as well.
//!
//! A guild looks after its history while it is in memory, and only the guild knows its channels and what of them is over. So
//! those at rest are woken, a few in a second, and leave again as soon as they have looked.

use std::sync::Arc;
use std::time::Duration;

use super::actor::GuildMail;
use super::router::Router;
use crate::clock;
use crate::journal::{Journal, JournalError};

/// Guilds that are asked for at once.
const PAGE: usize = 256;

/// When guilds are woken.
#[derive(Debug, Clone, Copy)]
pub struct SweepSettings {
    /// From the start to the first round.
    pub delay: Duration,
    /// From the beginning of a round through all guilds to that of the next one, which waits for the end of the former.
    pub every: Duration,
    /// After a guild that was woken, before the next one is.
    pub between: Duration,
}

impl SweepSettings {
    /// Rounds for messages that are to go at this age: an eighth of it apart, an hour at least.
    pub fn for_age(age: Duration) -> Self {
        Self {
            delay: Duration::from_secs(60),
            every: (age / 8).max(Duration::from_secs(3_600)),
            between: Duration::from_millis(50),
        }
    }
}

/// Wakes guilds of this node that are at rest until it is dropped.
pub async fn run(router: Router, journal: Arc<dyn Journal>, settings: SweepSettings) {
    tokio::time::sleep(settings.delay).await;
    loop {
        let began = clock::now();
        match round(&router, &*journal, settings.between).await {
            Ok(woken) => tracing::info!(woken, "guilds at rest were woken for their old history"),
            Err(error) => tracing::warn!(%error, "not all guilds at rest were woken"),
        }
        tokio::time::sleep_until((began + settings.every).into()).await;
    }
}

async fn round(
    router: &Router,
    journal: &dyn Journal,
    between: Duration,
) -> Result<usize, JournalError> {
    let mut woken = 0;
    let mut after = None;
    loop {
        let page = journal.guilds(after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(woken);
        };
        after = Some(*last);
        for guild in page {
            if !journal.accepts_writes() {
                return Err(JournalError::Unavailable(
                    "the journal takes no writes".to_owned(),
                ));
            }
            // Those in memory look themselves; those of other nodes are woken there.
            let at_rest = router.registry().find(guild).is_none();
            if at_rest && router.post_here(guild, GuildMail::Wake).is_ok() {
                woken += 1;
                tokio::time::sleep(between).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_an_eighth_of_the_age_apart_and_never_close() {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        assert_eq!(SweepSettings::for_age(days(80)).every, days(10));
        assert_eq!(SweepSettings::for_age(days(1)).every, days(1) / 8);
        let hour = Duration::from_secs(3_600);
        assert_eq!(SweepSettings::for_age(hour).every, hour);
    }
}
