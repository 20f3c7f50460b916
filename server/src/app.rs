//! The whole node: settings → build → run → drain.

mod answers;
mod certificates;
mod cluster;
mod demo;
mod drain;
mod keys;
mod listener;
mod reload;
mod sessions;
mod settings;
mod storage;
mod tls;
mod views;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix_rt::task::JoinHandle;

pub use certificates::check_files;
pub use demo::Demo;

use certificates::Certificates;
use storage::Storage;

use crate::admin;
use crate::api;
use crate::auth::rate_limit::{ConnectionLimit, IdentifyLimit, UpgradeGate};
use crate::auth::tokens::TokenSigner;
use crate::auth::verifier::Verifier;
use crate::config::{Config, PublicUrl};
use crate::counters::Counters;
use crate::fanout::mail::HubLinks;
use crate::guild::actor::GuildTools;
use crate::guild::balancer;
use crate::guild::executors::Executors;
use crate::guild::registry::Registry;
use crate::guild::router::Router;
use crate::guild::sweep;
use crate::guild::watchdog;
use crate::journal::Journal;
use crate::placement::{Member, Overrides, Placement, PlacementHandle, Ring, RingSettings};
use crate::protocol::ids::SnowflakeSource;
use crate::session::checkpoint;
use crate::session::links::WorkerLinks;
use crate::session::shared::SessionShared;
use crate::supervision::drain::Drain;
use crate::supervision::mail::MailBounds;

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// Kept data cannot be read or written.
    #[error("{path}: {error}")]
    Data {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        error: String,
    },
    /// A secret cannot be used.
    #[error("{0}")]
    Secret(String),
    /// A certificate or its key cannot be used.
    #[error("tls: {0}")]
    Tls(String),
    /// NATS cannot be used.
    #[error("nats: {0}")]
    Nats(String),
    /// The ring cannot be built from the settings.
    #[error("placement: {0}")]
    Placement(String),
    /// The thread that watches the others cannot be started.
    #[error("watchdog: {0}")]
    Watchdog(String),
    /// The demo guild cannot be made.
    #[error("demo: {0}")]
    Demo(String),
}

/// A node that is built and listens, and does not serve yet.
pub struct App {
    config: Config,
    main: TcpListener,
    admin: TcpListener,
    public: PublicUrl,
    certificates: Certificates,
    storage: Storage,
    ids: Arc<SnowflakeSource>,
    tokens: TokenSigner,
    admin_token: crate::config::Secret,
    registry: Registry,
    router: Router,
    shared: SessionShared,
    joined: Option<cluster::Joined>,
    view: Arc<views::NodeView>,
    drain: Drain,
}

impl App {
    /// Builds a node and binds its listeners. Call it inside an actix system; it blocks on the
    /// disk.
    pub fn build(config: Config) -> Result<Self, StartError> {
        let dir = config.store.dir.clone();
        std::fs::create_dir_all(&dir).map_err(|error| data_error(&dir, &error))?;
        let main = bind(
            SocketAddr::new(config.listen.host, config.listen.port),
            &config,
        )?;
        let admin = bind(
            SocketAddr::new(config.admin.host, config.admin.port),
            &config,
        )?;
        let certificates = Certificates::open(&config)?;
        let bound = local_addr(&main)?;
        let public = config
            .listen
            .public_url
            .clone()
            .unwrap_or_else(|| PublicUrl::of_listener(bound, certificates.main.is_some()));
        let secret = config
            .auth_secret()
            .map_err(|error| StartError::Secret(error.to_string()))?;
        let tokens = TokenSigner::new(secret.reveal().as_bytes())
            .map_err(|error| StartError::Secret(error.to_string()))?;
        let verifier = Verifier::new(tokens.clone(), keys::read(&config.auth)?);
        let admin_token = config
            .admin_token()
            .map_err(|error| StartError::Secret(error.to_string()))?;
        let counters = Arc::new(Counters::default());
        let storage = Storage::open(&config, &counters)?;
        let ids = Arc::new(SnowflakeSource::new(config.node.number));
        let links = WorkerLinks::default();
        let placement = PlacementHandle::new(placement_of(&config)?);
        let registry = registry_of(
            &config,
            &storage.journal,
            &ids,
            &links.guild_side,
            &counters,
        );
        let router = Router::new(
            placement.clone(),
            config.node.name.clone(),
            registry.clone(),
            Duration::from_millis(config.guild.request_timeout_ms),
        );
        // Nearly last, so that a start that fails leaves the sessions to the next one.
        let parked = checkpoint::take(&dir).map_err(|error| data_error(&dir, &error))?;
        tracing::info!(count = parked.len(), "sessions of the last run");
        links.parked.fill(parked);
        let trails = sessions::trails_of(&storage, &dir, &links)?;
        let mut shared = SessionShared {
            router: router.clone(),
            directory: Arc::clone(&storage.directory),
            tokens: verifier,
            links,
            settings: Arc::new(settings::gateway_settings(&config, &public)),
            gate: Arc::new(UpgradeGate::new(settings::upgrade_settings(&config))),
            places: ConnectionLimit::new(config.limits.connections_per_address),
            starts: Arc::new(IdentifyLimit::new(config.limits.identifies_per_day)),
            trails,
            elsewhere: None,
            counters,
        };
        let drain = Drain::default();
        let view = Arc::new(views::NodeView::new(
            &config,
            &public,
            placement.clone(),
            registry.clone(),
            shared.clone(),
            drain.clone(),
        ));
        let join = |nats| {
            let rooms = (&shared.links, &shared.counters);
            let own = (&view, &drain);
            let settings = (&config, &public);
            cluster::join(settings, nats, (&router, &placement), rooms, own, &secret)
        };
        let joined = storage.shared.as_ref().map(join).transpose()?;
        shared.elsewhere = joined.as_ref().map(cluster::Joined::elsewhere);
        Ok(Self {
            config,
            main,
            admin,
            public,
            certificates,
            storage,
            ids,
            tokens,
            admin_token,
            registry,
            router,
            shared,
            joined,
            view,
            drain,
        })
    }

