//! The admin endpoint: /livez, /readyz, /healthz and /metrics over plain HTTP, GET and HEAD only.
//!
//! Nothing here asks the KMS (I7), and nothing here is secret; still it listens on loopback by default, and there only
//! answers requests whose Host is a loopback name, so that no page in a browser can read it by DNS rebinding.

mod listener;

use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{ConnectInfo, RawQuery, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use trousseau_observe::Metrics;

use crate::current::Current;
use listener::{Bounded, Peer};

/// What the pages are made from.
pub struct AdminState {
    /// The keyring in use.
    pub current: Arc<Current>,
    /// Whether kube-apiserver can connect.
    pub listening: AtomicBool,
    /// The registry behind /metrics.
    pub metrics: Arc<Metrics>,
    /// Lines for `/readyz?verbose` that the keyring doesn't know: configuration in use, pending or refused.
    pub notes: ArcSwap<Vec<String>>,
}

/// Which pages an endpoint has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// All four.
    All,
    /// /healthz for everybody, the others for this machine only: for the Go Trousseau's port, which kubelet reaches
    /// through the node's address.
    HealthzOnly,
}

/// Binds the endpoint.
///
/// # Errors
/// The operating system's, mostly an address in use; the caller names the address and the remedy.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until `stop` is cancelled.
///
/// # Errors
/// None that a client can cause.
pub async fn serve(
    listener: TcpListener,
    pages: Pages,
    state: Arc<AdminState>,
    stop: CancellationToken,
) -> io::Result<()> {
    let access = Access { pages, loopback: listener.local_addr()?.ip().is_loopback() };
    let router = Router::new()
        .route("/healthz", get(alive))
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(state)
        .layer(middleware::from_fn_with_state(access, admit));
    axum::serve(Bounded::new(listener), router.into_make_service_with_connect_info::<Peer>())
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

/// The process serves; the KMS isn't asked, and a bad configuration is no reason to be restarted.
async fn alive() -> &'static str {
    "ok\n"
}

async fn ready(State(state): State<Arc<AdminState>>, RawQuery(query): RawQuery) -> Response {
    let ready = state.listening.load(Ordering::Relaxed) && state.current.health().is_some_and(|health| health.ready);
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let verbose =
        query.is_some_and(|query| query.split('&').any(|word| word == "verbose" || word.starts_with("verbose=")));
    let mut page = if verbose { report(&state) } else { String::new() };
    page.push_str(if ready { "ok\n" } else { "not ready\n" });
    (code, page).into_response()
}

async fn metrics(State(state): State<Arc<AdminState>>) -> Response {
    let page = state.metrics.page(state.current.health().as_ref());
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], page).into_response()
}

/// One line a fact, `[+]` good, `[-]` bad, `[ ]` to know: the form of kube-apiserver's own pages.
fn report(state: &AdminState) -> String {
    let mut page = String::new();
    let mut line = |mark: char, text: String| {
        // Writing into a String can't fail.
        let _ = writeln!(page, "[{mark}] {text}");
    };
    if !state.listening.load(Ordering::Relaxed) {
        line('-', "nothing listens on the socket: kube-apiserver can't connect".into());
    }
    match state.current.get() {
        None => line('-', "no keyring: no usable configuration was read yet".into()),
        Some(keyring) => {
            let health = keyring.health();
            match &health.active {
                Some((key_id, version)) => {
                    line('+', format!("key_id {key_id} (version {version}, {})", key_id.kubernetes_hash()));
                }
                None => line('-', "no key version was proven yet".into()),
            }
            if let Some(reason) = &health.stopped {
                line('-', format!("encryption is stopped: {reason}"));
            }
            match (&health.proven, &health.failure) {
                (_, Some((kind, text))) => line('-', format!("last probe failed ({}): {text}", kind.label())),
                (Some(age), None) => line('+', format!("last good probe {} s ago", age.as_secs())),
                (None, None) => line('-', "no probe has ended yet".into()),
            }
            for (place, key) in keyring.keys().iter().enumerate() {
                let role = if place == 0 { "writes and reads" } else { "reads" };
                line(' ', format!("key `{}` ({}) {role}", key.name(), key.kind().name));
                for (good, part) in key.report() {
                    line(if good { '+' } else { '-' }, format!("key `{}`: {part}", key.name()));
                }
                if let Some(failure) = key.reading_failure() {
                    line('-', format!("key `{}` can't be read with right now: {failure}", key.name()));
                }
            }
        }
    }
    for note in state.notes.load().iter() {
        line(' ', note.clone());
    }
    page
}

/// Who may see what at one address.
#[derive(Clone, Copy)]
struct Access {
    pages: Pages,
    loopback: bool,
}

/// Refuses what isn't for this peer, and on loopback a Host that is no loopback name.
async fn admit(
    State(access): State<Access>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let private = access.pages == Pages::HealthzOnly && request.uri().path() != "/healthz";
    if private && !peer.is_loopback() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if (access.loopback || private) && !is_loopback(host) {
        return (StatusCode::FORBIDDEN, "this endpoint answers loopback names only\n").into_response();
    }
    next.run(request).await
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_loopback_names_pass() {
        for good in ["localhost", "localhost:8787", "127.0.0.1:1", "127.9.9.9", "[::1]:8787", "[::1]"] {
            assert!(is_loopback(good), "{good}");
        }
        for bad in ["", "evil.example", "evil.example:8787", "127.0.0.1.evil.example", "10.0.0.1:8787", "[fe80::1]:1"] {
            assert!(!is_loopback(bad), "{bad}");
        }
    }
}
