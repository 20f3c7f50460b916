//! What clients send.

use bytes::Bytes;

use super::Worker;
use crate::guild::actor::GuildMail;
use crate::protocol::CloseCode;
use crate::protocol::objects::Presence;
use crate::session::core::Action;
use crate::session::frames::{FrameError, Inbound};
use crate::session::greetings;
use crate::session::state::MembershipState;

/// What one read brought, taken out of the borrowed connection.
enum Event {
    Do(Action),
    Pong(Bytes),
    Close(Option<u16>),
}

impl Worker {
    /// Bytes came from a socket; they are unmasked in place.
    pub fn on_bytes(&mut self, key: usize, bytes: &mut [u8]) {
        let now_ms = self.now_ms();
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let protocol = &mut connection.core;
        let mut events = Vec::new();
        let mut frames = 0;
        let result = connection.reader.read(bytes, |inbound| {
            frames += 1;
            if let Some(code) = protocol.on_frame(now_ms) {
                events.push(Event::Do(Action::Close(code)));
                return false;
            }
            match inbound {
                Inbound::Message(payload) => match protocol.on_payload(now_ms, payload) {
                    Action::Nothing => true,
                    action => {
                        let goes_on = !matches!(action, Action::Close(_));
                        events.push(Event::Do(action));
                        goes_on
                    }
                },
                Inbound::Ping(data) => {
                    events.push(Event::Pong(Bytes::copy_from_slice(data)));
                    true
                }
                Inbound::Pong => true,
                Inbound::Close(code) => {
                    events.push(Event::Close(code));
                    false
                }
            }
        });
        self.counters.frames_in += frames;
        self.counters.bytes_in += bytes.len() as u64;
        for event in events {
            match event {
                Event::Do(action) => self.act(key, action),
                Event::Pong(data) => self.pong(key, data),
                Event::Close(code) => self.echo_close(key, code),
            }
        }
        match result {
            Ok(()) => {}
            Err(FrameError::TooLarge) => self.close(key, CloseCode::DecodeError),
            Err(FrameError::Utf8) => self.close(key, CloseCode::InvalidUtf8),
            Err(FrameError::Protocol(_)) => self.close(key, CloseCode::WebSocketProtocol),
        }
        self.settle();
    }

    fn pong(&mut self, key: usize, data: Bytes) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.lane.pong(data).is_err() {
            self.close(key, CloseCode::RateLimited);
        } else {
            self.flush(key);
        }
    }

    fn act(&mut self, key: usize, action: Action) {
        match action {
            Action::Nothing => {}
            Action::Acknowledge(seq) => {
                if let (Some(seq), Some(session)) = (seq, self.session_of(key)) {
                    self.sessions[session].outbox.acknowledge(seq);
                }
                self.send_control(key, greetings::HEARTBEAT_ACK);
            }
            Action::Identify(identify) => self.identify(key, *identify),
            Action::Resume(resume) => self.resume(key, &resume),
            Action::Presence(presence) => self.presence(key, &presence),
            Action::RequestMembers(request) => self.request_members(key, request),
            Action::Close(code) => self.close(key, code),
        }
    }

    /// The session of a connection.
    pub(super) fn session_of(&self, connection: usize) -> Option<usize> {
        let session = self.connections.get(connection)?.session?;
        self.sessions.contains(session).then_some(session)
    }

    fn presence(&mut self, key: usize, presence: &Presence) {
        let Some(session) = self.session_of(key) else {
            return;
        };
        let session = &mut self.sessions[session];
        session.presence = presence.clone();
        self.trail.presence(session.trail, presence);
        for membership in &session.guilds {
            if let MembershipState::Present(_) = membership.state {
                let mail = GuildMail::Presence {
                    user: session.user.id,
                    presence: presence.clone(),
                };
                self.shared.post(membership.guild, mail);
            }
        }
    }
}