    /// Where clients reach the node.
    pub const fn public_url(&self) -> &PublicUrl {
        &self.public
    }

    /// The address of the main listener.
    pub fn address(&self) -> Result<SocketAddr, StartError> {
        local_addr(&self.main)
    }

    /// The address of the admin listener.
    pub fn admin_address(&self) -> Result<SocketAddr, StartError> {
        local_addr(&self.admin)
    }

    /// What SIGHUP reads anew.
    fn reloaded(&self) -> reload::Reloaded {
        reload::Reloaded {
            certificates: self.certificates.all(),
            auth: self.config.auth.clone(),
            tokens: self.shared.tokens.clone(),
            counters: Arc::clone(&self.shared.counters),
        }
    }

    /// Where the operator reaches the node.
    fn admin_url(&self) -> Result<String, StartError> {
        let scheme = match self.certificates.admin {
            Some(_) => "https",
            None => "http",
        };
        Ok(format!("{scheme}://{}", self.admin_address()?))
    }

    /// The operator's token.
    pub fn admin_token(&self) -> &str {
        self.admin_token.reveal()
    }

    /// Makes the demo guild, or finds it where the data directory has it already.
    pub async fn demo(&self) -> Result<Demo, StartError> {
        demo::prepare(self).await
    }

    /// Serves until `stop` is done, then drains: clients are asked to resume elsewhere, open
    /// requests finish, and the store is closed. The demo is what the chat page may show.
    pub async fn run(
        self,
        demo: Option<Demo>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), StartError> {
        let reloaded = self.reloaded();
        let notices = cluster::JoinNotices {
            hubs: self.shared.links.guild_side.clone(),
            peers: self.joined.as_ref().map(cluster::Joined::peers),
        };
        let rooms = api::Rooms {
            router: self.router.clone(),
            directory: Arc::clone(&self.storage.directory),
            ids: Arc::clone(&self.ids),
            tokens: self.shared.tokens.clone(),
            starts: Arc::clone(&self.shared.starts),
            sessions: Arc::new(notices.clone()),
            counters: Arc::clone(&self.shared.counters),
        };
        let context = Arc::new(api::Context::new(
            rooms,
            &self.public.gateway(),
            settings::api_settings(&self.config),
        ));
        let main = listener::main(
            self.main,
            &self.config,
            (&self.shared, &context),
            demo.as_ref(),
            self.certificates.main.as_ref(),
        );
        let router = self.router.clone();
        let admin = listener::admin(
            self.admin,
            admin::Admin {
                view: Arc::clone(&self.view) as Arc<dyn admin::View>,
                guilds: Arc::new(self.router),
                directory: Arc::clone(&self.storage.directory),
                ids: self.ids,
                tokens: self.tokens,
                verifier: self.shared.tokens.clone(),
                joined: Arc::new(move |user, guild| notices.tell(user, guild)),
                counters: Arc::clone(&self.shared.counters),
                token: self.admin_token,
                open_metrics: self.config.admin.open_metrics,
                cluster: self.joined.as_ref().map(cluster::Joined::admin),
                drain: self.drain.clone(),
            },
            self.certificates.admin.as_ref(),
        );
        let (main, admin) = match (main, admin) {
            (Ok(main), Ok(admin)) => (main, admin),
            (Err(error), _) | (_, Err(error)) => return Err(error),
        };
        let (main_handle, admin_handle) = (main.handle(), admin.handle());
        #[allow(clippy::disallowed_methods)] // both are awaited below
        let (main, admin) = (actix_rt::spawn(main), actix_rt::spawn(admin));
        let limit = Duration::from_millis(self.config.guild.stuck_after_ms);
        let lines = self.shared.links.lines.clone();
        self.storage.watch(&lines);
        let watchdog = watchdog::start(self.registry.clone(), lines, limit);
        let watchdog = watchdog.map_err(|error| StartError::Watchdog(error.to_string()))?;
        if let Some(trails) = &self.shared.trails {
            sessions::forget_former_runs(Arc::clone(trails), self.shared.settings.resume_window);
        }
        let upkeep = start_upkeep(&self.registry, router, &self.storage.journal, &self.config);
        #[allow(clippy::disallowed_methods)] // ended below
        let reloads = actix_rt::spawn(reload::on_hangup(reloaded));
        self.view.takes_traffic();
        tokio::select! {
            () = stop => {}
            () = self.drain.ordered() => {}
        }
        self.drain.order();
        cluster::leave(self.joined, &self.drain, &self.shared.links).await;
        upkeep.iter().for_each(JoinHandle::abort);
        reloads.abort();
        self.registry.stop_moves();
        let grace = Duration::from_millis(self.config.gateway.reconnect_grace_ms);
        let progress = (&*context, &self.drain);
        let sessions = drain::clients(&self.shared, progress, &main_handle, grace).await;
        admin_handle.stop(false).await;
        // Both have ended; how they ended was logged by them.
        let _ = (main.await, admin.await);
        drop(watchdog);
        self.registry.executors().stop();
        if self.storage.is_kept() {
            // While no other process can have the directory.
            sessions::keep_sessions(
                &self.config.store.dir,
                &sessions,
                self.shared.links.parked.len(),
                self.shared.trails.as_deref(),
            );
        }
        self.storage.close();
        Ok(())
    }
}

