//! One run from end to end.

mod drain;
mod fleet;
mod summary;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::cli::RunArgs;
use crate::client::deaf::Deaf;
use crate::client::fleet::Fleet;
use crate::clock::{self, SECOND};
use crate::endpoint::Endpoint;
use crate::limits;
use crate::marker::MarkerCodec;
use crate::measure::{ServerMemory, Snapshot, Watched, server_memory};
use crate::plan::{Plan, Schedule};
use crate::provision::{Admin, Guild, gateway_url};
use crate::publish::{self, Order};
use crate::report::Report;
use crate::shared::{Published, Window};

use fleet::Workers;
use summary::Course;

/// Time in microseconds between the last session's being ready and the first message.
const LEAD: u64 = SECOND / 5;

/// How often the run's state is looked at.
const TICK: Duration = Duration::from_millis(20);

/// Time in microseconds between two lines of progress.
const PROGRESS: u64 = 5 * SECOND;

/// Messages per second that one user may post into one channel before the server refuses more.
const USER_LIMIT: f64 = 10.0;

/// Carries out a run and says what it came to. Removes the guilds it made, whatever happened.
pub fn run(args: &RunArgs) -> Result<Report> {
    args.check()?;
    let sockets =
        u64::from(args.sessions.get()) + u64::from(args.in_flight.get()) + u64::from(args.deaf);
    limits::reserve_open_files(sockets)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let admin = Admin::new(&args.admin, &args.admin_token)?;
        let mut guilds = Vec::new();
        let report = load(args, &admin, &mut guilds).await;
        if let Err(error) = admin.remove_guilds(&guilds).await {
            eprintln!("loadgen: warning: {error:#}");
        }
        report
    })
}

/// Becomes true at the first SIGINT or SIGTERM. The second ends the process as usual.
fn interruption() -> Result<watch::Receiver<bool>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        eprintln!("loadgen: ending early, once more to end at once");
        sender.send_replace(true);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(130);
    });
    Ok(receiver)
}

async fn load(args: &RunArgs, admin: &Admin, guilds: &mut Vec<Guild>) -> Result<Report> {
    let interrupted = interruption()?;
    let run = fastrand::u32(..);
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..1 << 53));
    let plan = Plan {
        sessions: args.sessions.get(),
        guilds: args.guilds.get(),
        guilds_per_session: args.guilds_per_session.get(),
    };
    let members = plan.members();
    warn_of_settings(args, &members);

    let url = gateway_url(&args.api).await?;
    let api = Endpoint::parse(&args.api, "http")?;
    let name = format!("load-{run:08x}");
    let mut wait = interrupted.clone();
    let tokens = tokio::select! {
        tokens = provision(admin, &name, &members, plan.sessions, guilds) => tokens?,
        _ = wait.wait_for(|interrupted| *interrupted) => bail!("interrupted"),
    };
    let codec = MarkerCodec::new(run);
    let window = Arc::new(Window::default());
    let sent = Arc::new(Published::none(plan.guilds));
    let schedule = |start| {
        Schedule::new(
            members.clone(),
            args.rate,
            start,
            args.messages() as u64,
            seed,
        )
    };
    let planned = schedule(0).per_guild();
    let mut memory = ServerMemory {
        before: server_memory(args.server_pid).context("reading the server's memory")?,
        ..ServerMemory::default()
    };

    let fleet = Arc::new(Fleet {
        plan,
        gateway: Endpoint::parse(&url, "ws")?,
        gateway_url: url,
        tokens: tokens.clone(),
        guilds: Arc::new(guilds.iter().map(|guild| guild.id).zip(0..).collect()),
        codec: codec.clone(),
        planned,
        window: Arc::clone(&window),
        published: Arc::clone(&sent),
        workers: args.workers(),
        connecting: args.connecting.get(),
        seed,
    });
    let connecting = clock::now();
    let workers = Workers::start(&fleet)?;
    workers
        .wait_until_ready(&fleet.plan, args.connect_timeout, &interrupted)
        .await?;
    let connected = clock::now();
    memory.idle = server_memory(args.server_pid)?;
    let deaf = Deaf::connect(&fleet.gateway, &fleet.tokens, args.deaf).await?;

    let start = clock::now() + LEAD;
    let measured_from = start + (args.warmup * SECOND as f64) as u64;
    let measured_to = measured_from + (args.duration * SECOND as f64) as u64;
    window.set(measured_from, measured_to);
    let publisher = publish::Handle::start(Order {
        api,
        schedule: schedule(start),
        channels: guilds.iter().map(|guild| guild.channel).collect(),
        tokens,
        codec,
        run,
        payload: args.payload as usize,
        in_flight: args.in_flight.get(),
        window,
        published: sent,
    })?;

    let mut progress = Progress::new(args, &workers, &publisher, &interrupted);
    progress.until(measured_from).await;
    let watched = watched(&workers, &publisher);
    let from = progress.snapshot(&watched)?;
    progress.until(measured_to).await;
    let to = progress.snapshot(&watched)?;
    progress.until_posted().await;
    let ledger = publisher.join()?;

    memory.after = server_memory(args.server_pid)?;
    let drained = drain::drain(&workers, &ledger, &members, args.drain_timeout).await;
    let finished = workers.stop()?;
    drop(deaf);
    let course = Course {
        seed,
        run,
        connect: connected - connecting,
        watched,
        from,
        to,
        memory,
        drained,
        interrupted: *interrupted.borrow(),
    };
    Ok(summary::report(args, &course, ledger, finished))
}

