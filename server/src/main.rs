//! The `guildhall` command: settings → build → run → drain.

use std::io::{IsTerminal, Write};
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use guildhall_server::app::{self, App, Demo};
use guildhall_server::auth::tokens::TokenSigner;
use guildhall_server::cli::{
    self, Cli, Command, CompletionsArgs, ConfigArgs, DevArgs, ManArgs, NodeArgs, TetheredArgs,
    TokenArgs,
};
use guildhall_server::config::{Config, ConfigErrors, EXIT_BAD_CONFIG, LogFormat};
use guildhall_server::dev_cluster::{DevCluster, NodeAddress};
use guildhall_server::{clock, dev_banner, spans};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Keeps what lives for long apart from what comes and goes, by size: what a connection's handshake takes leaves no holes between sessions.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // Where the terminal is gone there is nobody to tell.
            let _ = error.print();
            return ExitCode::from(cli::exit_code(&error));
        }
    };
    let done = match cli.command {
        Command::Dev(args) => dev(&args),
        Command::Serve(args) => serve(&args),
        Command::Token(args) => token(&args),
        Command::Config(args) => config(&args),
        Command::Completions(args) => completions(&args),
        Command::Man(args) => man(&args),
        Command::Tethered(args) => Err(tethered(&args).into()),
    };
    spans::finish();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<ConfigErrors>() => {
            eprintln!("{error}");
            ExitCode::from(EXIT_BAD_CONFIG)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dev(args: &DevArgs) -> anyhow::Result<()> {
    let mut node = args.node.clone();
    let config = Config::load(&node.sources())?;
    start_log(&config)?;
    raise_open_files();
    let mut cluster = match args.nodes {
        1 => None,
        count => Some(DevCluster::start(count, &mut node, &config)?),
    };
    let config = Config::load(&node.sources())?;
    actix::System::new().block_on(async {
        let app = App::build(config.clone())?;
        let demo = app.demo().await?;
        let mut nodes = Vec::new();
        if let Some(cluster) = &mut cluster {
            let (secret, token) = (config.auth_secret()?, config.admin_token()?);
            let secrets = (secret.reveal(), token.reveal());
            cluster.join(args.nodes, &node, &config, secrets)?;
            nodes = cluster.addresses().to_vec();
        }
        let json = args.json;
        let announced = demo.clone();
        let stop = async {
            announce_and_wait(move || announce(&announced, &nodes, json)).await;
            if let Some(cluster) = &mut cluster {
                cluster.stop_nodes();
            }
        };
        app.run(Some(demo), stop).await?;
        Ok(())
    })
}

/// Becomes the program; it is killed when the thread that started this process ends, however that ends.
fn tethered(args: &TetheredArgs) -> std::io::Error {
    let tied = set_parent_process_death_signal(Some(Signal::KILL));
    if let Err(error) = tied {
        return error.into();
    }
    if getppid().map(|parent| parent.as_raw_nonzero().get()) != Some(args.parent) {
        return std::io::Error::other("the process that started this one is gone");
    }
    let [program, arguments @ ..] = args.command.as_slice() else {
        return std::io::Error::other("no program");
    };
    std::process::Command::new(program).args(arguments).exec()
}

fn serve(args: &NodeArgs) -> anyhow::Result<()> {
    let config = Config::load(&args.sources())?;
    start_log(&config)?;
    raise_open_files();
    actix::System::new().block_on(async {
        let app = App::build(config)?;
        app.run(None, announce_and_wait(|| Ok(()))).await?;
        Ok(())
    })
}

/// Announces the node and waits for SIGINT or SIGTERM.
async fn announce_and_wait(announce: impl FnOnce() -> std::io::Result<()>) {
    // Caught before the line is printed: who reads it may stop the node at once.
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        tracing::error!("signals cannot be caught");
        return;
    };
    if let Err(error) = announce() {
        tracing::warn!(%error, "the start line could not be printed");
    }
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// What `dev --json` prints.
#[derive(serde::Serialize)]
struct StartLine<'a> {
    #[serde(flatten)]
    demo: &'a Demo,
    /// Those after the first.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    nodes: &'a [NodeAddress],
}

fn announce(demo: &Demo, nodes: &[NodeAddress], json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, &StartLine { demo, nodes })?;
        writeln!(out)?;
    } else {
        write!(
            out,
            "{}{}",
            dev_banner::text(demo),
            dev_banner::nodes(nodes)
        )?;
    }
    out.flush()
}

fn token(args: &TokenArgs) -> anyhow::Result<()> {
    let config = Config::load(&args.node.sources())?;
    std::fs::create_dir_all(&config.store.dir)
        .with_context(|| format!("cannot make {}", config.store.dir.display()))?;
    let secret = config.auth_secret()?;
    let signer = TokenSigner::new(secret.reveal().as_bytes())?;
    println!(
        "{}",
        signer.sign(args.user.get(), args.bot, clock::unix_ms() / 1_000)
    );
    Ok(())
}

fn config(args: &ConfigArgs) -> anyhow::Result<()> {
    if args.page {
        print!("{}", guildhall_server::config::page());
        return Ok(());
    }
    let config = Config::load(&args.node.sources())?;
    if args.check {
        app::check_files(&config)?;
    } else {
        print!("{config}");
    }
    Ok(())
}

fn completions(args: &CompletionsArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "guildhall", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}

fn man(args: &ManArgs) -> anyhow::Result<()> {
    if let Some(dir) = &args.dir {
        let wrote = clap_mangen::generate_to(Cli::command(), dir);
        return wrote.with_context(|| format!("cannot write into {}", dir.display()));
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    Ok(std::io::stdout().write_all(&page)?)
}

/// A connection is an open file: takes as many as the system gives.
fn raise_open_files() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Logs go to standard error, so that standard output stays what a command promises.
fn start_log(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log.filter).context("log.filter")?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match config.log.format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    if let Some(endpoint) = config.log.otlp_endpoint.clone() {
        let node = config.node.name.to_string();
        spans::start(endpoint, config.log.otlp_every, node).context("log.otlp_endpoint")?;
    }
    Ok(())
}
