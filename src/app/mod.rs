//! The composition root: opens the store, builds every room, starts and stops them in order.
//!
//! Owns the order of start and stop and the way from the configuration to each room's settings.
//! The only place that knows every room.
//!
//! Start: lock and open the store → recover the relay → bind → serve → `READY=1`.
//! Stop: `STOPPING=1` → no new connections, requests under way are answered → no new attempts →
//! those in flight end or the grace is over → outcomes are stored → the store closes last. A kill
//! at any line is as safe as the list.

pub mod demo;
mod listeners;
pub mod offline;
mod salvage;
pub mod selftest;
mod settings;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::api::front::{self, Accepting, Core, Listener, Site};
use crate::api::{admin, command, helpdesk, manage};
use crate::auth::caller::{Callers, Secrets};
use crate::auth::seal::Sealer;
use crate::auth::vault::Vault;
use crate::cli;
use crate::clock::{Clock, Entropy, Timestamp};
use crate::config::{Config, KEY_CREDENTIAL, LogFormat};
use crate::delivery::http::Sender;
use crate::domain::release;
use crate::limit::Limits;
use crate::ops::logging::{Form, Logging, Surroundings};
use crate::ops::notify::{Notifier, Progress, Watchdog, watchdog_interval};
use crate::ops::signals::Signals;
use crate::relay::handle::{Handle, Pulse};
use crate::relay::outbound::Outbound;
use crate::relay::{housekeeping, shell};
use crate::store::sled::{OpenError, SledStore};
use crate::store::{Database, Store, keys};

/// How often the drain says who is still busy.
const ROLL_CALL: Duration = Duration::from_secs(5);

