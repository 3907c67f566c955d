//! The socket: how it is connected to, and who is behind it.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::codegen::Service;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

/// A socket's path, and what connecting to it has shown.
#[derive(Clone, Debug)]
pub(super) struct Target {
    socket: PathBuf,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    pid: AtomicI32,
    connects: AtomicU64,
}

/// A local socket is there at once or not at all.
const CONNECT: Duration = Duration::from_secs(5);

impl Target {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket, seen: Arc::default() }
    }

    /// A connection that is made again by the next call after it broke, to whatever then lies at the path.
    ///
    /// # Errors
    /// A path where nothing listens, or that we may not connect to.
    pub(super) async fn connect(&self) -> anyhow::Result<Channel> {
        let path = self.socket.display();
        UnixStream::connect(&self.socket).await.with_context(|| {
            format!("can't connect to {path}; is the plugin running, is this its socket, and may you use it?")
        })?;
        // What kube-apiserver sends as authority since 1.29.
        let endpoint = Endpoint::from_static("http://localhost").connect_timeout(CONNECT);
        endpoint.connect_with_connector(self.clone()).await.with_context(|| format!("can't connect to {path}"))
    }

    /// The process that listens, as the newest connection's peer credentials name it.
    pub(super) fn pid(&self) -> Option<i32> {
        Some(self.seen.pid.load(Ordering::Relaxed)).filter(|pid| *pid > 0)
    }

    /// Connections made so far.
    pub(super) fn connects(&self) -> u64 {
        self.seen.connects.load(Ordering::Relaxed)
    }
}

impl Service<Uri> for Target {
    type Response = TokioIo<UnixStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { socket, seen } = self.clone();
        Box::pin(async move {
            let stream = UnixStream::connect(&socket).await?;
            seen.pid.store(stream.peer_cred()?.pid().unwrap_or_default(), Ordering::Relaxed);
            seen.connects.fetch_add(1, Ordering::Relaxed);
            Ok(TokioIo::new(stream))
        })
    }
}
