//! The mark that loadgen puts into each message so that it knows it again without parsing the JSON around it.
//!
//! Form: `lg:<run>:<room>:<publish number>:<intended send time in µs>:<µs from that to the send>;` and padding up to the wanted length.
//! None of its characters is ever escaped in JSON.

use std::io::Write as _;

use memchr::memmem;

/// What a mark says about its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// The room's index in the run.
    pub room: u32,
    /// Number of the publish within its room, from 0.
    pub publish: u32,
    /// When the schedule wanted it sent, in microseconds of [`crate::clock`].
    pub intended: u64,
    /// How much later than that it was first sent, in microseconds. A latency that leaves this out is the naive one.
    pub held: u64,
}

/// Digits of the largest number of 64 bits.
const MAX_DIGITS: usize = 20;

/// Writes and finds the marks of one run.
#[derive(Debug, Clone)]
pub struct MarkerCodec {
    prefix: String,
    finder: memmem::Finder<'static>,
}

/// Longest mark in bytes: both numbers and the times at their widest.
pub const LONGEST: usize = 3 + 8 + 1 + 10 + 1 + 10 + 1 + 20 + 1 + 20 + 1;

impl MarkerCodec {
    /// The marks of the run with this id.
    pub fn new(run: u32) -> Self {
        let prefix = format!("lg:{run:08x}:");
        let finder = memmem::Finder::new(prefix.as_bytes()).into_owned();
        Self { prefix, finder }
    }

    /// Appends the mark, padded with `x` to `length` bytes, to `out`.
    pub fn write(&self, marker: Marker, length: usize, out: &mut Vec<u8>) {
        let start = out.len();
        write!(
            out,
            "{}{}:{}:{}:{};",
            self.prefix, marker.room, marker.publish, marker.intended, marker.held
        )
        .expect("invariant: writing to a Vec cannot fail");
        let written = out.len() - start;
        out.resize(start + written.max(length), b'x');
    }

    /// The first mark of this run in `text`.
    pub fn find(&self, text: &[u8]) -> Option<Marker> {
        let rest = &text[self.finder.find(text)? + self.prefix.len()..];
        let (room, rest) = number(rest, b':')?;
        let (publish, rest) = number(rest, b':')?;
        let (intended, rest) = number(rest, b':')?;
        let (held, _) = number(rest, b';')?;
        Some(Marker {
            room: u32::try_from(room).ok()?,
            publish: u32::try_from(publish).ok()?,
            intended,
            held,
        })
    }
}

/// The decimal number before `end`, and what follows `end`.
fn number(text: &[u8], end: u8) -> Option<(u64, &[u8])> {
    let (value, rest) = leading_decimal(text)?;
    Some((value, rest.strip_prefix(&[end])?))
}

/// A non-empty run of decimal digits that fits 64 bits.
pub fn decimal(digits: &[u8]) -> Option<u64> {
    let (value, rest) = leading_decimal(digits)?;
    rest.is_empty().then_some(value)
}

/// The decimal number that `text` begins with, 20 digits at most, and what follows it.
pub fn leading_decimal(text: &[u8]) -> Option<(u64, &[u8])> {
    let (mut value, mut length) = (0_u64, 0);
    while let Some(digit) = text.get(length).map(|byte| byte.wrapping_sub(b'0'))
        && digit <= 9
    {
        // So many fit in any case.
        if length < MAX_DIGITS - 1 {
            value = value * 10 + u64::from(digit);
        } else {
            value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
        }
        length += 1;
    }
    (1..=MAX_DIGITS)
        .contains(&length)
        .then(|| (value, &text[length..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_found(run: u32, room: u32, publish: u32, intended: u64, held: u64, length in 0_usize..300) {
            let codec = MarkerCodec::new(run);
            let marker = Marker { room, publish, intended, held };
            let mut text = b"{\"content\":\"".to_vec();
            let before = text.len();
            codec.write(marker, length, &mut text);
            prop_assert!(text.len() - before <= LONGEST.max(length));
            prop_assert!(text.len() - before >= length);
            text.extend_from_slice(b"\"}");
            prop_assert_eq!(codec.find(&text), Some(marker));
            prop_assert_eq!(MarkerCodec::new(run.wrapping_add(1)).find(&text), None);
        }

        #[test]
        fn decimals_agree_with_the_standard_library(text in "[0-9a]{0,22}") {
            let expected = text.parse::<u64>().ok().filter(|_| text.len() <= 20);
            prop_assert_eq!(decimal(text.as_bytes()), expected);
        }
    }

    #[test]
    fn a_cut_mark_is_not_found() {
        let codec = MarkerCodec::new(7);
        let mut text = Vec::new();
        let marker = Marker {
            room: 1,
            publish: 2,
            intended: 3,
            held: 4,
        };
        codec.write(marker, 0, &mut text);
        for end in 0..text.len() {
            assert_eq!(codec.find(&text[..end]), None);
        }
    }
}
