//! The admin endpoint's life: bound at start, moved when the configuration says so.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use trousseau_observe::Metrics;
use trousseau_server::Current;
use trousseau_server::admin::{AdminState, Pages, bind, serve};

use crate::cli::Failure;
use crate::config::Admin;

pub(super) struct AdminEndpoint {
    state: Arc<AdminState>,
    notes: BTreeMap<&'static str, String>,
    running: Option<(Admin, CancellationToken, JoinHandle<()>)>,
}

/// How long a stopping endpoint may take before it is dropped.
const GRACE: Duration = Duration::from_millis(500);

impl AdminEndpoint {
    pub(super) fn new(current: Arc<Current>, metrics: Arc<Metrics>) -> Self {
        let state =
            Arc::new(AdminState { current, listening: AtomicBool::default(), metrics, notes: ArcSwap::default() });
        Self { state, notes: BTreeMap::new(), running: None }
    }

    /// Sets a line of `/readyz?verbose`; true if it says something else than before.
    pub(super) fn note(&mut self, topic: &'static str, text: String) -> bool {
        let news = self.notes.get(topic) != Some(&text);
        self.notes.insert(topic, text);
        self.tell();
        news
    }

    /// Takes the line away.
    pub(super) fn unnote(&mut self, topic: &'static str) {
        self.notes.remove(topic);
        self.tell();
    }

    /// Says whether kube-apiserver can connect.
    pub(super) fn set_listening(&self, listening: bool) {
        self.state.listening.store(listening, Ordering::Relaxed);
    }

    pub(super) fn is_listening(&self) -> bool {
        self.state.listening.load(Ordering::Relaxed)
    }

    fn tell(&self) {
        let lines = self.notes.iter().map(|(topic, text)| format!("{topic}: {text}")).collect();
        self.state.notes.store(Arc::new(lines));
    }

    /// Listens there from now on. With `patient`, a port that the process before still holds is tried again and again.
    ///
    /// # Errors
    /// The address can't be had; what was listened on before goes on.
    pub(super) async fn listen_on(&mut self, admin: Option<Admin>, patient: bool) -> Result<(), Failure> {
        let before = self.running.as_ref().map(|(running, ..)| *running);
        if before == admin {
            return Ok(());
        }
        let Some(admin) = admin else {
            self.close().await;
            return Ok(());
        };
        // The port may be held by the endpoint that ends here.
        let ours = before.filter(|before| overlap(before.address, admin.address));
        let mut closed = None;
        let bound = match bind(admin.address).await {
            Err(_) if patient && before.is_none() => Ok(None),
            Err(error) if ours.is_some() && error.kind() == ErrorKind::AddrInUse => {
                self.close().await;
                closed = ours;
                bind(admin.address).await.map(Some)
            }
            bound => bound.map(Some),
        };
        match bound {
            Ok(listener) => {
                self.close().await;
                self.start(admin, listener);
                Ok(())
            }
            Err(error) => {
                if let Some(before) = closed {
                    self.start(before, None);
                }
                Err(Failure::Failed(anyhow::Error::new(error).context(in_use(admin))))
            }
        }
    }

    /// Serves on this listener, or on one that is bound as soon as the port is free.
    fn start(&mut self, admin: Admin, listener: Option<TcpListener>) {
        let stop = CancellationToken::new();
        let pages = if admin.health_only { Pages::HealthzOnly } else { Pages::All };
        let (state, end) = (Arc::clone(&self.state), stop.clone());
        let task = tokio::spawn(async move {
            let listener = match listener {
                Some(listener) => Some(listener),
                None => bind_patiently(admin, &end).await,
            };
            if let Some(listener) = listener {
                run(listener, pages, state, end).await;
            }
        });
        info!(address = %admin.address, "admin endpoint");
        self.running = Some((admin, stop, task));
    }

    pub(super) async fn close(&mut self) {
        if let Some((_, stop, mut task)) = self.running.take() {
            stop.cancel();
            if tokio::time::timeout(GRACE, &mut task).await.is_err() {
                task.abort();
                // Until it has ended the port is not free.
                let _ = task.await;
            }
        }
    }
}

async fn run(listener: TcpListener, pages: Pages, state: Arc<AdminState>, end: CancellationToken) {
    if let Err(error) = serve(listener, pages, state, end).await {
        warn!(%error, "the admin endpoint ended");
    }
}

async fn bind_patiently(admin: Admin, end: &CancellationToken) -> Option<TcpListener> {
    loop {
        match bind(admin.address).await {
            Ok(listener) => return Some(listener),
            Err(error) => warn!(%error, address = %admin.address, "the admin port is still held; trying again"),
        }
        tokio::select! {
            () = end.cancelled() => return None,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let any = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && (any || one.ip() == other.ip())
}

fn in_use(admin: Admin) -> anyhow::Error {
    anyhow!(
        "can't listen on {}; is another process there? Choose another address with --admin or `admin:`, or `off`",
        admin.address
    )
}
