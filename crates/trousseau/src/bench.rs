//! `trousseau bench`: a load on any KMS plugin's socket, and what came of it in figures.
//!
//! Closed loop: so many calls in flight, each followed by the next. Open loop: calls begin at a fixed rate whatever the
//! server does, and each one's latency counts from when it was due, so that a stall shows in full instead of hiding the
//! calls that it kept from being made ("coordinated omission").

mod call;
mod load;
mod report;
mod server;
mod target;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};

pub use call::{Api, Operation};
pub use report::Report;

use call::Caller;
use load::{Bounds, Load};
use target::Target;

/// What to do to whom.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The plugin's socket.
    pub socket: PathBuf,
    /// The API's version.
    pub api: Api,
    /// The call to repeat.
    pub operation: Operation,
    /// Calls in flight; with a rate, at most.
    pub concurrency: usize,
    /// Connections that they are spread over, at most `concurrency`.
    pub connections: usize,
    /// Calls that begin each second; `None` = closed loop.
    pub rate: Option<f64>,
    /// How long it goes on; `None` = until `calls` are made.
    pub duration: Option<Duration>,
    /// How many calls at most.
    pub calls: Option<u64>,
    /// Calls made before, and not counted.
    pub warmup: Duration,
    /// The deadline of one call, sent to the server too.
    pub timeout: Duration,
    /// Bytes of each plaintext.
    pub size: usize,
    /// Ciphertexts that Decrypt takes in turn.
    pub distinct: usize,
    /// Show progress, if standard error is a terminal.
    pub progress: bool,
}

/// Runs a plan to its end, or until Ctrl-C.
///
/// # Errors
/// A socket that can't be connected to, a first Encrypt (for Decrypt's ciphertexts) that fails, and Ctrl-C in the
/// warm-up. Calls that fail later are counted, not errors.
pub async fn run(plan: &Plan) -> anyhow::Result<Report> {
    let target = Target::new(plan.socket.clone());
    let mut callers = Vec::new();
    for _ in 0..plan.connections.clamp(1, plan.concurrency) {
        callers.push(Caller::new(plan, target.connect().await?)?);
    }
    if plan.operation == Operation::Decrypt {
        let records = Arc::new(callers[0].records(plan.distinct).await.context("Decrypt needs ciphertexts first")?);
        for caller in &mut callers {
            caller.decrypt_these(Arc::clone(&records));
        }
    }
    let mut interrupt = signal(SignalKind::interrupt()).context("can't listen for Ctrl-C")?;
    if !plan.warmup.is_zero() {
        let warm = Bounds { duration: Some(plan.warmup), calls: None, rate: plan.rate };
        if Load::new(warm, plan.concurrency).run(&callers, false, &mut interrupt).await.interrupted {
            bail!("interrupted in the warm-up, before anything was measured");
        }
    }
    let retried = || callers.iter().map(Caller::retried).sum::<u64>();
    let (pid, connects, retries) = (target.pid(), target.connects(), retried());
    let before = pid.and_then(server::usage);
    let bounds = Bounds { duration: plan.duration, calls: plan.calls, rate: plan.rate };
    let done = Load::new(bounds, plan.concurrency).run(&callers, plan.progress, &mut interrupt).await;
    let (now, answered) = (target.pid(), done.calls);
    let server = server::Server::between(pid, now, before, now.and_then(server::usage), answered);
    Ok(Report::new(plan, done, server, [target.connects() - connects, retried() - retries]))
}
