use serde_json::{Value, json};

use super::*;
use crate::check::{Checker, Kind, Outcome, Violations, finish};
use crate::marker::{Marker, MarkerCodec};
use crate::shared::{Places, Times, Window};
use std::sync::Arc;

const GUILD: u64 = 700;

/// A session of one guild and what it reported.
struct Bench {
    session: Session,
    tally: Tally,
    codec: MarkerCodec,
}

fn bench() -> Bench {
    let codec = MarkerCodec::new(1);
    let checker = Checker::new([(0, vec![0])], vec![10]);
    let window = Arc::new(Window::default());
    window.set(Times {
        first: u64::MAX,
        from: 0,
        to: u64::MAX,
    });
    let places = Places {
        channels: [(1, 0)].into_iter().collect(),
        guilds: [(GUILD, 0..1)].into_iter().collect(),
    };
    Bench {
        session: Session::new(0, 1),
        tally: Tally::new(checker, codec.clone(), Arc::new(places), window),
        codec,
    }
}

impl Bench {
    fn receive(&mut self, payload: &Value) -> Result<Step, ProtocolError> {
        self.session
            .receive(payload.to_string().as_bytes(), 1_500, &mut self.tally)
    }

    fn dispatch(&mut self, name: &str, s: u64, d: &Value) -> Step {
        self.receive(&json!({"op": 0, "s": s, "t": name, "d": d}))
            .unwrap()
    }

    fn hello(&mut self) -> String {
        let hello = json!({"op": 10, "d": {"heartbeat_interval": 41_250}, "s": null, "t": null});
        assert_eq!(self.receive(&hello).unwrap(), Step::Open);
        assert_eq!(self.session.interval(), 41_250);
        self.session.opening("token", &Client::of(0))
    }

    fn ready(&mut self) -> Step {
        let ready = json!({"v": 10, "session_id": "abc", "resume_gateway_url": "ws://127.0.0.1:1/g",
            "guilds": [{"id": GUILD.to_string(), "unavailable": true}]});
        self.dispatch("READY", 1, &ready)
    }

    fn snapshot(&mut self, s: u64) -> Step {
        let guild =
            json!({"id": GUILD.to_string(), "channels": [{"id": "1", "last_message_id": null}]});
        self.dispatch("GUILD_CREATE", s, &guild)
    }

