//! A run's observations as lines of text, to be judged again: `loadgen run --record FILE`, `loadgen check FILE`.
//!
//! | line | meaning |
//! |---|---|
//! | `loadgen-history 2` | the first line |
//! | `rooms G0 G1 …` | the guild of each room |
//! | `planned N0 N1 …` | publishes of each room |
//! | `session W S all\|slow\|none R0 R1 …` | worker W's next session has number S and sees these rooms |
//! | `W i s` | session s of worker W identified |
//! | `W q s N` | sequence number N |
//! | `W g s room last\|- sent-by` | snapshot; what was sent up to this time may be part of it |
//! | `W l s room` | left |
//! | `W m s room publish id` | message |
//! | `W f s id` | foreign message |
//! | `o room publish id\|unsent\|refused\|unknown sent\|-` | what became of a publish, and when it was sent |
//!
//! Lines of one worker stand in the order in which it observed; outcomes come last.

use std::fmt::{self, Write as _};
use std::io::{BufRead, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};

use super::{Checker, Expects, Observation, Outcome, Verdict, finish};

/// The first line.
const FIRST: &str = "loadgen-history 2";

/// Workers of a run at most.
const MAX_WORKERS: usize = 4_096;

/// Bytes that a worker gathers before it writes.
const PART: usize = 64 << 10;

/// What a checker was told at its start.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Guild of each room, ascending.
    pub guild_of: Arc<[u32]>,
    /// Publishes of each room.
    pub planned: Vec<u32>,
}

/// The file that all workers write to.
#[derive(Clone)]
pub struct Recorder {
    file: Arc<Mutex<dyn Write + Send>>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    /// Begins a history.
    pub fn new(mut file: impl Write + Send + 'static, layout: &Layout) -> std::io::Result<Self> {
        let mut text = format!("{FIRST}\nrooms");
        let numbers = |text: &mut String, numbers: &[u32]| {
            for number in numbers {
                let _ = write!(text, " {number}");
            }
            text.push('\n');
        };
        numbers(&mut text, &layout.guild_of);
        text.push_str("planned");
        numbers(&mut text, &layout.planned);
        file.write_all(text.as_bytes())?;
        Ok(Self {
            file: Arc::new(Mutex::new(file)),
        })
    }

    /// The part of another process, which goes into the history of the first one; without a beginning of its own.
    pub fn part(file: impl Write + Send + 'static) -> Self {
        Self {
            file: Arc::new(Mutex::new(file)),
        }
    }

    /// Takes in what another process wrote.
    pub fn append(&self, mut part: impl Read) -> std::io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        std::io::copy(&mut part, &mut *file).map(|_bytes| ())
    }

    /// Writes what is still in memory.
    pub fn flush(&self) -> std::io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.flush()
    }

    /// The next session of a worker. All sessions come before the first observation.
    pub fn session(
        &self,
        worker: u32,
        number: u32,
        expects: Expects,
        rooms: &[u32],
    ) -> std::io::Result<()> {
        let mut line = format!("session {worker} {number} {}", expects.name());
        for room in rooms {
            let _ = write!(line, " {room}");
        }
        line.push('\n');
        self.write(&line)
    }

    fn write(&self, text: &str) -> std::io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(text.as_bytes())
    }

    /// Ends the history with what became of the publishes, and when they were sent.
    pub fn finish(&self, outcomes: &[Vec<Outcome>], sent: &[Vec<u64>]) -> std::io::Result<()> {
        let mut text = String::new();
        for (room, (outcomes, sent)) in outcomes.iter().zip(sent).enumerate() {
            for (publish, (outcome, sent)) in outcomes.iter().zip(sent).enumerate() {
                let _ = write!(text, "o {room} {publish} ");
                let _ = match outcome {
                    Outcome::Unsent => write!(text, "unsent"),
                    Outcome::Refused => write!(text, "refused"),
                    Outcome::Unknown => write!(text, "unknown"),
                    Outcome::Acked(id) => write!(text, "{id}"),
                };
                let _ = match *sent {
                    u64::MAX => writeln!(text, " -"),
                    sent => writeln!(text, " {sent}"),
                };
            }
            self.write(&text)?;
            text.clear();
        }
        self.flush()
    }
}

