//! Decimal digits without the formatting machinery: ids are written several times per message.

use serde::Serializer;

/// The decimal form of a number, on the stack.
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    /// Right-aligned digits.
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    /// The digits of a number.
    pub const fn new(value: u64) -> Self {
        let mut digits = [b'0'; 20];
        let mut start = digits.len() - 1;
        let mut rest = value;
        loop {
            digits[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                return Self { digits, start };
            }
            start -= 1;
        }
    }

    /// As bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("invariant: digits are ASCII")
    }
}

/// Serializes a number as a decimal string.
pub(super) fn serialize<S: Serializer>(value: u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(Decimal::new(value).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_display() {
        for value in [
            0,
            1,
            9,
            10,
            99,
            100,
            12_345_678_901_234_567,
            u64::MAX - 1,
            u64::MAX,
        ] {
            assert_eq!(Decimal::new(value).as_str(), value.to_string());
        }
    }
}
