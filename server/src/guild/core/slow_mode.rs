//! When users last sent to channels in slow mode.

use std::collections::BTreeMap;

use crate::guild::seldom::Blank;
use crate::protocol::{ChannelId, UserId};

/// Up to this many entries of a channel are not worth looking through.
const SMALL: usize = 64;

/// The last send of each user, for channels in slow mode alone.
#[derive(Debug, Default)]
pub(super) struct SlowMode {
    channels: BTreeMap<ChannelId, Sends>,
}

#[derive(Debug, Default)]
struct Sends {
    /// Milliseconds since the Unix epoch.
    last_ms: BTreeMap<UserId, u64>,
    /// How many entries were left when those past the limit were last dropped.
    kept: usize,
}

impl Blank for SlowMode {
    const BLANK: &'static Self = &Self {
        channels: BTreeMap::new(),
    };

    fn is_blank(&self) -> bool {
        self.channels.is_empty()
    }
}

impl SlowMode {
    /// Notes a message at `at_ms` in a channel with a limit of `seconds`.
    pub(super) fn sent(&mut self, channel: ChannelId, seconds: u16, user: UserId, at_ms: u64) {
        let sends = self.channels.entry(channel).or_default();
        sends.last_ms.insert(user, at_ms);
        // Entries past the limit are dropped when their number doubled: a constant cost per send.
        if sends.last_ms.len() > SMALL.max(sends.kept * 2) {
            sends
                .last_ms
                .retain(|_, last_ms| wait_ms(*last_ms, seconds, at_ms) > 0);
            sends.kept = sends.last_ms.len();
        }
    }

    /// How long a user still has to wait at `now_ms`, in milliseconds; 0 where it may send.
    pub(super) fn wait_ms(
        &self,
        channel: ChannelId,
        seconds: u16,
        user: UserId,
        now_ms: u64,
    ) -> u64 {
        self.channels
            .get(&channel)
            .and_then(|sends| sends.last_ms.get(&user))
            .map_or(0, |last_ms| wait_ms(*last_ms, seconds, now_ms))
    }

    /// Forgets a channel that has no slow mode any more.
    pub(super) fn forget(&mut self, channel: ChannelId) {
        self.channels.remove(&channel);
    }

    /// Every entry: channel, user, when; and the counts that decide when entries are dropped.
    pub(super) fn image(&self) -> SlowModeImage {
        self.channels
            .iter()
            .map(|(channel, sends)| {
                let last_ms = sends.last_ms.iter().map(|(user, ms)| (*user, *ms));
                (*channel, sends.kept, last_ms.collect())
            })
            .collect()
    }

    /// Rebuilds what [`SlowMode::image`] gave.
    pub(super) fn from_image(image: SlowModeImage) -> Self {
        let channels = image.into_iter().map(|(channel, kept, last_ms)| {
            let last_ms = last_ms.into_iter().collect();
            (channel, Sends { last_ms, kept })
        });
        Self {
            channels: channels.collect(),
        }
    }
}

/// A [`SlowMode`] as a snapshot holds it.
pub(super) type SlowModeImage = Vec<(ChannelId, usize, Vec<(UserId, u64)>)>;

fn wait_ms(last_ms: u64, seconds: u16, now_ms: u64) -> u64 {
    (last_ms + u64::from(seconds) * 1_000).saturating_sub(now_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_past_the_limit_do_not_pile_up() {
        let channel = ChannelId::new(1);
        let mut slow_mode = SlowMode::default();
        for n in 1..=10_000_u64 {
            slow_mode.sent(channel, 5, UserId::new(n), n * 1_000);
        }
        assert!(slow_mode.channels[&channel].last_ms.len() <= SMALL + 1);
        let last = UserId::new(10_000);
        assert_eq!(slow_mode.wait_ms(channel, 5, last, 10_001_000), 4_000);
        assert_eq!(slow_mode.wait_ms(channel, 5, last, 10_005_000), 0);
        assert_eq!(slow_mode.wait_ms(channel, 5, UserId::new(1), 10_001_000), 0);
    }
}
