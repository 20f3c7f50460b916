//! What to do with the answer to a post. Pure.

use std::time::Duration;

use crate::check::Outcome;
use crate::clock::SECOND;

/// After this time (microseconds from its intended time) a message is not tried again.
pub const GIVE_UP_AFTER: u64 = 30 * SECOND;

/// Wait before the first repetition after a failure, in microseconds; doubles up to [`MAX_BACKOFF`].
const BACKOFF: u64 = 50_000;

/// Longest wait before a repetition after a failure, in microseconds.
const MAX_BACKOFF: u64 = 2 * SECOND;

/// What one attempt to post a message came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Accepted as this message.
    Acked(u64),
    /// 429: try again after this time.
    Limited(Duration),
    /// Another 4xx: never.
    Refused,
    /// 5xx or nonsense: it may have been done or not.
    Failed,
    /// The connection could not be made: nothing was sent.
    Unreachable,
    /// The connection broke, or no answer came in time: it may have been done or not.
    Broken,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is over.
    Done(Outcome),
    /// Post the same again, at this time.
    Again(u64),
}

/// The course of one message.
#[derive(Debug, Clone, Copy)]
pub struct Course {
    deadline: u64,
    failures: u32,
    /// An earlier attempt may have been done.
    uncertain: bool,
}

impl Course {
    /// A message with this intended time.
    pub fn new(intended: u64) -> Self {
        Self {
            deadline: intended + GIVE_UP_AFTER,
            failures: 0,
            uncertain: false,
        }
    }

    /// Takes the answer that came at `now`.
    pub fn answer(&mut self, answer: Answer, now: u64) -> Next {
        let wait = match answer {
            Answer::Acked(id) => return Next::Done(Outcome::Acked(id)),
            Answer::Refused => return Next::Done(self.given_up()),
            Answer::Limited(after) => after.as_micros() as u64,
            Answer::Failed | Answer::Broken | Answer::Unreachable => {
                self.uncertain |= answer != Answer::Unreachable;
                self.failures += 1;
                (BACKOFF << (self.failures - 1).min(10)).min(MAX_BACKOFF)
            }
        };
        let at = now.saturating_add(wait);
        if at > self.deadline {
            Next::Done(self.given_up())
        } else {
            Next::Again(at)
        }
    }

    fn given_up(&self) -> Outcome {
        if self.uncertain {
            Outcome::Unknown
        } else {
            Outcome::Refused
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_waited_for_and_leaves_nothing_uncertain() {
        let mut course = Course::new(0);
        let wait = Answer::Limited(Duration::from_millis(500));
        assert_eq!(course.answer(wait, 1_000), Next::Again(501_000));
        assert_eq!(
            course.answer(wait, GIVE_UP_AFTER),
            Next::Done(Outcome::Refused)
        );
    }

    #[test]
    fn what_may_have_been_done_stays_uncertain_to_the_end() {
        let mut course = Course::new(0);
        assert_eq!(course.answer(Answer::Broken, 0), Next::Again(BACKOFF));
        assert_eq!(
            course.answer(Answer::Refused, 1),
            Next::Done(Outcome::Unknown)
        );
        let mut course = Course::new(0);
        assert_eq!(course.answer(Answer::Unreachable, 0), Next::Again(BACKOFF));
        assert_eq!(course.answer(Answer::Failed, 0), Next::Again(2 * BACKOFF));
        assert_eq!(
            course.answer(Answer::Acked(7), 0),
            Next::Done(Outcome::Acked(7))
        );
    }

    #[test]
    fn failures_end_in_bounded_time_and_number() {
        let mut course = Course::new(0);
        let mut now = 0;
        let mut attempts = 0;
        while let Next::Again(at) = course.answer(Answer::Failed, now) {
            assert!(at > now && at - now <= MAX_BACKOFF);
            now = at;
            attempts += 1;
        }
        assert!(now <= GIVE_UP_AFTER && attempts < 30, "{attempts}");
    }
}
