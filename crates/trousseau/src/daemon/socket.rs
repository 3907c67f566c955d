//! From the `socket:` section to a bound socket.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::time::{Instant, sleep};
use tracing::warn;
use trousseau_server::grpc::{CallBounds, GrpcConfig, Peers};
use trousseau_server::socket::{self, Prepared, Published, SocketConfig};
use trousseau_server::{Current, StatusVersion};

use super::accounts;
use crate::cli::Failure;
use crate::config::{self, Config, Socket};

/// How long a process that takes over may need for its first good probe.
pub(super) const TAKE_OVER: Duration = Duration::from_secs(30);

/// How often it looks whether the other process is still there: each look is a connection.
const LOOK: Duration = Duration::from_secs(1);

pub(super) fn prepare(section: &Socket, take_over: bool) -> Result<Prepared, Failure> {
    let uid = section.owner.as_deref().map(accounts::user).transpose();
    let gid = section.group.as_deref().map(accounts::group).transpose();
    let config = SocketConfig {
        path: section.path.clone(),
        mode: section.mode.0,
        uid: uid.context("socket.owner").map_err(Failure::Failed)?,
        gid: gid.context("socket.group").map_err(Failure::Failed)?,
        take_over,
    };
    socket::prepare(config).map_err(|error| Failure::Failed(error.into()))
}

/// The service manager's socket as it is: place, mode and owner are its unit's.
pub(super) fn inherit(listener: &UnixListener, section: &Socket) -> Result<Published, Failure> {
    let published = socket::inherit(listener).context("the socket of the service manager").map_err(Failure::Failed)?;
    let (path, configured) = (published.file.path().display(), section.path.display());
    if published.file.path() != section.path {
        warn!(%path, %configured, "the socket unit's ListenStream= counts and not `socket.path`; make them the same");
    }
    Ok(published)
}

/// A process that takes over does so only once it can answer, or once nobody else does.
pub(super) async fn wait_until_ready(current: &Current, path: &Path) -> Result<(), Failure> {
    let end = Instant::now() + TAKE_OVER;
    let mut look = Instant::now() + LOOK;
    while !current.health().is_some_and(|health| health.ready) {
        if Instant::now() >= look {
            if !socket::answers(path) {
                return Ok(());
            }
            look = Instant::now() + LOOK;
        }
        if Instant::now() >= end {
            return Err(Failure::Failed(anyhow!(
                "no good probe within {} s: the socket is not taken over, the process there goes on",
                TAKE_OVER.as_secs()
            )));
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

pub(super) fn grpc_config(config: Option<&Config>, section: &Socket) -> GrpcConfig {
    let peers = section.allow.clone().map(|allow| Peers { uids: allow.uids, gids: allow.gids });
    let base = GrpcConfig { peers, ..GrpcConfig::default() };
    let Some(config) = config else {
        return base;
    };
    GrpcConfig {
        status_version: match config.status_version {
            config::StatusVersion::V2 => StatusVersion::V2,
            config::StatusVersion::V2beta1 => StatusVersion::V2Beta1,
        },
        connections: config.limits.connections,
        call: CallBounds { request: config.limits.request.0, margin: config.limits.margin },
        drain: config.limits.drain,
        ..base
    }
}