/// One worker's part of the history.
#[derive(Debug)]
pub struct Log {
    recorder: Recorder,
    worker: u32,
    lines: String,
    failed: Option<std::io::Error>,
}

impl Log {
    /// The part of worker number `worker`.
    pub fn new(recorder: Recorder, worker: u32) -> Self {
        Self {
            recorder,
            worker,
            lines: String::new(),
            failed: None,
        }
    }

    /// What a session observed.
    pub fn observe(&mut self, observation: Observation) {
        let (lines, worker) = (&mut self.lines, self.worker);
        // Writing to a String cannot fail.
        let _ = match observation {
            Observation::Identified { session } => writeln!(lines, "{worker} i {session}"),
            Observation::Sequence { session, s } => writeln!(lines, "{worker} q {session} {s}"),
            Observation::Snapshot {
                session,
                room,
                last_message,
                sent_by,
            } => {
                let last = last_message.map_or_else(|| "-".to_owned(), |id| id.to_string());
                writeln!(lines, "{worker} g {session} {room} {last} {sent_by}")
            }
            Observation::Left { session, room } => writeln!(lines, "{worker} l {session} {room}"),
            Observation::Message {
                session,
                room,
                publish,
                id,
            } => writeln!(lines, "{worker} m {session} {room} {publish} {id}"),
            Observation::Foreign { session, id } => writeln!(lines, "{worker} f {session} {id}"),
        };
        self.write_if(PART);
    }

    fn write_if(&mut self, least: usize) {
        if self.lines.len() >= least && self.failed.is_none() {
            self.failed = self.recorder.write(&self.lines).err();
            self.lines.clear();
        }
    }

    /// Writes what is left; fails if anything could not be written.
    pub fn close(mut self) -> std::io::Result<()> {
        self.write_if(1);
        self.failed.map_or(Ok(()), Err)
    }
}

/// Judges a history again.
pub fn check(file: impl BufRead) -> Result<Verdict> {
    let mut lines = file.lines();
    let first = lines.next().context("an empty file")??;
    ensure!(first == FIRST, "not a history: the first line is {first:?}");
    let guild_of = numbers(&lines.next().context("no line of rooms")??, "rooms")?;
    let planned = numbers(&lines.next().context("no line of publishes")??, "planned")?;
    let mut reading = Reading::new(guild_of.into(), planned);
    for (number, line) in (4_u64..).zip(lines) {
        let line = line?;
        let read = reading.line(&line);
        read.with_context(|| format!("line {number}: {line}"))?;
    }
    Ok(finish(&reading.checkers, &reading.outcomes, &reading.sent))
}

/// A history that is being read: first the sessions, then what they observed, then the outcomes.
struct Reading {
    guild_of: Arc<[u32]>,
    planned: Vec<u32>,
    /// By worker; empty once the checkers are there.
    sessions: Vec<Vec<(u32, Vec<u32>)>>,
    expects: Vec<(usize, u32, Expects)>,
    checkers: Vec<Checker>,
    outcomes: Vec<Vec<Outcome>>,
    sent: Vec<Vec<u64>>,
}

impl Reading {
    fn new(guild_of: Arc<[u32]>, planned: Vec<u32>) -> Self {
        let counts = planned.iter().map(|count| *count as usize);
        Self {
            sent: counts.clone().map(|count| vec![u64::MAX; count]).collect(),
            outcomes: counts.map(|count| vec![Outcome::Unsent; count]).collect(),
            guild_of,
            planned,
            sessions: Vec::new(),
            expects: Vec::new(),
            checkers: Vec::new(),
        }
    }

