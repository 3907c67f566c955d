//! Where the daemon listens: the socket and the admin endpoint, as far as the configuration is known.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use trousseau_server::grpc::{self, GrpcConfig};
use trousseau_server::socket::{Found, OwnedFile, answers};

use super::{Daemon, socket};
use crate::cli::Failure;
use crate::config::Socket;

/// How long after a refusal what can't be had is tried again.
pub(super) const AGAIN: Duration = Duration::from_secs(5);

/// How long after that, while a process that takes over can't answer yet.
const PROVEN: Duration = Duration::from_millis(250);

/// The socket, and what serves it.
pub(super) struct Serving {
    pub(super) file: OwnedFile,
    pub(super) socket: Socket,
    pub(super) config: GrpcConfig,
    /// Bound before there was a configuration, by what the flags said.
    pub(super) early: bool,
    pub(super) stop: CancellationToken,
    pub(super) task: JoinHandle<std::io::Result<()>>,
}

impl Daemon {
    /// Binds what can be bound by now.
    pub(super) async fn open(&mut self) -> Result<(), Failure> {
        self.open_admin().await?;
        self.open_socket().await
    }

    async fn open_admin(&mut self) -> Result<(), Failure> {
        let admin = self.config.as_ref().map_or(self.options.early_admin, |config| config.admin);
        self.admin.listen_on(admin, self.options.take_over).await
    }

    /// Where the socket shall be, as far as it is known.
    fn place(&self) -> Option<&Socket> {
        self.config.as_ref().map(|config| &config.socket).or(self.options.early_socket.as_ref())
    }

    /// The socket is another process's, and stays so until this one can answer. One that was passed on is ours, and so
    /// is a place at which nobody answers: there Status must be answered at once (I6).
    fn waits_to_take_over(&self) -> bool {
        let ours = |path: &Path| {
            self.serving.as_ref().is_some_and(|serving| serving.file.path() == path && serving.file.is_ours())
        };
        // To ask whether anybody answers is a connection, so it comes last.
        self.options.take_over
            && self.options.inherited.is_none()
            && !self.current.health().is_some_and(|health| health.ready)
            && self.place().is_some_and(|socket| !ours(&socket.path) && answers(&socket.path))
    }

    /// What was bound early is bound anew once the configuration says how.
    fn is_early(&self) -> bool {
        self.serving.as_ref().is_some_and(|serving| serving.early && self.config.is_some())
    }

    /// The file of the socket that we made is gone, and nobody can connect. One that was passed on is its unit's to make.
    fn is_lost(&self) -> bool {
        self.options.inherited.is_none()
            && self.serving.as_ref().is_some_and(|serving| serving.file.found() == Found::Nothing)
    }

    /// A process that takes over waits until it can answer, so long as `socket::TAKE_OVER`.
    async fn open_socket(&mut self) -> Result<(), Failure> {
        let early = self.is_early();
        if self.serving.is_some() && !early && !self.is_lost() {
            return Ok(());
        }
        // One that is lost comes back where it was: a change of its section counts after a restart.
        let lost = self.serving.as_ref().filter(|_| !early).map(|serving| &serving.socket);
        let Some(socket) = lost.or_else(|| self.place()).cloned() else {
            return Ok(());
        };
        let waits = self.waits_to_take_over();
        if waits && self.config.is_none() {
            // The other process answers better than one without a configuration, as long as it is there.
            self.again = Some(Instant::now() + AGAIN);
            return Ok(());
        }
        let published = match &self.options.inherited {
            Some(listener) => socket::inherit(listener, &socket)?,
            None => {
                let prepared = socket::prepare(&socket, self.options.take_over || early)?;
                if waits {
                    socket::wait_until_ready(&self.current, &socket.path).await?;
                }
                prepared.publish().await.map_err(|error| Failure::Failed(error.into()))?
            }
        };
        let config = socket::grpc_config(self.config.as_ref(), &socket);
        let (current, metrics, stop) = (Arc::clone(&self.current), Arc::clone(&self.metrics), self.stop.child_token());
        let task = tokio::spawn(grpc::serve(published.listener, config.clone(), current, metrics, stop.clone()));
        info!(path = %published.file.path().display(), take_over = self.options.take_over, "listening");
        let early_now = self.config.is_none();
        self.admin.set_listening(published.file.is_ours());
        let serving = Serving { file: published.file, socket, config, early: early_now, stop, task };
        if let Some(before) = self.serving.replace(serving) {
            before.stop.cancel();
        }
        Ok(())
    }

    /// Looks whether the socket is still where it was; true if another process has its place.
    pub(super) async fn look_at_socket(&mut self) -> bool {
        let Some(file) = self.serving.as_ref().map(|serving| &serving.file) else {
            self.admin.set_listening(false);
            return false;
        };
        let found = file.found();
        self.admin.set_listening(found == Found::Ours);
        match found {
            Found::Another => {
                info!(path = %file.path().display(), "another process took the socket over: draining");
                return true;
            }
            Found::Nothing if self.options.inherited.is_some() => {
                let text =
                    "its file is gone, and nobody can connect any more; run `systemctl restart` on the socket unit";
                if self.admin.note("socket", text.to_owned()) {
                    error!("the socket: {text}");
                }
            }
            Found::Nothing if self.again.is_none() => {
                warn!("the socket's file is gone: making it anew");
                self.open_or_say().await;
            }
            Found::Nothing | Found::Ours => {}
        }
        false
    }

    /// Binds what the configuration says; what can't be had is said and tried again, and nothing else ends for it.
    pub(super) async fn open_or_say(&mut self) {
        let admin = self.open_admin().await;
        let waits = (self.serving.is_none() || self.is_early() || self.is_lost()) && self.waits_to_take_over();
        let socket = if waits { Ok(()) } else { self.open_socket().await };
        if socket.is_err() && self.config.as_ref().is_some_and(|config| config.socket.allow.is_some()) {
            // The early socket lets in whom the configuration doesn't.
            self.serving.take_if(|serving| serving.early).inspect(|early| early.stop.cancel());
        }
        let outcome = socket.and(admin);
        // Each look at the other process is a connection to it.
        let wait = if self.config.is_some() { PROVEN } else { AGAIN };
        let pause = if outcome.is_err() { Some(AGAIN) } else { waits.then_some(wait) };
        self.again = pause.map(|pause| Instant::now() + pause);
        match outcome {
            Ok(()) if waits => {
                self.admin.note("listening", "takes the socket over once a probe was good".to_owned());
            }
            Ok(()) => self.admin.unnote("listening"),
            Err(Failure::Failed(error) | Failure::Usage(error)) => {
                let text = format!("{error:#}");
                if self.admin.note("listening", format!("not as configured: {text}")) {
                    error!(error = text, "what the configuration says can't be listened on; trying again");
                    self.metrics.reload("refused");
                }
            }
        }
    }
}
