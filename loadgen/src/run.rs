//! One run from end to end.

mod args;
mod aside;
mod director;
mod drain;
mod fleet;
mod progress;
mod stage;
mod summary;
mod target;
mod timeline;

pub use args::RunArgs;

use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::check::Expects;
use crate::check::history::{Layout, Recorder};
use crate::client::deaf::Deaf;
use crate::client::fleet::Charge;
use crate::clock::{self, SECOND};
use crate::endpoint::Endpoint;
use crate::fault::Victim;
use crate::limits;
use crate::marker::MarkerCodec;
use crate::measure::{ServerMemory, Watched, server_memory};
use crate::plan::{Plan, Schedule};
use crate::provision::{Admin, Guild, gateway_url};
use crate::publish::{self, Order};
use crate::report::Report;
use crate::scenario::Scenario;
use crate::shared::{Times, Window};
use crate::source::Sources;

use aside::Asides;
use director::Director;
use fleet::Workers;
use progress::Progress;
use stage::Stage;
use summary::Course;
use target::Target;

/// Time in microseconds between the last session's being ready and the first message.
const LEAD: u64 = SECOND / 5;

/// The same where worker processes have to hear of it first.
const LEAD_OF_WORKERS: u64 = SECOND;

/// Messages per second that one user may post into one channel before the server refuses more.
const USER_LIMIT: f64 = 10.0;

/// Carries out a run and says what it came to. Removes the guilds it made, whatever happened.
pub fn run(args: &RunArgs) -> Result<Report> {
    let scenario = args.scenario()?;
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..1 << 53));
    let plan = Arc::new(Plan::new(&scenario, seed));
    limits::reserve_open_files(own_sockets(args, &scenario, &plan))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let target = Target::find(args)?;
        let admin = Admin::new(&target.admin, &target.admin_token)?;
        let run = Run {
            args,
            scenario: &scenario,
            plan,
            seed,
            id: fastrand::u32(..),
            target: &target,
            admin: &admin,
        };
        let mut guilds = Vec::new();
        let report = run.carry_out(&mut guilds).await;
        // What was made on a server of our own goes with it.
        if target.own.is_none()
            && let Err(error) = admin.remove_guilds(&guilds).await
        {
            eprintln!("loadgen: warning: {error:#}");
        }
        report
    })
}

/// Sockets of this process: the sessions too, unless others have them, and two for each that goes through the proxy.
fn own_sockets(args: &RunArgs, scenario: &Scenario, plan: &Plan) -> u64 {
    let sessions = plan.sessions.len() as u64;
    let here = if args.workers.get() == 1 { sessions } else { 0 };
    let proxied = args.fault.iter().any(|spec| spec.fault.is_of_network());
    let deaf = u64::from(args.deaf(scenario));
    let through_proxy = if proxied { 2 * (sessions + deaf) } else { 0 };
    here + deaf + through_proxy + u64::from(args.in_flight.get())
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

/// What a run knows from its start.
struct Run<'a> {
    args: &'a RunArgs,
    scenario: &'a Scenario,
    plan: Arc<Plan>,
    seed: u64,
    id: u32,
    target: &'a Target,
    admin: &'a Admin,
}

