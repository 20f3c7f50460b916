//! The run: rounds of load and kill, then the comparison.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::Signal;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::check;
use super::faults::Faults;
use super::figures::{self, Figures};
use super::ledger::{Ledger, Post};
use super::options::Options;
use super::phase::Phase;
use super::publisher::Publisher;
use super::scene::{GUILDS, Scene};
use super::stretch::Stretch;
use super::subscriber::{Subscriber, View};
use crate::deadline::DEADLINE;
use crate::ports;
use crate::rest::Rest;
use crate::server::{Server, Setup};

/// Rounds after which new guilds are taken: what the server keeps of one is bounded.
const ROUNDS_A_SCENE: usize = 200;
/// When the kill comes, in milliseconds after the first acknowledgement of a round.
const KILL_MS: std::ops::Range<u64> = 20..250;
/// One round of so many does not wait for it: the kill comes while the server still wakes up.
const EARLY: u32 = 8;
/// When an early kill comes, in milliseconds after the server's start line.
const EARLY_MS: std::ops::Range<u64> = 0..20;
/// How long every second server or so holds events back, in milliseconds.
const PACE_MS: u64 = 40;
/// Bytes of records, a few hundred of them, that begin to be sorted in every second server or so.
const UNSORTED_BYTES: u64 = 64 << 10;
/// Clients of each account that publishes.
const CLIENTS: usize = 2;
/// Requests that each makes in a round, about: the shorter the round, the denser.
const REQUESTS: u32 = 12;
/// How often the run looks whether it is of any use to go on.
const LOOK: Duration = Duration::from_millis(100);
/// From so many rounds on some sessions have to be resumed: early kills leave none.
const MEASURED: usize = 20;
/// How long one request may wait for its answer before it is sent again.
const ANSWER: Duration = Duration::from_secs(5);

/// A run in progress.
struct Run {
    setup: Setup,
    server: Server,
    random: Rng,
    signal: Signal,
    faults: Arc<Faults>,
    figures: Arc<Figures>,
    http: reqwest::Client,
    /// Rounds done.
    rounds: usize,
    /// Scenes that are over, with what was acknowledged in them.
    scenes: Vec<(Arc<Scene>, Ledger)>,
}

/// Runs it and prints what was found; whether everything held.
pub async fn run(options: Options) -> bool {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed} (--seed {seed} for the same plan)");
    let mut random = Rng::with_seed(seed);
    let mut setup = Setup::new().port(ports::free(&mut random));
    if let Some(durability) = &options.durability {
        setup = setup.set(format!("store.durability={durability}"));
    }
    for pair in &options.set {
        setup = setup.set(pair);
    }
    let began = Instant::now();
    let mut run = Run {
        server: setup.clone().start(),
        setup,
        random,
        signal: if options.term {
            Signal::TERM
        } else {
            Signal::KILL
        },
        faults: Arc::default(),
        figures: Arc::default(),
        http: reqwest::Client::builder()
            .no_proxy()
            .timeout(ANSWER)
            .build()
            .expect("an HTTP client"),
        rounds: 0,
        scenes: Vec::new(),
    };
    while run.rounds < options.rounds && run.faults.count() == 0 {
        let rounds = ROUNDS_A_SCENE.min(options.rounds - run.rounds);
        run.scene(rounds).await;
    }
    let kept = run.check_history().await;
    let lives_on = options.durability.as_deref() != Some("memory");
    if lives_on && options.rounds >= MEASURED && figures::read(&run.figures.resumed) == 0 {
        run.faults.add("no session was resumed");
    }
    if run.server.log().contains("panicked") {
        run.faults.add("the server's log tells of a panic");
    }
    let took = began.elapsed();
    println!("{} rounds in {took:.1?}", run.rounds);
    run.figures.print();
    println!("history: {kept} messages compared");
    run.verdict()
}