    fn line(&mut self, line: &str) -> Result<()> {
        let parts: Vec<&str> = line.split(' ').collect();
        match &parts[..] {
            ["session", worker, session, expects, rooms @ ..] => {
                self.session(worker.parse()?, session.parse()?, expects, rooms)
            }
            ["o", room, publish, outcome, sent] => {
                let room: usize = room.parse()?;
                let publish: usize = publish.parse()?;
                let of_room = self.sent.get_mut(room);
                let place = of_room.and_then(|sent| sent.get_mut(publish));
                *place.context("no such publish")? = match *sent {
                    "-" => u64::MAX,
                    sent => sent.parse()?,
                };
                let of_room = self.outcomes.get_mut(room);
                let place = of_room.and_then(|outcomes| outcomes.get_mut(publish));
                *place.context("no such publish")? = match *outcome {
                    "unsent" => Outcome::Unsent,
                    "refused" => Outcome::Refused,
                    "unknown" => Outcome::Unknown,
                    id => Outcome::Acked(id.parse()?),
                };
                Ok(())
            }
            [worker, rest @ ..] => self.observe(worker.parse()?, parse(rest)?),
            [] => bail!("an empty line"),
        }
    }

    fn session(&mut self, worker: usize, number: u32, expects: &str, rooms: &[&str]) -> Result<()> {
        ensure!(
            self.checkers.is_empty(),
            "a session after the first observation"
        );
        ensure!(worker < MAX_WORKERS, "no such worker");
        if self.sessions.len() <= worker {
            self.sessions.resize(worker + 1, Vec::new());
        }
        let expects = Expects::named(expects).context("an unknown kind of session")?;
        let index = self.sessions[worker].len() as u32;
        self.expects.push((worker, index, expects));
        let rooms = rooms.iter().map(|room| Ok(room.parse()?));
        self.sessions[worker].push((number, rooms.collect::<Result<_>>()?));
        Ok(())
    }

    fn observe(&mut self, worker: usize, observation: Observation) -> Result<()> {
        if self.checkers.is_empty() {
            for sessions in std::mem::take(&mut self.sessions) {
                let checker = Checker::new(sessions, self.planned.clone());
                self.checkers
                    .push(checker.in_guilds(Arc::clone(&self.guild_of)));
            }
            for (worker, session, expects) in &self.expects {
                self.checkers[*worker].expect(*session, *expects);
            }
        }
        let checker = self.checkers.get_mut(worker).context("no such worker")?;
        ensure!(
            observation.is_within(checker.sessions.len(), self.planned.len()),
            "no such session or room"
        );
        checker.observe(observation);
        Ok(())
    }
}

fn numbers(line: &str, name: &str) -> Result<Vec<u32>> {
    let rest = line.strip_prefix(name);
    let rest = rest.with_context(|| format!("expected a line of {name}, found {line:?}"))?;
    let numbers = rest
        .split_ascii_whitespace()
        .map(|number| Ok(number.parse()?));
    numbers.collect()
}

fn parse(parts: &[&str]) -> Result<Observation> {
    Ok(match parts {
        ["i", session] => Observation::Identified {
            session: session.parse()?,
        },
        ["q", session, s] => Observation::Sequence {
            session: session.parse()?,
            s: s.parse()?,
        },
        ["g", session, room, last, sent_by] => Observation::Snapshot {
            session: session.parse()?,
            room: room.parse()?,
            last_message: match *last {
                "-" => None,
                id => Some(id.parse()?),
            },
            sent_by: sent_by.parse()?,
        },
        ["l", session, room] => Observation::Left {
            session: session.parse()?,
            room: room.parse()?,
        },
        ["m", session, room, publish, id] => Observation::Message {
            session: session.parse()?,
            room: room.parse()?,
            publish: publish.parse()?,
            id: id.parse()?,
        },
        ["f", session, id] => Observation::Foreign {
            session: session.parse()?,
            id: id.parse()?,
        },
        _ => bail!("not a line of a history"),
    })
}

