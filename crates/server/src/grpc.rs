//! The gRPC server: both APIs on one listener, and a drain with an end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tracing::warn;
use trousseau_core::events::{Bound, Event, Events as _};
use trousseau_kms_api::{v1beta1, v2};
use trousseau_observe::Metrics;

use crate::accept::Acceptor;
pub use crate::accept::Peers;
pub use crate::call::CallBounds;
use crate::call::Shared;
use crate::current::{Current, StatusVersion};
use crate::socket::Listener;
use crate::v1::V1;
use crate::v2::V2;

/// How the server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcConfig {
    /// What Status says of itself.
    pub status_version: StatusVersion,
    /// Who may connect; `None` = whoever the socket's mode lets.
    pub peers: Option<Peers>,
    /// Connections open at once; kube-apiserver needs one for each provider entry.
    pub connections: usize,
    /// Streams open at once on one connection.
    pub streams: u32,
    /// Bounds on one call.
    pub call: CallBounds,
    /// How long calls in flight may go on after a stop.
    pub drain: Duration,
}

impl Default for GrpcConfig {
    fn default() -> Self {
        Self {
            status_version: StatusVersion::default(),
            peers: None,
            connections: 64,
            streams: 1024,
            call: CallBounds::default(),
            drain: Duration::from_secs(10),
        }
    }
}

/// What a connection may still send after the last answer of a drain, before it is cut.
const AFTER_CUT: Duration = Duration::from_secs(1);

/// Serves until `stop` is cancelled, then drains: who connected by then is served, calls in flight end, at the bound what
/// is left is cut.
///
/// # Errors
/// The transport's own failure, which none of the clients can cause.
pub async fn serve(
    listener: Listener,
    config: GrpcConfig,
    current: Arc<Current>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> io::Result<()> {
    let shared =
        Shared { current, status_version: config.status_version, metrics: Arc::clone(&metrics), bounds: config.call };
    let cut = CancellationToken::new();
    let acceptor = Acceptor {
        listener,
        peers: config.peers,
        connections: config.connections,
        cut: cut.clone(),
        events: Arc::clone(&metrics) as _,
    };
    let (sender, receiver) = mpsc::channel(16);
    let accepting = tokio::spawn(acceptor.run(stop.clone(), sender));
    // Decoding stops a little above our own bound, so that a request just over it is counted and answered by name.
    let decode = config.call.request.saturating_mul(2);
    let v1 = v1beta1::key_management_service_server::KeyManagementServiceServer::new(V1(shared.clone()))
        .max_decoding_message_size(decode);
    let v2 = v2::key_management_service_server::KeyManagementServiceServer::new(V2(shared))
        .max_decoding_message_size(decode);
    let serving = Server::builder()
        .max_concurrent_streams(config.streams)
        .add_service(v1)
        .add_service(v2)
        // The end of the stream is the signal: after a stop the acceptor still hands over who had connected.
        .serve_with_incoming_shutdown(ReceiverStream::new(receiver), std::future::pending());
    let drain = async {
        stop.cancelled().await;
        tokio::time::sleep(config.drain).await;
        metrics.on(&Event::BoundHit(Bound::Drain));
        warn!(after = ?config.drain, "calls or silent clients were left at the end of the drain; they are cut");
        cut.cancel();
        tokio::time::sleep(AFTER_CUT).await;
    };
    let outcome = tokio::select! {
        outcome = serving => outcome.map_err(io::Error::other),
        () = drain => Ok(()),
    };
    accepting.abort();
    outcome
}