fn data_error(path: &Path, error: &dyn std::fmt::Display) -> StartError {
    StartError::Data {
        path: path.to_owned(),
        error: error.to_string(),
    }
}

fn bind(address: SocketAddr, config: &Config) -> Result<TcpListener, StartError> {
    use socket2::{Domain, Protocol, Socket, Type};
    let listen = || {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(config.listen.backlog).unwrap_or(i32::MAX))?;
        Ok(socket.into())
    };
    listen().map_err(|error| StartError::Bind { address, error })
}

fn local_addr(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
    listener.local_addr().map_err(|error| StartError::Bind {
        address: unspecified,
        error,
    })
}

fn placement_of(config: &Config) -> Result<Placement, StartError> {
    let failed = |error: &dyn std::fmt::Display| StartError::Placement(error.to_string());
    let name = config.node.name.clone();
    let weight = config.placement.weights.get(&name);
    let member = weight.map_or_else(
        || Member::new(name.clone()),
        |weight| Member::weighted(name.clone(), *weight),
    );
    let settings = RingSettings {
        virtual_nodes: config.placement.virtual_nodes,
        ..RingSettings::default()
    };
    let ring = Ring::build([member], settings).map_err(|error| failed(&error))?;
    let mut overrides = Overrides::new();
    for (guild, node) in &config.placement.overrides {
        overrides
            .pin(guild.get(), node.clone())
            .map_err(|error| failed(&error))?;
    }
    Ok(Placement::new(ring, overrides))
}

/// Starts what looks after guilds beside their own work. Whoever starts it ends it.
#[allow(clippy::disallowed_methods)] // ended by the caller
fn start_upkeep(
    registry: &Registry,
    router: Router,
    journal: &Arc<dyn Journal>,
    config: &Config,
) -> Vec<JoinHandle<()>> {
    let balancer = balancer::run(registry.clone(), settings::balance_settings(config));
    let sweep = settings::sweep_settings(config);
    let sweep = sweep.map(|settings| sweep::run(router, Arc::clone(journal), settings));
    let mut tasks = vec![actix_rt::spawn(balancer)];
    tasks.extend(sweep.map(actix_rt::spawn));
    tasks
}

fn registry_of(
    config: &Config,
    journal: &Arc<dyn Journal>,
    ids: &Arc<SnowflakeSource>,
    hubs: &HubLinks,
    counters: &Arc<Counters>,
) -> Registry {
    let tools = GuildTools {
        journal: Arc::clone(journal),
        ids: Arc::clone(ids),
        hubs: hubs.clone(),
        node: config.node.name.as_str().into(),
        counters: Arc::clone(counters),
        settings: Arc::new(settings::guild_settings(config)),
        preloads: crate::guild::actor::Preloads::default(),
    };
    // The settings are at most 2^20 and 2^30.
    let bounds = MailBounds {
        count: config.guild.mailbox_max_requests as u32,
        bytes: config.guild.mailbox_max_bytes as u32,
    };
    let executors = Executors::start_with(config.node.executors, config.guild.dedicated_executors);
    Registry::new(executors, tools, bounds)
}
