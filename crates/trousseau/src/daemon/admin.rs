//! The admin endpoint's life: bound at start, moved when the configuration says so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
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
        let state = Arc::new(AdminState { current, metrics, notes: ArcSwap::default() });
        Self { state, notes: BTreeMap::new(), running: None }
    }

    /// Sets a line of `/readyz?verbose`.
    pub(super) fn note(&mut self, topic: &'static str, text: String) {
        self.notes.insert(topic, text);
        let lines = self.notes.iter().map(|(topic, text)| format!("{topic}: {text}")).collect();
        self.state.notes.store(Arc::new(lines));
    }

    /// Listens there from now on. With `patient`, a port that the process before still holds is tried again and again.
    pub(super) async fn listen_on(&mut self, admin: Option<Admin>, patient: bool) -> Result<(), Failure> {
        if self.running.as_ref().map(|(running, ..)| *running) == admin {
            return Ok(());
        }
        self.close().await;
        let Some(admin) = admin else {
            return Ok(());
        };
        let stop = CancellationToken::new();
        let pages = if admin.health_only { Pages::HealthzOnly } else { Pages::All };
        let (state, end) = (Arc::clone(&self.state), stop.clone());
        let task = if patient {
            tokio::spawn(async move {
                if let Some(listener) = bind_patiently(admin, &end).await {
                    run(listener, pages, state, end).await;
                }
            })
        } else {
            let listener = bind(admin.address).await.with_context(|| in_use(admin)).map_err(Failure::Failed)?;
            tokio::spawn(run(listener, pages, state, end))
        };
        info!(address = %admin.address, "admin endpoint");
        self.running = Some((admin, stop, task));
        Ok(())
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

fn in_use(admin: Admin) -> anyhow::Error {
    anyhow!(
        "can't listen on {}; is another process there? Choose another address with --admin or `admin:`, or `off`",
        admin.address
    )
}
