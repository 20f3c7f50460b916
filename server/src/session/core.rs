//! One connection's protocol as a pure state machine: `(now, payload) → action`.

use super::payload::{self, ClientPayload, Identify, RequestMembers, Resume};
use crate::protocol::CloseCode;
use crate::protocol::limits::{INBOUND_WINDOW_MS, MAX_INBOUND_PER_WINDOW};
use crate::protocol::objects::Presence;

/// WebSocket frames of any kind within one window: pings and fragments beyond it are a flood.
const MAX_FRAMES_PER_WINDOW: u32 = 2_000;

/// How long a client may be silent.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Between two heartbeats of an identified client, in milliseconds.
    pub heartbeat_ms: u64,
    /// From Hello to Identify or Resume, in milliseconds.
    pub identify_ms: u64,
    /// From Hello to the first payload of any kind, in milliseconds.
    pub silent_ms: u64,
    /// From a close frame to the end of the connection, in milliseconds.
    pub closing_ms: u64,
}

/// Where a connection stands. Legal transitions:
///
/// | from | by | to |
/// |---|---|---|
/// | Greeted | Identify, Resume | Starting |
/// | Starting | the session is there | Active |
/// | Starting, Active | op 9 | Greeted |
/// | any | close | Closing |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Hello was sent; no session.
    Greeted,
    /// Identify or Resume is being worked on.
    Starting,
    /// A session is attached.
    Active,
    /// A close frame was queued.
    Closing,
}

/// What to do about a payload.
#[derive(Debug)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Answer with op 11; the sequence number acknowledges events.
    Acknowledge(Option<u64>),
    /// Start a session.
    Identify(Box<Identify>),
    /// Continue a session.
    Resume(Box<Resume>),
    /// The user's presence changed.
    Presence(Presence),
    /// Send members.
    RequestMembers(Box<RequestMembers>),
    /// Close the connection.
    Close(CloseCode),
}

/// The protocol state of one connection.
#[derive(Debug)]
pub struct ConnectionCore {
    phase: Phase,
    /// When the phase began, in milliseconds of the worker's clock.
    since_ms: u64,
    /// When the client was last heard: any payload.
    heard_ms: u64,
    heard_any: bool,
    window_ms: u64,
    payloads: u32,
    frames: u32,
}

impl ConnectionCore {
    /// A connection that was just greeted.
    pub const fn new(now_ms: u64) -> Self {
        Self {
            phase: Phase::Greeted,
            since_ms: now_ms,
            heard_ms: now_ms,
            heard_any: false,
            window_ms: now_ms,
            payloads: 0,
            frames: 0,
        }
    }

    fn enter(&mut self, phase: Phase, now_ms: u64) {
        self.phase = phase;
        self.since_ms = now_ms;
    }

    fn new_window(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.window_ms) >= INBOUND_WINDOW_MS {
            self.window_ms = now_ms;
            self.payloads = 0;
            self.frames = 0;
        }
    }

    /// A WebSocket frame of any kind came; the close code if there are too many.
    pub fn on_frame(&mut self, now_ms: u64) -> Option<CloseCode> {
        self.new_window(now_ms);
        self.frames += 1;
        (self.frames > MAX_FRAMES_PER_WINDOW).then_some(CloseCode::RateLimited)
    }

    /// A whole message came.
    pub fn on_payload(&mut self, now_ms: u64, bytes: &[u8]) -> Action {
        if self.phase == Phase::Closing {
            return Action::Nothing;
        }
        self.new_window(now_ms);
        self.payloads += 1;
        if self.payloads > MAX_INBOUND_PER_WINDOW {
            return Action::Close(CloseCode::RateLimited);
        }
        self.heard_ms = now_ms;
        self.heard_any = true;
        let payload = match payload::parse(bytes) {
            Ok(payload) => payload,
            Err(code) => return Action::Close(code),
        };
        match (payload, self.phase) {
            (ClientPayload::Heartbeat(seq), _) => Action::Acknowledge(seq),
            (ClientPayload::Ignored, _) => Action::Nothing,
            (ClientPayload::Identify(identify), Phase::Greeted) => {
                self.enter(Phase::Starting, now_ms);
                Action::Identify(identify)
            }
            (ClientPayload::Resume(resume), Phase::Greeted) => {
                self.enter(Phase::Starting, now_ms);
                Action::Resume(resume)
            }
            (ClientPayload::Identify(_) | ClientPayload::Resume(_), _) => {
                Action::Close(CloseCode::AlreadyAuthenticated)
            }
            (ClientPayload::Presence(presence), Phase::Active) => Action::Presence(presence),
            (ClientPayload::RequestMembers(request), Phase::Active) => {
                Action::RequestMembers(request)
            }
            // Between Identify and READY a client may already speak; there is no session to serve.
            (ClientPayload::Presence(_) | ClientPayload::RequestMembers(_), Phase::Starting) => {
                Action::Nothing
            }
            (ClientPayload::Presence(_) | ClientPayload::RequestMembers(_), _) => {
                Action::Close(CloseCode::NotAuthenticated)
            }
        }
    }

    /// A session is attached.
    pub fn on_active(&mut self, now_ms: u64) {
        self.heard_ms = now_ms;
        self.enter(Phase::Active, now_ms);
    }

    /// The session was refused or ended by op 9: the client may identify on this connection.
    pub fn on_invalid_session(&mut self, now_ms: u64) {
        if self.phase != Phase::Closing {
            self.enter(Phase::Greeted, now_ms);
        }
    }

    /// A close frame was queued.
    pub fn on_closing(&mut self, now_ms: u64) {
        if self.phase != Phase::Closing {
            self.enter(Phase::Closing, now_ms);
        }
    }

    /// Whether a close frame was queued.
    pub fn is_closing(&self) -> bool {
        self.phase == Phase::Closing
    }

    /// When [`ConnectionCore::on_time`] has to be asked next.
    pub fn deadline_ms(&self, patience: &Patience) -> u64 {
        match self.phase {
            Phase::Greeted if !self.heard_any => {
                self.since_ms + patience.silent_ms.min(patience.identify_ms)
            }
            Phase::Greeted | Phase::Starting => self.since_ms + patience.identify_ms,
            Phase::Active => self.heard_ms + patience.heartbeat_ms,
            Phase::Closing => self.since_ms + patience.closing_ms,
        }
    }

    /// What is due at `now_ms`.
    pub fn on_time(&self, now_ms: u64, patience: &Patience) -> Overdue {
        if now_ms < self.deadline_ms(patience) {
            return Overdue::Nothing;
        }
        match self.phase {
            Phase::Greeted | Phase::Starting => Overdue::Close(CloseCode::SessionTimedOut),
            // 4000 and not 4009: every library resumes after it, two would identify after 4009.
            Phase::Active => Overdue::Close(CloseCode::UnknownError),
            Phase::Closing => Overdue::Drop,
        }
    }
}

