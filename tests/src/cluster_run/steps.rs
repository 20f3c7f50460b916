//! What happens to the cluster, and what came of it.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::house::{CUT, House, NAMES};
use super::load::Load;
use super::resumed::Leaving;
use super::{Options, Step};

/// How soon a dead node's guilds must be served again.
const RECOVERS: Duration = Duration::from_secs(5);
/// How long is waited for that at all.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest pause of a move, at the 99th percentile, in milliseconds.
const PAUSE_MS: f64 = 100.0;
/// The node that is drained and comes back.
const LEAVES: usize = 2;
/// The node that is killed, and the one that stands still.
const KILLED: usize = 1;
const STOPPED: usize = 2;
/// The node that comes and leaves.
const GUEST: usize = 3;

/// A run under way.
pub(super) struct Run {
    house: House,
    load: Load,
    options: Options,
    random: fastrand::Rng,
    faults: Vec<String>,
}

impl Run {
    pub(super) fn new(house: House, load: Load, options: Options, seed: u64) -> Self {
        Self {
            house,
            load,
            options,
            random: fastrand::Rng::with_seed(seed),
            faults: Vec::new(),
        }
    }

    /// Has something happen, and waits until the cluster is at rest again.
    pub(super) async fn take(&mut self, step: Step) {
        self.rest().await;
        match step {
            Step::Moves => self.moves().await,
            Step::Join => self.join().await,
            Step::Drain => self.drain().await,
            Step::Leave => self.leave().await,
            Step::Kill => self.kill().await,
            Step::Stop => self.stop().await,
            Step::Cut => self.cut().await,
            Step::Nats => self.nats().await,
        }
        let agreed = self.house.agree().await;
        println!("  all nodes agree after {:.2} s", agreed.as_secs_f64());
        if !self.load.runs() {
            self.fault("the load generator ended before everything had happened".to_owned());
        }
    }

    async fn rest(&self) {
        tokio::time::sleep(Duration::from_secs(self.options.rest)).await;
    }

    fn fault(&mut self, fault: String) {
        println!("  FAULT: {fault}");
        self.faults.push(fault);
    }

    async fn moves(&mut self) {
        println!("moves: a guild is moved {} times", self.options.moves);
        let guilds = self.house.guilds(0).await;
        let Some((guild, sessions)) = guilds.first().cloned() else {
            self.fault("the first node has no guild with sessions".to_owned());
            return;
        };
        let mut pauses = Vec::new();
        let mut at = 0;
        for _ in 0..self.options.moves {
            let to = (at + 1 + self.random.usize(..2)) % 3;
            let asked = self.random.usize(..3);
            let path = format!("/admin/v1/guilds/{guild}/move");
            let body = json!({ "node": NAMES[to] });
            let answer = self.house.admin(asked).post(path, body).await;
            if answer.status != 200 {
                self.fault(format!("a move was not made: {answer:?}"));
                continue;
            }
            at = to;
            match answer.ok()["pause_ms"].as_f64() {
                Some(pause) => pauses.push(pause),
                None => self.fault("a move without a pause".to_owned()),
            }
        }
        pauses.sort_by(f64::total_cmp);
        let quantile = |q: f64| {
            let rank = (q * pauses.len() as f64).ceil() as usize;
            pauses.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
        };
        let p99 = quantile(0.99);
        println!(
            "  {} moves of a guild with {sessions} sessions: pause p50 {:.1} ms, p99 {p99:.1} ms, longest {:.1} ms",
            pauses.len(),
            quantile(0.5),
            quantile(1.0)
        );
        // Of a debug build, and of one among other programs, nothing is demanded.
        if !cfg!(debug_assertions) && p99 >= PAUSE_MS {
            self.fault(format!("move pause p99 of {p99:.1} ms"));
        }
    }

    async fn join(&mut self) {
        println!("join: {} comes", NAMES[GUEST]);
        self.house.join(GUEST).await;
        self.house.agree().await;
        let guilds = self.house.guilds(GUEST).await;
        println!("  it has {} guilds with sessions", guilds.len());
    }