impl Run {
    /// Some rounds in guilds of their own, and the comparison of what the sessions saw.
    async fn scene(&mut self, rounds: usize) {
        let scene = Arc::new(Scene::new(&self.server, self.scenes.len()).await);
        let gap = Duration::ZERO;
        let round = self.rounds + 1;
        let (direct, phase) = watch::channel(Phase::Load { round, gap });
        let mut publishers = self.publishers(&scene, &phase);
        let mut subscribers = self.subscribers(&scene, &phase);
        // Nobody was killed; the first round, too, is to begin with an acknowledgement.
        self.figures.killed(Instant::now());
        for _ in 0..rounds {
            self.round(&direct).await;
            if self.faults.are_many() {
                break;
            }
        }
        let broken = self.faults.are_many();
        direct.send_replace(if broken { Phase::Abort } else { Phase::Drain });
        let mut posts = Vec::new();
        while let Some(done) = publishers.join_next().await {
            posts.extend(self.unless_panicked(done).unwrap_or_default());
        }
        let mut marker = self.marker(&scene, &phase);
        let last = marks(&mut marker).await;
        let broken = broken || last.len() < GUILDS;
        direct.send_replace(if broken {
            Phase::Abort
        } else {
            Phase::End(Arc::new(last))
        });
        let stretches = self.seen(&mut subscribers, &mut marker).await;
        posts.extend(marker.posts);
        let ledger = Ledger::new(GUILDS, posts, &self.faults);
        for stretch in &stretches {
            stretch.check(ledger.guild(stretch.guild), &self.faults);
        }
        let messages: usize = stretches.iter().map(|stretch| stretch.seen.len()).sum();
        println!(
            "scene {}: {} acknowledged messages; {messages} received in {} stretches",
            self.scenes.len() + 1,
            ledger.len(),
            stretches.len()
        );
        self.scenes.push((scene, ledger));
    }

    /// Load, a kill, a start.
    async fn round(&mut self, direct: &watch::Sender<Phase>) {
        self.rounds += 1;
        let round = self.rounds;
        let early = self.random.u32(0..EARLY) == 0;
        let range = if early { EARLY_MS } else { KILL_MS };
        let wait = Duration::from_millis(self.random.u64(range));
        let gap = wait / REQUESTS;
        direct.send_replace(Phase::Load { round, gap });
        if !early {
            self.first_acknowledgement().await;
        }
        tokio::time::sleep(wait).await;
        if let Some(status) = self.server.ended() {
            self.faults.add(format!(
                "round {round}: the server ended by itself: {status}"
            ));
        } else {
            let at = Instant::now();
            self.server.signal(self.signal);
            self.server.exit().await;
            self.figures.killed(at);
        }
        self.start().await;
    }

    /// Waits for the first acknowledgement since the kill, or until it is clear that none will come.
    async fn first_acknowledgement(&self) {
        let end = Instant::now() + DEADLINE;
        while !self.faults.are_many() {
            let first = self.figures.first_acknowledgement();
            if tokio::time::timeout(LOOK, first).await.is_ok() {
                return;
            }
            if Instant::now() > end {
                let what = "nothing was acknowledged within";
                let round = self.rounds;
                self.faults
                    .add(format!("round {round}: {what} {DEADLINE:?}"));
                return;
            }
        }
    }

    async fn start(&mut self) {
        let mut setup = self.setup.clone().data_of(&self.server);
        if self.random.bool() {
            // What is held back is on its way as well.
            setup = setup.set(format!("gateway.pace_min_ms={PACE_MS}"));
        }
        if self.random.bool() {
            // It is killed while it sorts as well.
            setup = setup.set(format!("store.unsorted_max_bytes={UNSORTED_BYTES}"));
        }
        let started = tokio::task::spawn_blocking(|| setup.start()).await;
        self.server = started.expect("the server starts again");
    }

    fn publishers(
        &mut self,
        scene: &Arc<Scene>,
        phase: &watch::Receiver<Phase>,
    ) -> JoinSet<Vec<Post>> {
        let mut publishers = JoinSet::new();
        for account in 0..scene.publishers.len() {
            for client in 0..CLIENTS {
                let name = format!("s{}-p{account}-c{client}", self.scenes.len());
                publishers.spawn(self.publisher(scene, phase, account, name).run());
            }
        }
        publishers
    }