/// Makes the users and guilds; gives the users' tokens.
async fn provision(
    admin: &Admin,
    name: &str,
    members: &[Vec<u32>],
    sessions: u32,
    guilds: &mut Vec<Guild>,
) -> Result<Vec<Box<str>>> {
    let users = admin.make_users(sessions as usize, name).await?;
    let ids_of = |members: &Vec<u32>| {
        members
            .iter()
            .map(|member| users[*member as usize].id)
            .collect()
    };
    let member_ids: Vec<Vec<u64>> = members.iter().map(ids_of).collect();
    admin.make_guilds(&member_ids, name, guilds).await?;
    Ok(users.into_iter().map(|user| user.token).collect())
}

fn warn_of_settings(args: &RunArgs, members: &[Vec<u32>]) {
    if args.is_payload_short() {
        eprintln!("loadgen: messages may be longer than --payload, as each carries a mark");
    }
    let fewest = members.iter().map(Vec::len).min().unwrap_or_default();
    let each = args.rate / members.len() as f64 / fewest as f64;
    if each > USER_LIMIT {
        eprintln!(
            "loadgen: warning: {each:.1} messages per second of each user, the server's limit is {USER_LIMIT}: \
             use more sessions or more guilds"
        );
    }
}

/// The threads whose utilisation is reported: the sessions' in order, then the publisher's.
fn watched(workers: &Workers, publisher: &publish::Handle) -> Vec<Watched> {
    let sessions = workers
        .gauges()
        .enumerate()
        .map(|(number, gauges)| Watched {
            name: format!("sessions-{number}"),
            id: gauges.thread.load(Ordering::Relaxed),
        });
    let posts = Watched {
        name: "publisher".to_owned(),
        id: publisher.gauges.thread.load(Ordering::Relaxed),
    };
    sessions.chain([posts]).collect()
}

/// Waits for the phases of a run and says every few seconds how it goes.
struct Progress<'a> {
    args: &'a RunArgs,
    workers: &'a Workers,
    publisher: &'a publish::Handle,
    interrupted: &'a watch::Receiver<bool>,
    began: u64,
    /// When the last line was printed, and with which sums.
    last: (u64, u64, u64),
}

impl<'a> Progress<'a> {
    fn new(
        args: &'a RunArgs,
        workers: &'a Workers,
        publisher: &'a publish::Handle,
        interrupted: &'a watch::Receiver<bool>,
    ) -> Self {
        let now = clock::now();
        Self {
            args,
            workers,
            publisher,
            interrupted,
            began: now,
            last: (now, 0, 0),
        }
    }

    /// Waits until `time`, or until the run was interrupted.
    async fn until(&mut self, time: u64) {
        while clock::now() < time && !*self.interrupted.borrow() {
            self.tick().await;
        }
    }

    /// Waits until each message has its outcome.
    async fn until_posted(&mut self) {
        while !self.publisher.is_finished() {
            self.tick().await;
        }
    }

    fn snapshot(&self, watched: &[Watched]) -> Result<Snapshot> {
        let (delivered, reads) = (self.workers.delivered(), self.workers.reads());
        Snapshot::take(watched, self.args.server_pid, delivered, reads).context("reading cpu times")
    }

    async fn tick(&mut self) {
        sleep(TICK).await;
        if *self.interrupted.borrow() {
            self.publisher.gauges.stop.store(true, Ordering::Relaxed);
        }
        let now = clock::now();
        if now < self.last.0 + PROGRESS {
            return;
        }
        let acked = self.publisher.gauges.acked.load(Ordering::Relaxed);
        let delivered = self.workers.delivered();
        let seconds = (now - self.last.0) as f64 / SECOND as f64;
        eprintln!(
            "{:>5.0} s  {:.0} messages/s acknowledged, {:.0} deliveries/s, {} violations, {} sessions detached",
            (now - self.began) as f64 / SECOND as f64,
            (acked - self.last.1) as f64 / seconds,
            (delivered - self.last.2) as f64 / seconds,
            self.workers.violations(),
            self.workers.detached(),
        );
        self.last = (now, acked, delivered);
    }
}
