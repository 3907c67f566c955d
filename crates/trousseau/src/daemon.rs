//! `serve`, from the first look at the configuration to the end of the drain.

mod accounts;
mod admin;
mod configuration;
mod listen;
mod service_manager;
mod socket;

use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};
use trousseau_core::Clock;
use trousseau_core::section::Host;
use trousseau_observe::Metrics;
use trousseau_observe::log::Log;
use trousseau_server::Current;

use crate::cli::Failure;
use crate::config::process_environment;
use crate::config::{Admin, Config, ConfigError, Loaded, Socket};
use crate::reload::{Cause, Reloader};
use crate::watch::Watcher;
use crate::wire::{Surroundings, providers};

use admin::AdminEndpoint;
use configuration::Refused;
use listen::Serving;
use service_manager::ServiceManager;
pub use service_manager::inherited_socket;

/// Where the configuration comes from.
pub enum Source {
    /// A file, perhaps one that comes late, and how it is read; watched from then on.
    File(PathBuf, Box<dyn Fn() -> Result<Loaded, ConfigError> + Send>),
    /// Flags alone: nothing to reload.
    Fixed(Box<Loaded>),
}

/// What the command line decided.
pub struct Options {
    /// The configuration.
    pub source: Source,
    /// A socket that is bound before there is a configuration.
    pub early_socket: Option<Socket>,
    /// The admin endpoint for the time before there is a configuration; `None` = off.
    pub early_admin: Option<Admin>,
    /// Take the socket over from a process that answers on it.
    pub take_over: bool,
    /// The socket that the service manager passed on; it counts instead of a configured one.
    pub inherited: Option<UnixListener>,
    /// The log, to set its level on a reload.
    pub log: Log,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
}

/// How often the slow things are looked at: pending configuration, socket file, notes.
const TICK: Duration = Duration::from_secs(1);

/// Runs until SIGTERM, SIGINT, or until another process took the socket over.
///
/// # Errors
/// A configuration that is bad at start; a socket or port that can't be had.
pub async fn run(options: Options) -> Result<(), Failure> {
    let mut daemon = Daemon::new(options)?;
    let mut signals = Signals::new().context("can't listen for signals")?;
    daemon.first_look()?;
    // A take-over may wait here, and whoever stops it then must not have to.
    let stopped = tokio::select! {
        opened = daemon.open() => { opened?; false }
        _ = signals.terminate.recv() => true,
        _ = signals.interrupt.recv() => true,
    };
    let outcome = if stopped { Ok(()) } else { daemon.turn(&mut signals).await };
    daemon.close().await;
    outcome
}

struct Daemon {
    options: Options,
    metrics: Arc<Metrics>,
    current: Arc<Current>,
    reloader: Reloader,
    admin: AdminEndpoint,
    manager: ServiceManager,
    /// The configuration in use, or the newest one that could be read.
    config: Option<Config>,
    digest: Option<[u8; 32]>,
    serving: Option<Serving>,
    /// The file as it was last read was refused.
    refused: Option<Refused>,
    /// When what can't be had yet is tried again: a configuration, a socket, a port.
    again: Option<Instant>,
    stop: CancellationToken,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user1: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
        })
    }
}

impl Daemon {
    fn new(options: Options) -> Result<Self, Failure> {
        let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION"), &providers()));
        let current = Arc::new(Current::default());
        let around = Surroundings {
            host: Host {
                environment: process_environment(),
                credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
            },
            clock: Arc::clone(&options.clock),
            events: Arc::clone(&metrics) as _,
        };
        let reloader = Reloader::new(Arc::clone(&current), Arc::clone(&metrics), around);
        let admin = AdminEndpoint::new(Arc::clone(&current), Arc::clone(&metrics));
        info!(version = env!("CARGO_PKG_VERSION"), providers = providers(), "starting");
        Ok(Self {
            options,
            metrics,
            current,
            reloader,
            admin,
            manager: ServiceManager::default(),
            config: None,
            digest: None,
            serving: None,
            refused: None,
            again: None,
            stop: CancellationToken::new(),
        })
    }

    /// Everything that happens between start and stop.
    async fn turn(&mut self, signals: &mut Signals) -> Result<(), Failure> {
        let mut watcher = match &self.options.source {
            Source::File(path, _) => Some(Watcher::new([path.clone()], POLL)),
            Source::Fixed(_) => None,
        };
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.manager.ready();
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => { info!("SIGTERM: draining"); return Ok(()); }
                _ = signals.interrupt.recv() => { info!("SIGINT: draining"); return Ok(()); }
                _ = signals.hangup.recv() => {
                    self.manager.reloading();
                    self.reload(Cause::Hangup).await;
                    self.manager.ready();
                }
                _ = signals.user1.recv() => {
                    let debugging = self.options.log.toggle_debug();
                    info!(debugging, "SIGUSR1: log level switched");
                }
                () = changed(watcher.as_mut()) => self.reload(Cause::Change).await,
                _ = tick.tick() => {
                    self.manager.alive(&self.current, self.admin.is_listening());
                    if self.again.is_some_and(|at| at <= Instant::now()) {
                        self.try_again().await;
                    }
                    let pending = self.reloader.is_pending();
                    if let Err(error) = self.reloader.advance().await {
                        error!(error = format!("{error:#}"), "the new configuration was given up");
                        self.admin.note("configuration", format!("given up: {error:#}"));
                    } else if pending && !self.reloader.is_pending() && self.refused.is_none() {
                        self.admin.note("configuration", "in use".to_owned());
                    }
                    if self.look_at_socket().await {
                        return Ok(());
                    }
                    if self.serving.as_ref().is_some_and(|serving| serving.task.is_finished()) {
                        return Err(Failure::Failed(anyhow!("the gRPC server ended by itself")));
                    }
                }
            }
        }
    }

    /// Ends: no new call, the calls in flight to their end or to the bound, then the files and ports.
    async fn close(mut self) {
        self.manager.stopping();
        let serving = self.serving.take().map(|Serving { file, task, .. }| {
            // A new process may bind while we drain: the path is free, or already another's. Before the stop, so that
            // nobody connects behind the last one that is accepted.
            drop(file);
            task
        });
        self.stop.cancel();
        if let Some(task) = serving
            && let Ok(Err(error)) = task.await
        {
            error!(%error, "the gRPC server failed");
        }
        self.admin.close().await;
        info!("stopped");
    }
}

/// How often the file's content is looked at, for changes that no watch tells.
const POLL: Duration = Duration::from_secs(30);

async fn changed(watcher: Option<&mut Watcher>) {
    match watcher {
        Some(watcher) => watcher.changed().await,
        None => std::future::pending().await,
    }
}