impl Run<'_> {
    async fn carry_out(&self, guilds: &mut Vec<Guild>) -> Result<Report> {
        let (args, scenario, plan) = (self.args, self.scenario, &self.plan);
        let interrupted = interruption()?;
        let schedule = Schedule::new(scenario, plan, self.seed);
        self.announce(&schedule);

        let mut wait = interrupted.clone();
        let name = format!("load-{:08x}", self.id);
        let stage = tokio::select! {
            stage = Stage::set(self.admin, self.target, plan, &name, guilds) => stage?,
            _ = wait.wait_for(|interrupted| *interrupted) => bail!("interrupted"),
        };
        let url = gateway_url(&self.target.api).await?;
        let server = Endpoint::parse(&url, "ws")?;
        let (victim, gateway) = self.victim(server, &stage)?;
        // It ends with the last that holds it, and the sessions need it to the end.
        let proxy = victim.proxy.clone();
        let sources = Sources::of(&args.source_address, gateway.address)?;
        let mut charge = self.charge(&stage, &schedule, (url, &gateway), &sources)?;
        charge.more = self.gateways_of_others().await?;
        let recorder = self.recorder(&stage, &charge.planned)?;
        let mut memory = ServerMemory {
            before: server_memory(self.target.pid()).context("reading the server's memory")?,
            ..ServerMemory::default()
        };

        let connecting = clock::now();
        let workers = Workers::start(self, charge, recorder.as_ref())?;
        workers
            .wait_until_ready(args.connect_timeout, &interrupted)
            .await?;
        let connected = clock::now();
        memory.idle = server_memory(self.target.pid())?;
        let deaf = args.deaf(scenario);
        let deaf = Deaf::connect(&gateway, &sources, &stage.tokens, deaf).await?;

        let lead = if args.workers.get() == 1 {
            LEAD
        } else {
            LEAD_OF_WORKERS
        };
        let start = clock::now() + lead;
        let phases = &scenario.phases;
        let measured_from = start + clock::from_seconds(phases.ramp_up + phases.warm_up);
        let measured_to = measured_from + clock::from_seconds(phases.steady);
        let times = Times {
            first: start,
            from: measured_from,
            to: measured_to,
        };
        workers.announce(times, &interrupted).await?;
        let window = Arc::new(Window::default());
        window.set(times);
        let asides = Asides::start(scenario, plan, &stage, &self.target.api, start, self.seed)?;
        let director = Director::start(self, victim, workers.storms(), measured_from);
        let publisher = self.publisher(schedule.starting(start), &stage, window)?;

        let mut progress = Progress::new(
            self,
            &workers,
            Arc::clone(&publisher.gauges),
            &interrupted,
            start,
        );
        progress.until(measured_from).await;
        let watched = watched(&workers, &publisher);
        let (from, to) = progress.measure(measured_to, &watched).await?;
        progress.until_posted(&publisher).await;
        let marks = director.end(&mut progress).await;
        let asides = asides.end().await;
        let ledger = publisher.join()?;

        memory.after = server_memory(self.target.pid()).unwrap_or_default();
        let drained =
            drain::drain(&workers, &ledger, self, args.drain_timeout, &mut progress).await;
        let (under_way, timeline) = (progress.under_way(), progress.into_timeline(marks));
        let own_memory = workers.memory();
        let finished = workers.stop()?;
        drop((deaf, proxy));
        if let (Some(recorder), Some(path)) = (recorder, &args.record) {
            if args.workers.get() > 1 {
                fleet::collect_parts(&recorder, path, args.workers.get())?;
            }
            recorder.finish(&ledger.outcomes, &ledger.sent)?;
        }
        let course = Course {
            connect: connected - connecting,
            watched,
            from,
            to,
            memory,
            own_memory,
            sources: sources.len() as u32,
            drained,
            interrupted: *interrupted.borrow(),
            asides,
            timeline,
            under_way,
        };
        Ok(summary::report(self, &course, ledger, finished))
    }

    fn publisher(
        &self,
        schedule: Schedule,
        stage: &Stage,
        window: Arc<Window>,
    ) -> Result<publish::Handle> {
        Ok(publish::Handle::start(Order {
            api: Endpoint::parse(&self.target.api, "http")?,
            more: self.apis_of_others()?,
            schedule,
            channels: stage.channels.clone(),
            tokens: stage.tokens.clone(),
            codec: MarkerCodec::new(self.id),
            run: self.id,
            payload: self.scenario.traffic.payload as usize,
            in_flight: self.args.in_flight.get(),
            window,
        })?)
    }

    /// Says what is about to happen, and warns of what cannot go well.
    fn announce(&self, schedule: &Schedule) {
        let scenario = self.scenario;
        eprintln!(
            "loadgen: {}: {} users, {} guilds, {} messages in {} s, seed {}",
            scenario.name,
            scenario.sessions,
            scenario.guilds.count,
            schedule.len(),
            scenario.phases.total(),
            self.seed
        );
        if args::is_payload_short(scenario) {
            eprintln!(
                "loadgen: messages may be longer than the payload asked for, as each carries a mark"
            );
        }
        let fewest = self.plan.rooms.iter().map(|room| room.senders.len()).min();
        let each =
            scenario.traffic.rate / f64::from(scenario.guilds.count) / fewest.unwrap_or(1) as f64;
        if scenario.traffic.sender_skew == 0.0 && each > USER_LIMIT {
            eprintln!(
                "loadgen: warning: {each:.1} messages per second of each user, the server's limit is {USER_LIMIT}: \
                 use more sessions or more guilds"
            );
        }
    }

    fn apis_of_others(&self) -> Result<Vec<Endpoint>> {
        let apis = self.args.also.iter();
        let apis = apis.map(|api| Endpoint::parse(api, "http"));
        Ok(apis.collect::<Result<_, _>>()?)
    }

    async fn gateways_of_others(&self) -> Result<Vec<Endpoint>> {
        let mut gateways = Vec::new();
        for api in &self.args.also {
            gateways.push(Endpoint::parse(&gateway_url(api).await?, "ws")?);
        }
        Ok(gateways)
    }

    /// Whom faults are done to, and where the sessions connect to.
    fn victim(&self, server: Endpoint, stage: &Stage) -> Result<(Victim, Endpoint)> {
        let mut victim = self.target.victim(stage, self.seed)?;
        let mut gateway = server;
        if self
            .args
            .fault
            .iter()
            .any(|spec| spec.fault.is_of_network())
        {
            let proxy = crate::fault::proxy::Proxy::start(gateway.address)?;
            gateway.address = proxy.address;
            victim.proxy = Some(proxy);
        }
        for spec in &self.args.fault {
            victim.check(spec.fault)?;
        }
        Ok((victim, gateway))
    }

    /// What the session threads are to do, all of them as if they were in one process.
    fn charge(
        &self,
        stage: &Stage,
        schedule: &Schedule,
        (gateway_url, gateway): (String, &Endpoint),
        sources: &Sources,
    ) -> Result<Charge> {
        let threads = self.args.threads(self.plan.sessions.len() as u32);
        Ok(Charge {
            scenario: toml::to_string(self.scenario)?,
            seed: self.seed,
            run: self.id,
            guild_ids: stage.guild_ids.clone(),
            channels: stage.channels.clone(),
            tokens: stage.tokens.clone(),
            gateway_url,
            gateway: gateway.clone(),
            more: Vec::new(),
            sources: sources.clone(),
            planned: schedule.per_room().to_vec(),
            threads,
            first: 0,
            count: threads,
            connecting: self.args.connecting.get(),
            record: self.args.record.clone(),
        })
    }

    fn recorder(&self, stage: &Stage, planned: &[u32]) -> Result<Option<Recorder>> {
        let Some(path) = &self.args.record else {
            return Ok(None);
        };
        let file = File::create(path).with_context(|| path.display().to_string())?;
        let layout = Layout {
            guild_of: self.plan.guild_of().into(),
            planned: planned.to_vec(),
        };
        let recorder = Recorder::new(BufWriter::new(file), &layout)?;
        let threads = self.args.threads(self.plan.sessions.len() as u32);
        for worker in 0..threads {
            for session in self.plan.sessions_of(worker, threads) {
                let expects = Expects::of(&self.plan.sessions[session as usize]);
                let rooms = self.plan.rooms_of(session, &stage.guild_ids);
                recorder.session(worker, session, expects, &rooms)?;
            }
        }
        Ok(Some(recorder))
    }
}

/// The threads whose utilisation is reported: the sessions' in order, then the publisher's.
fn watched(workers: &Workers, publisher: &publish::Handle) -> Vec<Watched> {
    let posts = Watched {
        name: "publisher".to_owned(),
        pid: std::process::id(),
        id: publisher.gauges.thread.load(Ordering::Relaxed),
    };
    workers.watched().into_iter().chain([posts]).collect()
}
