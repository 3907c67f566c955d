//! A scripted HTTPS server, for the faults that a real server won't produce on demand: a body cut short, a byte a
//! second, a handshake that never ends, a lie in well-formed JSON.
//!
//! It proves nothing about any real server. What a real one answers is learned from the real one.
#![expect(clippy::expect_used, reason = "a test whose server can't start has nothing to go on with")]

mod connection;
mod reply;
mod request;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustls::crypto::aws_lc_rs;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::sync::oneshot;

use self::connection::serve;
pub use self::reply::Reply;
pub use self::request::Request;
use crate::ca::{Leaf, TestCa};

/// An HTTP/1.1 server on 127.0.0.1 that answers each request as its script says, and remembers it.
///
/// It runs on a thread of its own, so a test may block, or pause tokio's clock; delays here are real time. Dropping
/// it closes all connections. Request bodies need a `Content-Length`.
///
/// ```
/// use trousseau_testkit::ca::TestCa;
/// use trousseau_testkit::https::{Front, Reply, ScriptedServer};
///
/// let ca = TestCa::new();
/// let server = ScriptedServer::start(Front::tls(&ca.server(&["127.0.0.1"])), |request| {
///     match request.path.as_str() {
///         "/v1/sys/health" => Reply::json(200, &serde_json::json!({"sealed": false})),
///         "/v1/transit/encrypt/k" if request.number == 0 => Reply::json(200, &serde_json::json!({})).cut_at(1),
///         _ => Reply::new(503),
///     }
/// });
/// assert!(server.url().starts_with("https://127.0.0.1:"));
/// assert_eq!((server.connections(), server.requests().len()), (0, 0));
/// ```
pub struct ScriptedServer {
    address: SocketAddr,
    scheme: &'static str,
    seen: Arc<Seen>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What a client meets before its first request.
#[derive(Clone, Debug)]
pub enum Front {
    /// Plain HTTP.
    Plain,
    /// TLS 1.2 and 1.3.
    Tls(Arc<ServerConfig>),
    /// The connection is accepted, and then nothing: no handshake, no answer, no close.
    Silence,
}

/// What all connections write down.
struct Seen {
    script: Box<dyn Fn(&Request) -> Reply + Send + Sync>,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    connections: usize,
    requests: Vec<Request>,
}

impl ScriptedServer {
    /// Listens on a free port and serves until dropped. The script runs once per request, on the server's thread; a
    /// panic in it closes that connection without an answer.
    ///
    /// # Panics
    ///
    /// If no port or thread is to be had.
    #[must_use]
    pub fn start(front: Front, script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("the port's number");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let scheme = if matches!(front, Front::Plain) { "http" } else { "https" };
        let seen = Arc::new(Seen { script: Box::new(script), log: Mutex::default() });
        let (stop, stopped) = oneshot::channel();
        let on_thread = Arc::clone(&seen);
        let thread = std::thread::Builder::new().name("scripted-server".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("the listener");
                tokio::select! {
                    () = serve(listener, front, on_thread) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, scheme, seen, stop: Some(stop), thread: Some(thread.expect("a thread")) }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `https://127.0.0.1:PORT`, or `http://` for [`Front::Plain`].
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// How many TCP connections were accepted so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.seen.log().connections
    }

    /// The requests so far, in the order in which they were read.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.seen.log().requests.clone()
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic over there has been printed already.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for ScriptedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScriptedServer({})", self.url())
    }
}

impl Front {
    /// TLS with this certificate; clients show none.
    ///
    /// # Panics
    ///
    /// If the certificate can't be used by a server; so does [`Front::mutual_tls`].
    #[must_use]
    pub fn tls(leaf: &Leaf) -> Self {
        Self::with(leaf, Arc::new(NoClientAuth))
    }

    /// TLS with this certificate; clients have to show one of `clients`.
    #[must_use]
    pub fn mutual_tls(leaf: &Leaf, clients: &TestCa) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(clients.certificate().clone()).expect("a CA certificate");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        Self::with(leaf, verifier.expect("a client verifier"))
    }

    fn with(leaf: &Leaf, clients: Arc<dyn rustls::server::danger::ClientCertVerifier>) -> Self {
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3")
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![leaf.certificate.clone()], leaf.key.clone_key())
            .expect("a server certificate");
        Self::Tls(Arc::new(config))
    }
}

impl Seen {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