    async fn drain(&mut self) {
        println!("drain: {} is asked to stop", NAMES[GUEST]);
        let Some(mut guest) = self.house.nodes[GUEST].take() else {
            return;
        };
        let began = Instant::now();
        guest.terminate();
        let status = guest.exit().await;
        println!("  it ended after {:.2} s", began.elapsed().as_secs_f64());
        if !status.success() {
            self.fault(format!("a drained node ended with {status}"));
        }
    }

    /// Every session of a node that is asked to stop goes on elsewhere.
    async fn leave(&mut self) {
        println!(
            "leave: {} is asked to stop, with its sessions",
            NAMES[LEAVES]
        );
        let stay: Vec<usize> = (0..3).filter(|node| *node != LEAVES).collect();
        let leaving = Leaving::of(&self.house, LEAVES, &stay).await;
        let began = Instant::now();
        self.house.node(LEAVES).terminate();
        let resumed = leaving.come_back(&self.house, &stay).await;
        if resumed.refused() > 0.0 || resumed.whole() < 1.0 {
            self.fault(format!("of a drained node: {resumed}"));
        }
        let status = self.house.exit(LEAVES).await;
        println!("  it ended after {:.2} s", began.elapsed().as_secs_f64());
        if !status.success() {
            self.fault(format!("a drained node ended with {status}"));
        }
        self.house.restart(LEAVES).await;
    }

    async fn kill(&mut self) {
        println!("kill: {} is killed", NAMES[KILLED]);
        let stay: Vec<usize> = (0..3).filter(|node| *node != KILLED).collect();
        let leaving = Leaving::of(&self.house, KILLED, &stay).await;
        let guilds = self.house.guilds(KILLED).await;
        let killed = Instant::now();
        self.house.node(KILLED).signal(Signal::KILL);
        let gone = self.served_again(&guilds, killed).await;
        println!("  its {} guilds with sessions {gone}", guilds.len());
        // Whole or refused: the checker of the load says whether that is so.
        leaving.come_back(&self.house, &stay).await;
        self.house.restart(KILLED).await;
    }

    async fn stop(&mut self) {
        println!(
            "stop: {} stands still for {} s",
            NAMES[STOPPED], self.options.stop
        );
        let guilds = self.house.guilds(STOPPED).await;
        let stopped = Instant::now();
        self.house.node(STOPPED).signal(Signal::STOP);
        let gone = self.served_again(&guilds, stopped).await;
        println!("  its {} guilds with sessions {gone}", guilds.len());
        let end = stopped + Duration::from_secs(self.options.stop);
        tokio::time::sleep_until(end.into()).await;
        self.house.node(STOPPED).signal(Signal::CONT);
    }

    async fn cut(&mut self) {
        println!(
            "cut: {} is cut off from NATS for {} s",
            NAMES[CUT], self.options.cut
        );
        let Some(proxy) = &self.house.proxy else {
            self.fault("with several NATS servers a node cannot be cut off".to_owned());
            return;
        };
        let guilds = self.house.guilds(CUT).await;
        let began = Instant::now();
        proxy.silence(true);
        let gone = self.served_again(&guilds, began).await;
        println!("  its {} guilds with sessions {gone}", guilds.len());
        let end = began + Duration::from_secs(self.options.cut);
        tokio::time::sleep_until(end.into()).await;
        if let Some(proxy) = &self.house.proxy {
            proxy.silence(false);
        }
    }

    async fn nats(&mut self) {
        let count = self.house.nats.len();
        let victim = self.random.usize(..count);
        println!("nats: server {} of {count} is killed", victim + 1);
        self.house.nats[victim].kill();
        let wait = if count > 1 { 5 } else { 1 };
        tokio::time::sleep(Duration::from_secs(wait)).await;
        self.house.nats[victim].restart().await;
        self.house.nats[victim].is_healthy().await;
    }