    fn publisher(
        &mut self,
        scene: &Arc<Scene>,
        phase: &watch::Receiver<Phase>,
        account: usize,
        name: String,
    ) -> Publisher {
        Publisher {
            name,
            rest: self.rest(scene, account),
            scene: Arc::clone(scene),
            phase: phase.clone(),
            faults: Arc::clone(&self.faults),
            figures: Arc::clone(&self.figures),
            random: self.random.fork(),
            posts: Vec::new(),
            round: self.rounds,
        }
    }

    fn rest(&self, scene: &Scene, account: usize) -> Rest {
        let token = &scene.publishers[account].token;
        Rest::new(self.http.clone(), &self.server.line().api, Some(token))
    }

    fn subscribers(
        &self,
        scene: &Arc<Scene>,
        phase: &watch::Receiver<Phase>,
    ) -> JoinSet<Vec<Stretch>> {
        let mut subscribers = JoinSet::new();
        for (number, account) in scene.subscribers.iter().enumerate() {
            let subscriber = Subscriber {
                number,
                token: account.token.clone(),
                address: self.server.address(),
                scene: Arc::clone(scene),
                phase: phase.clone(),
                faults: Arc::clone(&self.faults),
                figures: Arc::clone(&self.figures),
                view: View::default(),
            };
            subscribers.spawn(subscriber.run());
        }
        subscribers
    }

    /// The client that posts the last messages.
    fn marker(&mut self, scene: &Arc<Scene>, phase: &watch::Receiver<Phase>) -> Publisher {
        let name = format!("s{}-end", self.scenes.len());
        self.publisher(scene, phase, 0, name)
    }

    /// What the subscribers saw, once all have read to the end.
    async fn seen(
        &self,
        subscribers: &mut JoinSet<Vec<Stretch>>,
        marker: &mut Publisher,
    ) -> Vec<Stretch> {
        let mut seen = Vec::new();
        let end = Instant::now() + DEADLINE;
        while !subscribers.is_empty() && Instant::now() < end {
            match tokio::time::timeout(LOOK, subscribers.join_next()).await {
                Ok(Some(done)) => seen.extend(self.unless_panicked(done).unwrap_or_default()),
                Ok(None) => {}
                // Whoever began a session just now may have been too late for the messages before.
                Err(_) => drop(marks(marker).await),
            }
        }
        if !subscribers.is_empty() {
            self.faults.add(format!(
                "{} subscribers have not read to the end within {DEADLINE:?}",
                subscribers.len()
            ));
        }
        seen
    }

    /// What a task gave. A panic is a fault: the harness panics at what breaks the protocol.
    fn unless_panicked<T>(&self, done: Result<T, tokio::task::JoinError>) -> Option<T> {
        done.map_err(|error| self.faults.add(format!("round {}: {error}", self.rounds)))
            .ok()
    }

    /// Compares the history of every scene; gives how many messages it has.
    async fn check_history(&self) -> usize {
        let mut read = 0;
        for (scene, ledger) in &self.scenes {
            let rest = self.rest(scene, 0);
            read += check::history(&rest, scene, ledger, &self.faults).await;
        }
        read
    }

    fn verdict(&self) -> bool {
        let (first, count) = self.faults.report();
        if count == 0 {
            println!("nothing acknowledged was lost, doubled or out of order");
            return true;
        }
        println!("FAULTS: {count}; the first:");
        for fault in first {
            println!("  {fault}");
        }
        let log = self.server.log();
        let lines: Vec<&str> = log.lines().collect();
        println!("the end of the server's log:");
        for line in &lines[lines.len().saturating_sub(20)..] {
            println!("  {line}");
        }
        false
    }
}

/// Posts a message to each guild; gives their ids.
async fn marks(publisher: &mut Publisher) -> Vec<u64> {
    let mut ids = Vec::new();
    for guild in 0..GUILDS {
        ids.extend(publisher.post(guild, 0).await);
    }
    ids
}