    /// A message, once with the id in front (the quick way), once not.
    fn message(&mut self, s: u64, publish: u32, quick: bool) {
        let mut content = Vec::new();
        let marker = Marker {
            room: 0,
            publish,
            intended: 1_000,
            held: 0,
        };
        self.codec.write(marker, 80, &mut content);
        let content = String::from_utf8(content).unwrap();
        let id = 5_000 + publish;
        let d = if quick {
            format!(r#"{{"id":"{id}","content":"{content}"}}"#)
        } else {
            format!(r#"{{"content":"{content}","id":"{id}"}}"#)
        };
        let text = format!(r#"{{"t":"MESSAGE_CREATE","op":0,"d":{d},"s":{s}}}"#);
        let step = self
            .session
            .receive(text.as_bytes(), 1_500, &mut self.tally);
        assert_eq!(step.unwrap(), Step::Continue);
    }

    fn violations(self, acked: u32) -> Violations {
        let outcomes = (0..acked).map(|publish| Outcome::Acked(5_000 + u64::from(publish)));
        let sent = (0..u64::from(acked)).collect();
        finish(&[self.tally.checker], &[outcomes.collect()], &[sent]).violations
    }
}

#[test]
fn identify_ready_guilds_messages() {
    let mut bench = bench();
    assert!(bench.hello().contains("\"op\":2"));
    assert_eq!(bench.ready(), Step::Continue);
    assert_eq!(bench.snapshot(2), Step::Settled);
    bench.message(3, 0, true);
    bench.message(4, 1, false);
    assert_eq!(
        bench.dispatch("TYPING_START", 5, &json!({})),
        Step::Continue
    );
    bench.message(6, 2, true);
    assert_eq!(bench.tally.latency.len(), 3);
    assert_eq!(bench.tally.latency.max(), 500);
    assert_eq!(bench.violations(3).total(), 0);
}

#[test]
fn the_check_goes_on_across_a_resume() {
    let mut bench = bench();
    bench.hello();
    bench.ready();
    bench.snapshot(2);
    bench.message(3, 0, true);
    let op7 = json!({"op": 7, "d": null, "s": null, "t": null});
    assert_eq!(bench.receive(&op7).unwrap(), Step::Leave(Policy::Resume));
    bench.session.disconnected(Policy::Resume);
    let resume: Value = serde_json::from_str(&bench.hello()).unwrap();
    assert_eq!(
        resume,
        json!({"op": 6, "d": {"token": "token", "session_id": "abc", "seq": 3}})
    );
    bench.message(4, 1, true);
    assert_eq!(bench.dispatch("RESUMED", 5, &json!({})), Step::Settled);
    bench.message(6, 2, true);
    assert_eq!(bench.tally.counters.resumed, 1);
    assert_eq!(bench.violations(3).total(), 0);
}

#[test]
fn a_replay_with_a_hole_is_found() {
    let mut bench = bench();
    bench.hello();
    bench.ready();
    bench.snapshot(2);
    bench.message(3, 0, true);
    bench.session.disconnected(Policy::Resume);
    bench.hello();
    // Message 1 with s 4 is missing.
    bench.message(5, 2, true);
    bench.dispatch("RESUMED", 6, &json!({}));
    let violations = bench.violations(3);
    assert_eq!(violations.count(Kind::Gap), 1);
    assert_eq!(violations.count(Kind::Loss), 1);
}

#[test]
fn an_invalid_session_identifies_again() {
    let mut bench = bench();
    bench.hello();
    bench.ready();
    bench.snapshot(2);
    bench.session.disconnected(Policy::Resume);
    bench.hello();
    let op9 = json!({"op": 9, "d": false, "s": null, "t": null});
    assert_eq!(bench.receive(&op9).unwrap(), Step::Leave(Policy::Identify));
    bench.session.disconnected(Policy::Identify);
    assert!(bench.hello().contains("\"op\":2"));
    assert_eq!(bench.ready(), Step::Continue);
    assert_eq!(bench.snapshot(2), Step::Settled);
    assert_eq!(bench.violations(0).total(), 0);
}

#[test]
fn a_heartbeat_without_answer_means_a_dead_connection() {
    let mut bench = bench();
    bench.hello();
    bench.ready();
    assert_eq!(bench.session.scheduled_beat().unwrap(), r#"{"op":1,"d":1}"#);
    let ack = json!({"op": 11, "d": null, "s": null, "t": null});
    assert_eq!(bench.receive(&ack).unwrap(), Step::Continue);
    assert!(bench.session.scheduled_beat().is_some());
    assert!(bench.session.scheduled_beat().is_none());
    bench.session.disconnected(Policy::Resume);
    assert!(bench.session.scheduled_beat().is_some());
    let op1 = json!({"op": 1, "d": null, "s": null, "t": null});
    assert_eq!(bench.receive(&op1).unwrap(), Step::Beat);
}

#[test]
fn what_may_not_come_now_is_an_error() {
    let mut bench = bench();
    let resumed = json!({"op": 0, "s": 1, "t": "RESUMED", "d": {}});
    assert!(bench.receive(&resumed).is_err());
    bench.hello();
    let hello = json!({"op": 10, "d": {"heartbeat_interval": 1}, "s": null, "t": null});
    assert!(bench.receive(&hello).is_err());
    bench.ready();
    assert!(bench.receive(&resumed).is_err());
    for wrong in [
        json!({"op": 99, "d": null, "s": null, "t": null}),
        json!({"op": 0, "d": {}, "s": null, "t": "X"}),
        json!({"op": 0, "d": {"id": "0", "content": ""}, "s": 3, "t": "MESSAGE_CREATE"}),
        json!([]),
    ] {
        assert!(bench.receive(&wrong).is_err(), "{wrong}");
    }
}