impl Observation {
    fn is_within(self, sessions: usize, rooms: usize) -> bool {
        let (session, room) = match self {
            Self::Identified { session }
            | Self::Sequence { session, .. }
            | Self::Foreign { session, .. } => (session, 0),
            Self::Snapshot { session, room, .. }
            | Self::Left { session, room }
            | Self::Message { session, room, .. } => (session, room),
        };
        (session as usize) < sessions && (room as usize) < rooms.max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;
    use crate::check::Kind;

    const HISTORY: &str = "loadgen-history 2\nrooms 0 0\nplanned 2 1\nsession 0 7 all 0 1\nsession 0 8 all 0\n\
        0 i 0\n0 q 0 1\n0 g 0 0 - 0\n0 g 0 1 - 0\n0 i 1\n0 g 1 0 - 0\n\
        0 m 0 0 0 100\n0 m 1 0 0 100\n0 m 0 1 0 101\n0 m 0 0 1 102\n0 m 1 0 1 102\n\
        o 0 0 100 1\no 0 1 102 3\no 1 0 101 2\n";

    fn judged(text: &str) -> Result<Verdict> {
        check(BufReader::new(text.as_bytes()))
    }

    #[test]
    fn a_correct_history_passes_and_each_edit_of_it_is_found() {
        let verdict = judged(HISTORY).unwrap();
        assert_eq!(verdict.violations.total(), 0, "{:?}", verdict.violations);
        assert_eq!(verdict.delivered, 5);
        for (from, to, kind) in [
            ("0 m 1 0 1 102\n", "", Kind::Loss),
            (
                "0 m 0 1 0 101\n",
                "0 m 0 1 0 101\n0 m 1 1 0 101\n",
                Kind::Leak,
            ),
            (
                "0 m 0 1 0 101\n0 m 0 0 1 102\n",
                "0 m 0 0 1 102\n0 m 0 1 0 101\n",
                Kind::Reorder,
            ),
            (
                "0 m 1 0 1 102\n",
                "0 m 1 0 1 102\n0 m 1 0 1 102\n",
                Kind::Duplicate,
            ),
            ("0 q 0 1\n", "0 q 0 2\n", Kind::Gap),
            ("0 m 1 0 1 102\n", "0 l 1 0\n0 m 1 0 1 102\n", Kind::Leak),
            ("o 0 1 102 3\n", "o 0 1 refused -\n", Kind::Ghost),
            ("0 m 1 0 1 102\n", "0 m 1 0 1 102\n0 f 1 200\n", Kind::Ghost),
        ] {
            let text = HISTORY.replace(from, to);
            assert_ne!(text, HISTORY);
            let violations = judged(&text).unwrap().violations;
            assert!(violations.count(kind) > 0, "{kind:?}: {violations:?}");
            assert_eq!(violations.total(), violations.count(kind), "{violations:?}");
        }
    }

    #[test]
    fn a_slow_reader_owes_nothing_after_its_last_message() {
        let text = HISTORY.replace("session 0 8 all", "session 0 8 slow");
        let text = text.replace("0 m 1 0 1 102\n", "");
        assert_eq!(judged(&text).unwrap().violations.total(), 0);
        let text = text.replace("0 m 1 0 0 100\n", "0 m 1 0 1 102\n");
        assert_eq!(judged(&text).unwrap().violations.count(Kind::Loss), 1);
    }

    #[test]
    fn a_damaged_history_is_refused_with_its_line() {
        for (from, to) in [
            ("loadgen-history 2", "loadgen-history 9"),
            ("0 q 0 1", "0 q 0"),
            ("0 m 0 0 0 100", "0 m 5 0 0 100"),
            ("o 0 0 100 1", "o 9 0 100 1"),
        ] {
            assert!(judged(&HISTORY.replace(from, to)).is_err(), "{to}");
        }
        let error = judged(&HISTORY.replace("0 q 0 1", "nonsense")).unwrap_err();
        assert!(error.to_string().starts_with("line 7"), "{error}");
    }
}
