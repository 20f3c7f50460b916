//! What the receivers of one load heard: each message once, and how long it took.

use hdrhistogram::Histogram;

use crate::client::tally::histogram;
use crate::marker::MarkerCodec;

/// Counts deliveries exactly: one bit for each receiver and message.
#[derive(Debug)]
pub(super) struct Tally {
    receivers: u32,
    planned: u32,
    codec: MarkerCodec,
    /// Row of receiver 0, of receiver 1 and so on; a bit for each message.
    seen: Vec<u64>,
    /// 64-bit words of a row.
    width: usize,
    heard: u64,
    delivered: u64,
    duplicates: u64,
    strays: u64,
    wire: u64,
    /// Which intended times are measured.
    window: (u64, u64),
    latency: Histogram<u64>,
    /// When the first and the last delivery were read; 0 before there is one.
    span: (u64, u64),
}

impl Tally {
    /// Of this many receivers; nothing is expected before [`Tally::begin`].
    pub(super) fn new(receivers: u32) -> Self {
        Self {
            receivers,
            planned: 0,
            codec: MarkerCodec::new(fastrand::u32(..)),
            seen: Vec::new(),
            width: 0,
            heard: 0,
            delivered: 0,
            duplicates: 0,
            strays: 0,
            wire: 0,
            window: (0, 0),
            latency: histogram(),
            span: (0, 0),
        }
    }

    /// Starts anew with `planned` messages, whose marks are new; `window` is the measured span of intended times.
    pub(super) fn begin(&mut self, planned: u32, window: (u64, u64)) {
        *self = Self::new(self.receivers);
        self.planned = planned;
        self.window = window;
        self.width = planned.div_ceil(64) as usize;
        self.seen = vec![0; self.width * self.receivers as usize];
    }

    /// What marks the messages of this load.
    pub(super) fn codec(&self) -> &MarkerCodec {
        &self.codec
    }

    /// Receiver `receiver` got `text` at `now`.
    pub(super) fn hear(&mut self, receiver: u32, text: &[u8], now: u64) {
        self.heard += 1;
        let marker = self.codec.find(text);
        let Some(marker) = marker.filter(|marker| marker.publish < self.planned) else {
            self.strays += 1;
            return;
        };
        let word = receiver as usize * self.width + (marker.publish / 64) as usize;
        let bit = 1 << (marker.publish % 64);
        if self.seen[word] & bit != 0 {
            self.duplicates += 1;
            return;
        }
        self.seen[word] |= bit;
        self.delivered += 1;
        if self.span.0 == 0 {
            self.span.0 = now;
        }
        self.span.1 = now;
        if (self.window.0..self.window.1).contains(&marker.intended) {
            let took = now.saturating_sub(marker.intended);
            self.latency.saturating_record(took);
        }
    }

    /// Bytes came, whatever they were.
    pub(super) fn bytes(&mut self, count: usize) {
        self.wire += count as u64;
    }

    /// Messages received, whichever.
    #[cfg(test)]
    pub(super) fn heard(&self) -> u64 {
        self.heard
    }

    /// Messages of this load that a receiver got for the first time.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Messages that a receiver got again.
    pub(super) fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Messages that are not of this load.
    pub(super) fn strays(&self) -> u64 {
        self.strays
    }

    /// Bytes received by all connections.
    pub(super) fn wire(&self) -> u64 {
        self.wire
    }

    /// Intended time to reception of the measured messages, in microseconds.
    pub(super) fn latency(&self) -> &Histogram<u64> {
        &self.latency
    }

    /// When the first and the last delivery were read; `None` before there is one.
    pub(super) fn span(&self) -> Option<(u64, u64)> {
        (self.span.0 != 0).then_some(self.span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marker::Marker;

    fn text(tally: &Tally, publish: u32, intended: u64) -> Vec<u8> {
        let mut text = Vec::new();
        let marker = Marker {
            room: 0,
            publish,
            intended,
            held: 0,
        };
        tally.codec().write(marker, 0, &mut text);
        text
    }

    #[test]
    fn each_delivery_counts_once_and_strangers_never() {
        let mut tally = Tally::new(2);
        tally.begin(70, (10, 20));
        let old = text(&tally, 0, 10);
        tally.begin(70, (10, 20));
        tally.hear(0, &old, 12);
        assert_eq!((tally.delivered(), tally.strays()), (0, 1));
        for (publish, intended) in [(0, 9), (69, 10), (65, 19), (66, 20)] {
            let text = text(&tally, publish, intended);
            tally.hear(1, &text, 30);
            tally.hear(1, &text, 31);
            tally.hear(0, &text, 32);
        }
        let beyond = text(&tally, 70, 10);
        tally.hear(0, &beyond, 33);
        assert_eq!((tally.delivered(), tally.duplicates()), (8, 4));
        assert_eq!(tally.strays(), 2);
        // Only what was intended within the window.
        assert_eq!(tally.latency().len(), 4);
        assert_eq!(tally.latency().max(), 22);
        assert_eq!(tally.span(), Some((30, 32)));
    }
}