/// Why the daemon does not start. The text says what to do.
#[derive(Debug)]
pub enum StartError {
    /// The sealing key cannot be used.
    Key(String),
    /// The store cannot be opened.
    Store(OpenError),
    /// What is stored cannot be read.
    Recover(String),
    /// The HTTP client cannot be built.
    Client(String),
    /// A socket cannot be bound.
    Bind(String, io::Error),
    /// The TLS certificate or key cannot be used.
    Certificate(String),
    /// The service manager cannot be told.
    Notify(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(text) | Self::Client(text) | Self::Certificate(text) => out.write_str(text),
            Self::Store(error) => write!(out, "{error}"),
            Self::Recover(text) => write!(
                out,
                "what is stored cannot be read: {text}. Next: hookrelay store verify names what is \
                 damaged, and hookrelay store salvage what can still be read; then restore a backup"
            ),
            Self::Bind(what, error) => write!(out, "cannot listen on {what}: {error}"),
            Self::Notify(error) => write!(out, "NOTIFY_SOCKET cannot be used: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Runs the daemon until it is told to stop. The error says what to do.
pub fn serve(config: Config, reload: cli::Reload) -> Result<(), String> {
    runtime()?.block_on(async move {
        let mut signals =
            Signals::catch().map_err(|error| format!("signals cannot be caught: {error}"))?;
        let form = match config.log.format {
            LogFormat::Auto => Surroundings::detect().form(),
            LogFormat::Human => Form::Human { colour: false },
            LogFormat::Json => Form::Json,
            LogFormat::Journald => Form::Journald,
        };
        let logging =
            Logging::install(config.log.level.into(), form).map_err(|error| error.to_string())?;
        // One line of the log, like everything else.
        std::panic::set_hook(Box::new(
            |panic| tracing::error!(%panic, "a thread panicked"),
        ));
        let teller = logging.clone();
        tokio::spawn(async move { teller.tell_repetitions().await });
        let daemon = Daemon::start(&config)
            .await
            .map_err(|error| error.to_string())?;
        let started = config;
        let mut running = started.clone();
        let next = async || {
            tokio::select! {
                signal = signals.shutdown.next() => Ordered::Stop(signal),
                () = signals.reload.next() => Ordered::Reload,
            }
        };
        attend(daemon, next, |daemon| {
            read_again(&started, &mut running, &reload, &logging, daemon);
        })
        .await
    })
}

/// What a signal orders.
enum Ordered {
    /// To stop; by this signal.
    Stop(&'static str),
    /// To read the configuration again.
    Reload,
}

/// Does what is ordered until that is to stop. The error says why the daemon could not go on.
async fn attend(
    daemon: Daemon,
    mut next: impl AsyncFnMut() -> Ordered,
    mut reload: impl FnMut(&Daemon),
) -> Result<(), String> {
    let mut relay_over = daemon.relay_over.clone();
    let signal = loop {
        tokio::select! {
            ordered = next() => match ordered {
                Ordered::Stop(signal) => break signal,
                Ordered::Reload => reload(&daemon),
            },
            // Only a panic ends it before it is told to drain.
            _ = relay_over.wait_for(|over| *over) => {
                tracing::error!("the relay has failed; nothing would be delivered any more");
                daemon.stop(std::future::ready(())).await;
                return Err("the relay has failed; the log has the reason".into());
            }
        }
    };
    tracing::info!(signal, "stopping");
    daemon
        .stop(async move {
            // A second order to stop is the operator's impatience.
            while matches!(next().await, Ordered::Reload) {}
        })
        .await;
    Ok(())
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the runtime does not start: {error}"))
}

/// Reads the configuration again; a mistaken one changes nothing. What waits for a restart is
/// told against what was started with, every time, because it is not over by being told.
fn read_again(
    started: &Config,
    running: &mut Config,
    again: &cli::Reload,
    logging: &Logging,
    daemon: &Daemon,
) {
    let newer = match again.load() {
        Ok(newer) => newer,
        Err(error) => {
            tracing::error!(%error, "the configuration is mistaken and not taken over");
            return;
        }
    };
    if let Err(error) = logging.set_level(newer.log.level.into()) {
        tracing::error!(%error, "the log level stays as it was");
    }
    daemon.reload(&newer);
    tracing::info!(
        taken_over = running.changes(&newer).reloadable.join(" "),
        wait_for_restart = started.changes(&newer).restart.join(" "),
        "configuration read again"
    );
    *running = newer;
}

/// What an installation keeps for itself.
#[derive(Debug, Serialize, Deserialize)]
struct Installation {
    /// Behind batch ids.
    batch_key: [u8; 32],
}

/// A daemon that runs.
pub struct Daemon {
    store: Arc<SledStore>,
    relay: Handle,
    /// True once the relay's loop has ended, for whatever reason.
    relay_over: watch::Receiver<bool>,
    /// A test ends the loop by it.
    #[cfg(test)]
    relay_task: tokio::task::AbortHandle,
    fronts: Vec<tokio::task::JoinHandle<front::Drained>>,
    stop: watch::Sender<bool>,
    core: Arc<Core>,
    grace: Duration,
    notifier: Notifier,
    certificates: listeners::Certificates,
    socket: PathBuf,
    /// Where plain HTTP is served.
    pub addresses: Vec<SocketAddr>,
}

impl Pulse for Progress {
    fn advance(&self) {
        Progress::advance(self);
    }

    fn rest(&self, until: Option<Timestamp>) {
        Progress::rest(self, until);
    }
}

impl Daemon {
    /// Starts every room. When this returns, requests are answered.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        let notifier = Notifier::from_environment().map_err(StartError::Notify)?;
        let (clock, entropy) = (Clock::system(), Entropy::system());
        let started = clock.now();
        let store = open_store(config, &clock).await?;
        let sealer = Arc::new(sealer(config, &entropy)?);
        let database = Database::new(
            store.clone() as Arc<dyn Store>,
            clock.clone(),
            entropy.clone(),
        );
        let installation = installation(&database).await?;

        let sender = Sender::new(settings::delivery(config), clock.clone())
            .map_err(|error| StartError::Client(error.to_string()))?;
        let outbound = Outbound::new(sender, sealer.clone(), database.clone());
        let progress = Progress::default();
        let relay_settings = settings::relay(config, installation.batch_key);
        let (relay, relay_task) = shell::start(
            database.clone(),
            outbound,
            relay_settings.clone(),
            Arc::new(progress.clone()),
        )
        .await
        .map_err(|error| StartError::Recover(error.to_string()))?;
        #[cfg(test)]
        let abort = relay_task.abort_handle();
        let relay_over = watched(relay_task);
        let space = space_of(store.clone());
        let rounds = housekeeping::run(database.clone(), relay.clone(), relay_settings, space);
        tokio::spawn(rounds);

        let vault: Arc<dyn Secrets> =
            Arc::new(Vault::new(sealer, entropy, settings::validity(config)));
        let callers = Callers::new(database.clone(), vault)
            .map_err(|error| StartError::Key(error.to_string()))?;
        let core = Arc::new(Core {
            db: database,
            callers,
            limits: Limits::new(settings::limits(config), clock.clone()),
            accepting: Accepting::default(),
            live: Arc::new(relay.clone()),
            settings: settings::front(config),
        });
        let listening = Arc::new(OnceLock::new());
        let (public, operator) = sites(&core, &relay, config, started, &store, &listening);
        let bound = listeners::bind(config, &public, &operator).await?;
        let addresses = bound.addresses;
        // Set once in this process's life, right here.
        let _ = listening.set(addresses.clone());
        let (stop, stopping) = watch::channel(false);
        let grace: Duration = config.shutdown.grace.into();
        let max = config.http.max_connections as usize;
        let fronts = vec![
            open_front(bound.public, max, stopping.clone(), grace),
            open_front(
                vec![bound.operator],
                listeners::MAX_OPERATORS,
                stopping,
                grace,
            ),
        ];
        if let Some(watchdog) =
            Watchdog::new(notifier.clone(), progress, clock, watchdog_interval())
        {
            tokio::spawn(watchdog.run());
        }
        let shown = |addresses: &[SocketAddr]| {
            let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            texts.join(" ")
        };
        tracing::info!(
            listen = shown(&addresses.listen),
            tls_listen = shown(&addresses.tls_listen),
            socket = %config.admin.socket.display(),
            "hookrelay serves"
        );
        notifier.ready("serving");
        Ok(Self {
            store,
            relay,
            relay_over,
            #[cfg(test)]
            relay_task: abort,
            fronts,
            stop,
            core,
            grace,
            notifier,
            certificates: bound.certificates,
            socket: config.admin.socket.clone(),
            addresses: addresses.listen,
        })
    }

    /// Takes over what a newer configuration may change while running.
    pub fn reload(&self, config: &Config) {
        self.core.limits.set(settings::limits(config));
        if let Err(error) = self.certificates.load(config) {
            tracing::error!(%error, "the certificates stay as they were");
        }
    }

    /// Stops every room in order. `impatient` resolves when the operator will not wait.
    pub async fn stop(self, impatient: impl Future<Output = ()>) {
        self.notifier.stopping("draining");
        tracing::info!("draining: no new connections and no new attempts");
        let deadline = tokio::time::sleep(self.grace);
        let _ = self.stop.send(true);
        self.relay.drain();
        let drained = async {
            for front in self.fronts {
                // A front that panicked has nothing left to drain.
                let _ = front.await;
            }
            let mut over = self.relay_over;
            loop {
                tokio::select! {
                    _ = over.wait_for(|over| *over) => return,
                    () = tokio::time::sleep(ROLL_CALL) => {
                        let busy: Vec<String> =
                            self.relay.busy().await.iter().map(ToString::to_string).collect();
                        tracing::info!(busy = busy.join(" "), "waiting for attempts in flight");
                    }
                }
            }
        };
        tokio::select! {
            () = drained => tracing::info!("drained"),
            () = deadline => tracing::warn!("the grace is over; what is in flight will be repeated"),
            () = impatient => tracing::warn!("not waiting any longer, as ordered"),
        }
        let store = self.store;
        // Blocks until everything queued is on the disk.
        let _ = tokio::task::spawn_blocking(move || store.close()).await;
        let _ = std::fs::remove_file(&self.socket);
        tracing::info!("stopped");
    }
}

/// Says when the relay's loop has ended, for whatever reason.
fn watched(relay_task: tokio::task::JoinHandle<()>) -> watch::Receiver<bool> {
    let (over, relay_over) = watch::channel(false);
    tokio::spawn(async move {
        if let Err(error) = relay_task.await {
            tracing::error!(%error, "the relay's loop has failed");
        }
        // Nobody listens any more when the daemon is gone.
        let _ = over.send(true);
    });
    relay_over
}

/// Where the store has little space left.
fn space_of(store: Arc<SledStore>) -> housekeeping::Space {
    Box::new(move || {
        let pressure = store.pressure();
        housekeeping::Shortage {
            installation: pressure.installation,
            accounts: pressure.accounts.into_iter().collect(),
        }
    })
}

async fn open_store(config: &Config, clock: &Clock) -> Result<Arc<SledStore>, StartError> {
    let path = config.store.path.clone();
    let (settings, clock) = (settings::store(config), clock.clone());
    let opened = tokio::task::spawn_blocking(move || SledStore::open(&path, settings, clock)).await;
    match opened {
        Ok(opened) => opened.map(Arc::new).map_err(StartError::Store),
        Err(_) => Err(StartError::Recover("opening the store panicked".into())),
    }
}

fn sealer(config: &Config, entropy: &Entropy) -> Result<Sealer, StartError> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let path = config
        .secrets
        .path(&config.store.path, credentials.as_deref(), Path::exists);
    let is_credential = credentials.is_some_and(|directory| path == directory.join(KEY_CREDENTIAL));
    let sealer = if is_credential {
        Sealer::from_credential(&path, entropy.clone())
    } else {
        Sealer::from_file(&path, entropy.clone())
    };
    sealer.map_err(|error| StartError::Key(error.to_string()))
}

async fn installation(database: &Database) -> Result<Installation, StartError> {
    let made = database.transact(&[], |tx| async move {
        release::started(&tx, release::VERSION).await?;
        if let Some(known) = tx.read(&keys::installation()).await? {
            return Ok(known);
        }
        let fresh = Installation {
            batch_key: tx.entropy().bytes(),
        };
        tx.put(keys::installation(), &fresh)?;
        Ok(fresh)
    });
    made.await
        .map_err(|error| StartError::Recover(error.to_string()))
}

fn sites(
    core: &Arc<Core>,
    relay: &Handle,
    config: &Config,
    started: Timestamp,
    store: &Arc<SledStore>,
    listening: &Arc<OnceLock<admin::Listening>>,
) -> (Arc<Site>, Arc<Site>) {
    let context = Arc::new(manage::Context {
        live: Arc::new(relay.clone()),
        urls: Arc::new(settings::Rules::new(config)),
        batch: settings::batch_defaults(config),
    });
    let public = Site::new(
        core.clone(),
        vec![
            command::mount(core),
            helpdesk::mount(core),
            manage::mount(core, &context),
        ],
    );
    let figures = store.clone();
    let operator = Arc::new(admin::Context {
        core: core.clone(),
        live: Arc::new(relay.clone()),
        started,
        listening: listening.clone(),
        store: Arc::new(move || settings::store_figures(&figures)),
    });
    let mount = admin::mount(&operator, |prefix, gate| {
        manage::routes(prefix, gate, &context).merge(command::routes(prefix, gate))
    });
    (
        Arc::new(public),
        Arc::new(Site::new(core.clone(), vec![mount])),
    )
}

fn open_front(
    listeners: Vec<Listener>,
    max_connections: usize,
    mut stopping: watch::Receiver<bool>,
    grace: Duration,
) -> tokio::task::JoinHandle<front::Drained> {
    tokio::spawn(async move {
        let shutdown = async move {
            // The sender goes away only with the daemon, which is a reason to stop as well.
            let _ = stopping.wait_for(|stop| *stop).await;
        };
        front::run(listeners, max_connections, shutdown, grace).await
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layers;

    fn configuration(folder: &Path) -> Config {
        let path = |name: &str| folder.join(name).display().to_string();
        let flags = vec![
            format!("store.path={}", path("data")),
            format!("admin.socket={}", path("admin.sock")),
            "http.listen=127.0.0.1:0".to_owned(),
            "http.insecure_loopback=true".to_owned(),
        ];
        let layers = Layers {
            flags,
            ..Layers::default()
        };
        Config::parse(layers).unwrap()
    }

    #[test]
    fn a_relay_that_fails_ends_the_daemon_with_an_error_and_a_closed_store() {
        let folder = tempfile::tempdir().unwrap();
        let config = configuration(folder.path());
        let ended = runtime().unwrap().block_on(async {
            let daemon = Daemon::start(&config).await.unwrap();
            // As a panic would: the task is gone before it was told to drain.
            daemon.relay_task.abort();
            attend(daemon, std::future::pending::<Ordered>, |_| ()).await
        });
        let why = ended.unwrap_err();
        assert!(why.contains("the relay has failed"), "{why}");
        assert!(!config.admin.socket.exists());
        let settings = settings::store(&config);
        let again = SledStore::open(&config.store.path, settings, Clock::system());
        again.expect("the data directory is free again").close();
    }
}
