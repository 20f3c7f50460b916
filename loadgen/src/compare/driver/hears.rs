//! A receiver that listens to a driver, for the drivers' tests.

use super::{Driver, Ear, Who};
use crate::client::frames::{Frame, Opcode};
use crate::compare::tally::Tally;
use crate::marker::Marker;

/// Receiver 0 of a load of so many messages.
pub(super) struct Hears {
    pub(super) replies: Vec<u8>,
    pub(super) ready: bool,
    pub(super) tally: Tally,
}

impl Hears {
    pub(super) fn of(messages: u32) -> Self {
        let mut tally = Tally::new(1);
        tally.begin(messages, (0, u64::MAX));
        Self {
            replies: Vec::new(),
            ready: false,
            tally,
        }
    }

    /// The text of a message, of `bytes` bytes.
    pub(super) fn text(&self, publish: u32, bytes: usize) -> String {
        let marker = Marker {
            room: 0,
            publish,
            intended: 1,
            held: 0,
        };
        let mut text = Vec::new();
        self.tally.codec().write(marker, bytes, &mut text);
        String::from_utf8(text).unwrap()
    }

    /// Has the driver take a frame.
    pub(super) fn frame(&mut self, driver: &mut impl Driver, opcode: Opcode, payload: &[u8]) {
        let frame = Frame {
            fin: true,
            opcode,
            payload,
        };
        let mut ear = Ear {
            now: 9,
            replies: &mut self.replies,
            ready: &mut self.ready,
            tally: &mut self.tally,
        };
        driver.frame(Who::Receiver(0), &frame, &mut ear).unwrap();
    }
}
