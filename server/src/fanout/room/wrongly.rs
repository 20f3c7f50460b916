//! A room that delivers wrongly on demand, for tests of whoever judges deliveries: compiled only with fault points.

use super::{Deliver, Frame, Ready, Room, SessionKey, Subscriber};
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
    /// Hands the gathered dispatches out as a fault wants it; false where none strikes, and nothing was done.
    pub(super) fn hand_out_wrongly(&mut self, sink: &mut impl Deliver) -> bool {
        if !self.run.iter().any(Ready::is_message) {
            return false;
        }
        let sees = |subscriber: &Subscriber| {
            self.run
                .iter()
                .any(|ready| ready.is_message() && subscriber.gets(ready))
        };
        let Some(victim) = self.subscribers.iter().find(|(_, one)| sees(one)) else {
            return false;
        };
        let victim = victim.1.session;
        let stranger = self.stranger();
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
        for (_, subscriber) in &self.subscribers {
            let session = subscriber.session;
            let is_victim = session == victim;
            // Only the first message is touched.
            let mut is_first = true;
            for ready in &self.run {
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
        self.held = keeps;
        true
    }

    /// A session that does not see the channel of the first message.
    fn stranger(&self) -> Option<SessionKey> {
        let message = self.run.iter().find(|ready| ready.is_message())?;
        let subscribers = self.subscribers.iter().map(|(_, subscriber)| subscriber);
        let mut blind = subscribers
            .filter(|one| one.intents.contains(Intents::GUILD_MESSAGES) && !one.gets(message));
        blind.next().map(|subscriber| subscriber.session)
    }
}
