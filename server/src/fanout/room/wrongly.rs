//! A room that delivers wrongly on demand, for tests of whoever judges deliveries: compiled only with fault points.

use std::ops::Range;

use super::{Deliver, Frame, Group, Ready, Room, SessionKey, Subscriber};
use crate::protocol::{Intents, Position};
use crate::supervision::faults::{Point, strikes};

/// A delivery that waits for the next one to go first.
#[derive(Debug)]
pub(super) struct Held {
    session: SessionKey,
    frame: Frame,
    position: Option<Position>,
}

impl Ready {
    fn is_message(&self) -> bool {
        self.intent == Intents::GUILD_MESSAGES && self.position.is_some()
    }
}

impl Room {
    /// Hands everyone, or one group, what waits as a fault wants it; false where none strikes, and nothing was done.
    pub(super) fn hand_out_wrongly(
        &mut self,
        only: Option<Group>,
        places: &Range<usize>,
        sink: &mut impl Deliver,
    ) -> bool {
        if !self.run.iter().any(Ready::is_message) {
            return false;
        }
        let is_meant = |(place, one): (usize, &Subscriber)| {
            places.contains(&place) && only.is_none_or(|only| only == one.group())
        };
        let sees = |subscriber: &Subscriber| {
            self.not_had(subscriber)
                .iter()
                .any(|ready| ready.is_message() && subscriber.gets(ready))
        };
        let mut meant = self.subscribers.iter().filter(|it| is_meant(*it));
        let Some(victim) = meant.find(|(_, one)| sees(one)) else {
            return false;
        };
        let victim = victim.1.session;
        let stranger = self.stranger(is_meant);
        let strikes = |point| strikes(point, self.guild);
        let held = self.held.take();
        let loses = strikes(Point::LoseDelivery);
        let drops = !loses && strikes(Point::DropDelivery);
        let doubles = strikes(Point::DuplicateDelivery);
        let swaps = held.is_none() && strikes(Point::SwapDeliveries);
        let leaks = stranger.is_some() && strikes(Point::LeakDelivery);
        if held.is_none() && !(loses || drops || doubles || swaps || leaks) {
            return false;
        }
        let mut keeps = None;
        for (place, subscriber) in &self.subscribers {
            if !is_meant((place, subscriber)) {
                continue;
            }
            let session = subscriber.session;
            let is_victim = session == victim;
            // Only the first message is touched.
            let mut is_first = true;
            for ready in self.not_had(subscriber) {
                let is_touched = ready.is_message() && is_first;
                if leaks && is_touched && stranger == Some(session) {
                    is_first = false;
                    sink.deliver(session, &ready.frame, ready.position);
                    continue;
                }
                if !subscriber.gets(ready) {
                    continue;
                }
                is_first &= !ready.is_message();
                if loses && is_touched || drops && is_touched && is_victim {
                    continue;
                }
                if swaps && is_touched && is_victim {
                    keeps = Some(Held {
                        session,
                        frame: Frame::clone(&ready.frame),
                        position: ready.position,
                    });
                    continue;
                }
                sink.deliver(session, &ready.frame, ready.position);
                if doubles && is_touched && is_victim {
                    sink.deliver(session, &ready.frame, ready.position);
                }
            }
            if let Some(held) = held.as_ref().filter(|held| held.session == session) {
                sink.deliver(session, &held.frame, held.position);
            }
        }
        for (place, subscriber) in &mut self.subscribers {
            if only.is_some() && is_meant((place, subscriber)) {
                subscriber.from = subscriber.from.max(self.newest);
            }
        }
        self.held = keeps;
        true
    }

    /// What waits for a subscriber.
    fn not_had(&self, subscriber: &Subscriber) -> &[Ready] {
        &self.run[self.had[subscriber.group().index()]..]
    }

    /// A session that does not see the channel of the first message.
    fn stranger(&self, is_meant: impl Fn((usize, &Subscriber)) -> bool) -> Option<SessionKey> {
        let blind = |one: &Subscriber| {
            let mut waiting = self.not_had(one).iter();
            let message = waiting.find(|ready| ready.is_message());
            one.intents.contains(Intents::GUILD_MESSAGES)
                && message.is_some_and(|message| !one.gets(message))
        };
        let meant = self.subscribers.iter().filter(|it| is_meant(*it));
        let mut blind = meant.filter(|(_, one)| blind(one));
        blind.next().map(|(_, subscriber)| subscriber.session)
    }
}