    /// Waits until another node serves each of the guilds to sessions; says how long it took.
    async fn served_again(&mut self, guilds: &[(String, u64)], since: Instant) -> String {
        let asked = usize::from(guilds_of_first(&self.house, guilds).await);
        let mut left: Vec<&str> = guilds.iter().map(|(guild, _)| guild.as_str()).collect();
        // Until the others know of it, they believe what was.
        let former = self.owners(asked, &left).await;
        let mut first = None;
        while !left.is_empty() && since.elapsed() < PATIENCE {
            let mut waiting = Vec::new();
            for guild in left {
                let moved = self.owner(asked, guild).await != former;
                if moved && self.house.is_served(asked, guild).await {
                    first.get_or_insert(since.elapsed());
                } else {
                    waiting.push(guild);
                }
            }
            left = waiting;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let all = since.elapsed();
        if all > RECOVERS {
            self.fault(format!(
                "guilds of a dead node were served again after {:.2} s, {} were not",
                all.as_secs_f64(),
                left.len()
            ));
        }
        format!(
            "are served again by others: the first after {:.2} s, all after {:.2} s",
            first.unwrap_or_default().as_secs_f64(),
            all.as_secs_f64()
        )
    }

    async fn owner(&self, asked: usize, guild: &str) -> Option<String> {
        let path = format!("/admin/v1/placement?guild={guild}");
        let placement = self.house.admin(asked).get(path).await;
        let placement: Value = serde_json::from_slice(&placement.body).ok()?;
        Some(placement["node"].as_str()?.to_owned())
    }

    async fn owners(&self, asked: usize, guilds: &[&str]) -> Option<String> {
        self.owner(asked, guilds.first()?).await
    }

    /// Ends the load and judges it.
    pub(super) async fn end(mut self) -> Vec<String> {
        if let Some(quiet) = self.options.quiet {
            tokio::time::sleep(Duration::from_secs(quiet)).await;
        }
        self.rest().await;
        let (report, said) = self.load.end().await;
        let Some(report) = report else {
            self.faults.push(format!("no report:\n{}", said.join("\n")));
            return self.faults;
        };
        let (publishes, sessions) = (&report["publishes"], &report["sessions"]);
        println!(
            "load: {} acknowledged, {} without a definite answer, {} refused; {} deliveries, {:.0} per second",
            publishes["acked"],
            publishes["unknown"],
            publishes["refused"],
            report["deliveries"]["total"],
            report["deliveries_per_s"].as_f64().unwrap_or(0.0)
        );
        println!(
            "  latency p50 {:.1} ms, p99 {:.1} ms, longest {:.0} ms",
            report["p50_ms"].as_f64().unwrap_or(0.0),
            report["p99_ms"].as_f64().unwrap_or(0.0),
            report["max_ms"].as_f64().unwrap_or(0.0)
        );
        println!(
            "  sessions: {} connections, {} resumed, {} begun anew, {} given up",
            sessions["connections"],
            sessions["resumed"],
            sessions["reidentified"],
            sessions["lost"]
        );
        if let Some(why) = report["generator"]["limits"].as_array()
            && !why.is_empty()
        {
            println!("  the generator was the bottleneck: {why:?}");
        }
        println!(
            "  acknowledged and lost, doubled or out of order: {}",
            report["violations"]
        );
        if report["violations"] != 0 {
            self.faults
                .push(format!("violations: {}", report["checks"]));
        }
        if sessions["lost"] != 0 {
            self.faults.push("sessions were given up".to_owned());
        }
        if self.options.json {
            println!("{report}");
        }
        self.faults
    }
}

/// A node to ask: the second where the guilds are the first's.
async fn guilds_of_first(house: &House, guilds: &[(String, u64)]) -> bool {
    let Some((guild, _)) = guilds.first() else {
        return false;
    };
    let path = format!("/admin/v1/placement?guild={guild}");
    let placement = house
        .admin(1)
        .try_send(reqwest::Method::GET, &path, None)
        .await;
    placement.is_ok_and(|answer| {
        let placement: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        placement["node"] == NAMES[0]
    })
}
