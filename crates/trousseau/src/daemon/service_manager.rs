//! What is said to the service manager (sd_notify(3)) and taken from it (sd_listen_fds(3)). Without systemd, nothing.

use std::os::unix::net::UnixListener;

use anyhow::{Context as _, bail};
use listenfd::ListenFd;
use sd_notify::{NotifyState, notify, watchdog_enabled};
use tracing::warn;
use trousseau_server::Current;

/// The socket that a `.socket` unit passed on, if one did.
///
/// # Errors
/// Something else than one Unix stream socket.
pub fn inherited_socket() -> anyhow::Result<Option<UnixListener>> {
    let mut passed = ListenFd::from_env();
    match passed.len() {
        0 => Ok(None),
        1 => passed.take_unix_listener(0).context("the socket unit passed on no Unix stream socket; see ListenStream="),
        several => bail!("the socket unit passed on {several} sockets; leave one ListenStream= in it"),
    }
}

/// The conversation of one process.
#[derive(Debug, Default)]
pub(super) struct ServiceManager {
    status: String,
}

impl ServiceManager {
    /// Started, or done with a reload. Ready is who answers on the socket, whatever the KMS says: what starts after us
    /// (kube-apiserver) must not wait for a KMS that may need it.
    pub(super) fn ready(&self) {
        say(&[NotifyState::Ready]);
    }

    /// Reading the configuration again; [`ready`](Self::ready) follows.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => say(&[NotifyState::Reloading, now]),
            Err(error) => warn!(%error, "no monotonic clock: the service manager is not told of the reload"),
        }
    }

    /// No new calls from now on.
    pub(super) fn stopping(&self) {
        say(&[NotifyState::Stopping, NotifyState::Status("draining")]);
    }

    /// Still turning, and how it is. Said by a task of its own, so that both the main loop, which calls this, and the
    /// workers, which serve the socket, must turn for it.
    pub(super) fn alive(&mut self, current: &Current, listening: bool) {
        if watchdog_enabled().is_some() {
            tokio::spawn(async { say(&[NotifyState::Watchdog]) });
        }
        let mut status = status(current);
        if !listening {
            status.push_str("; not listening");
        }
        if status != self.status {
            say(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }
}

fn status(current: &Current) -> String {
    let Some(health) = current.health() else {
        return "waiting for a configuration".to_owned();
    };
    let trouble = health.stopped.as_ref().map(ToString::to_string);
    let trouble = trouble.or_else(|| health.failure.as_ref().map(|(kind, text)| format!("{}: {text}", kind.label())));
    match (&health.active, trouble) {
        (Some((key_id, _)), None) => format!("encrypting under {key_id}"),
        (Some((key_id, _)), Some(trouble)) => format!("key {key_id}, {trouble}"),
        (None, Some(trouble)) => format!("no key is proven yet: {trouble}"),
        (None, None) => "no key is proven yet".to_owned(),
    }
}

fn say(states: &[NotifyState<'_>]) {
    // Without NOTIFY_SOCKET this does nothing, and a manager that went away is no reason to stop.
    if let Err(error) = notify(states) {
        warn!(%error, "the service manager can't be told");
    }
}