/// What a connection's clock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// All in time.
    Nothing,
    /// Close it.
    Close(CloseCode),
    /// It was closed and the client does not go: drop the socket.
    Drop,
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::*;

    const PATIENCE: Patience = Patience {
        heartbeat_ms: 60_000,
        identify_ms: 60_000,
        silent_ms: 20_000,
        closing_ms: 5_000,
    };
    const IDENTIFY: &[u8] = br#"{"op":2,"d":{"token":"x","intents":1}}"#;
    const HEARTBEAT: &[u8] = br#"{"op":1,"d":null}"#;

    #[test]
    fn a_client_that_never_identifies_goes_after_60_s_a_silent_one_after_20_s() {
        let silent = ConnectionCore::new(0);
        assert_eq!(silent.on_time(19_999, &PATIENCE), Overdue::Nothing);
        assert_eq!(
            silent.on_time(20_000, &PATIENCE),
            Overdue::Close(CloseCode::SessionTimedOut)
        );
        let mut beating = ConnectionCore::new(0);
        for at in [1_000, 30_000, 59_000] {
            assert!(matches!(
                beating.on_payload(at, HEARTBEAT),
                Action::Acknowledge(None)
            ));
            assert_eq!(beating.on_time(at, &PATIENCE), Overdue::Nothing);
        }
        assert_eq!(
            beating.on_time(60_000, &PATIENCE),
            Overdue::Close(CloseCode::SessionTimedOut)
        );
    }

    #[test]
    fn the_121st_payload_of_a_minute_closes_with_4008() {
        let mut core = ConnectionCore::new(0);
        for at in 0..120 {
            assert!(matches!(
                core.on_payload(at, HEARTBEAT),
                Action::Acknowledge(_)
            ));
        }
        assert!(matches!(
            core.on_payload(130, HEARTBEAT),
            Action::Close(CloseCode::RateLimited)
        ));
        assert!(matches!(
            core.on_payload(60_000, HEARTBEAT),
            Action::Acknowledge(_)
        ));
    }

    #[test]
    fn identify_twice_is_4005_and_after_op_9_it_is_welcome() {
        let mut core = ConnectionCore::new(0);
        assert!(matches!(core.on_payload(0, IDENTIFY), Action::Identify(_)));
        assert!(matches!(
            core.on_payload(0, IDENTIFY),
            Action::Close(CloseCode::AlreadyAuthenticated)
        ));
        core.on_active(1);
        assert!(matches!(
            core.on_payload(1, IDENTIFY),
            Action::Close(CloseCode::AlreadyAuthenticated)
        ));
        core.on_invalid_session(2);
        assert!(matches!(core.on_payload(2, IDENTIFY), Action::Identify(_)));
    }

    #[test]
    fn a_missed_heartbeat_closes_resumably() {
        let mut core = ConnectionCore::new(0);
        core.on_active(1_000);
        assert_eq!(core.on_time(60_999, &PATIENCE), Overdue::Nothing);
        let Overdue::Close(reason) = core.on_time(61_000, &PATIENCE) else {
            panic!()
        };
        assert_eq!(
            reason.reconnect(),
            crate::protocol::close_codes::Reconnect::Resume
        );
        core.on_closing(61_000);
        assert_eq!(core.on_time(66_000, &PATIENCE), Overdue::Drop);
    }

    proptest! {
        /// *Invariant I9*: the same inputs give the same actions, and no input panics.
        #[test]
        fn i9_the_core_is_a_function_of_its_inputs(
            inputs in proptest::collection::vec((0_u64..5_000, 0_usize..8), 0..200)
        ) {
            let payloads: [&[u8]; 8] = [
                HEARTBEAT, IDENTIFY, b"{", b"{\"op\":3,\"d\":{}}", b"{\"op\":8,\"d\":{}}", b"{\"op\":77}",
                br#"{"op":6,"d":{"token":"x","session_id":"y","seq":3}}"#, b"\xff",
            ];
            let run = || {
                let mut core = ConnectionCore::new(0);
                let mut now = 0;
                let mut seen = String::new();
                for (step, which) in &inputs {
                    now += step;
                    let action = core.on_payload(now, payloads[*which]);
                    if let Action::Close(_) = action { core.on_closing(now); }
                    write!(seen, "{action:?} {:?};", core.on_time(now, &PATIENCE)).unwrap();
                    assert!(core.deadline_ms(&PATIENCE) <= now + 60_000);
                }
                seen
            };
            prop_assert_eq!(run(), run());
        }
    }
}
