//! What most guilds in memory have nothing of, at the price of a pointer.

use std::ops::{Deref, DerefMut};

/// A value of which there may be nothing.
pub(super) trait Blank: Default + 'static {
    /// As [`Default`] makes it.
    const BLANK: &'static Self;

    /// Whether it says no more than a new one.
    fn is_blank(&self) -> bool;
}

/// A value that is on the heap from the first change on, until it is blank again and [given back](Self::give_back).
///
/// It is given back when a guild comes to rest and not before, so that one that is at work asks for no memory again and again.
#[derive(Debug)]
pub(super) struct Seldom<T>(Option<Box<T>>);

impl<T: Blank> Seldom<T> {
    /// A blank one.
    pub(super) const fn new() -> Self {
        Self(None)
    }

    /// To change what is there; `None` where there is nothing.
    pub(super) fn made(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    /// Takes what is there.
    pub(super) fn take(&mut self) -> T {
        self.0.take().map_or_else(T::default, |value| *value)
    }

    /// Gives its memory back where it is blank.
    pub(super) fn give_back(&mut self) {
        self.0.take_if(|value| value.is_blank());
    }
}

impl<T> Default for Seldom<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Blank> From<T> for Seldom<T> {
    fn from(value: T) -> Self {
        Self((!value.is_blank()).then(|| Box::new(value)))
    }
}

impl<T: Blank> Deref for Seldom<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::BLANK)
    }
}

impl<T: Blank> DerefMut for Seldom<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Blank for Vec<u8> {
        const BLANK: &'static Self = &Self::new();

        fn is_blank(&self) -> bool {
            self.is_empty()
        }
    }

    #[test]
    fn there_is_something_from_the_first_change_until_it_is_given_back() {
        let mut bytes = Seldom::<Vec<u8>>::new();
        assert_eq!(bytes.len(), 0);
        assert!(bytes.made().is_none());
        bytes.push(1);
        bytes.give_back();
        assert_eq!(bytes.made().map(|made| made.len()), Some(1));
        bytes.clear();
        assert!(bytes.made().is_some(), "kept for what comes next");
        bytes.give_back();
        assert!(bytes.made().is_none());
        bytes.push(2);
        assert_eq!(bytes.take(), [2]);
        assert!(bytes.made().is_none());
        assert!(Seldom::<Vec<u8>>::from(Vec::new()).made().is_none());
    }
}
