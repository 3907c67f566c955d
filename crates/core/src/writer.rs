//! What Status and Encrypt speak from: one snapshot of the writing key, swapped atomically (I2), and its health.

mod rounds;
mod snapshot;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::error::{ErrorKind, ProviderError};
use crate::key_id::KeyId;
use crate::probe::Lineage;
use crate::version::KeyVersion;
use rounds::Rounds;
pub(crate) use snapshot::Snapshot;

/// What is known at one moment. Replaced as a whole.
#[derive(Clone, Default)]
pub(crate) struct Announced {
    pub(crate) snapshot: Option<Arc<Snapshot>>,
    /// The snapshot before, until the present one was used.
    pub(crate) before: Option<Arc<Snapshot>>,
    pub(crate) last_good: Option<Instant>,
    pub(crate) failure: Option<Failure>,
    pub(crate) stopped: Option<Arc<str>>,
    /// A probe did not find the key, and none has found it since.
    pub(crate) absent: bool,
}

#[derive(Clone)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) text: Arc<str>,
    pub(crate) since: Instant,
}

/// The answer to Status, where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// `ok`, or what is wrong.
    pub healthz: String,
    /// The key_id that Encrypt uses.
    pub key_id: KeyId,
}

/// How the writing key is, for readiness, metrics and people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The announced key_id and version.
    pub active: Option<(KeyId, KeyVersion)>,
    /// Time since the last good probe.
    pub proven: Option<Duration>,
    /// The last probe's failure, if it failed.
    pub failure: Option<(ErrorKind, String)>,
    /// Why encryption is stopped, if it is.
    pub stopped: Option<String>,
    /// True if Status answers `ok`.
    pub ready: bool,
}

/// The writing key's state, shared by Status, Encrypt and the probe. Outlives a reload that keeps the key.
pub struct Writer {
    announced: ArcSwap<Announced>,
    grace: Duration,
    /// Whether an outage may take back an id that nothing was encrypted under.
    withdraws: bool,
    /// What is announced was proven by the configuration before, and by no probe of this one yet.
    unproven: AtomicBool,
    lineage: Mutex<Lineage>,
    wake: Notify,
    rounds: watch::Sender<Rounds>,
}

impl Writer {
    /// Nothing known yet. `grace` is how long Status goes on saying `ok` after the last good probe.
    pub fn new(grace: Duration) -> Self {
        Self {
            announced: ArcSwap::default(),
            grace,
            withdraws: true,
            unproven: AtomicBool::new(false),
            lineage: Mutex::default(),
            wake: Notify::new(),
            rounds: watch::Sender::default(),
        }
    }

    /// For a member of a list: it never goes back to an earlier version in an outage. What API servers hold seeds
    /// under is the id of the list, whose own writer knows whether that was used.
    pub fn of_member(grace: Duration) -> Self {
        Self { withdraws: false, ..Self::new(grace) }
    }

    /// Begins with the state of `running`, for a reload that keeps the key: before a probe of this one, which must prove
    /// the way to the key anew.
    pub fn carry_over(&self, running: &Self) {
        // Without the id before: only who announces a snapshot may take it back, and that is the running one.
        let copy = Announced { before: None, ..Announced::clone(&running.announced.load()) };
        self.announced.store(Arc::new(copy));
        *self.lineage() = running.lineage().clone();
        self.unproven.store(true, Ordering::Release);
    }

    /// Takes over what `running` announces, keeping what was found out here about its health: between the copy that
    /// [`carry_over`](Self::carry_over) made and now, ids may have been promoted and used, and an id once left
    /// must not come back.
    pub fn adopt(&self, running: &Self) {
        let theirs = running.announced.load();
        let mut ours = Announced::clone(&self.announced.load());
        if theirs.snapshot.is_some() && theirs.stopped.is_none() {
            ours.snapshot.clone_from(&theirs.snapshot);
            ours.before.clone_from(&theirs.before);
        }
        self.store(ours);
    }

    /// The three answers: `ok` within the grace, the failure's text with the last key_id after it, an error with no
    /// snapshot or when the key is gone, disabled or replaced.
    ///
    /// # Errors
    /// [`Stopped`](ErrorKind::Stopped) when writes must end; [`Sealed`](ErrorKind::Sealed) or whatever kind the
    /// probe failed with while nothing is known yet.
    pub fn status(&self) -> Result<Status, ProviderError> {
        let now = self.announced.load();
        if let Some(reason) = &now.stopped {
            return Err(ProviderError::new(ErrorKind::Stopped, reason.to_string()));
        }
        let Some(snapshot) = &now.snapshot else {
            return Err(not_ready(&now, "the key was not proven yet"));
        };
        let healthz = match &now.failure {
            Some(failure) if !self.within_grace(&now) => failure.text.to_string(),
            _ if !self.within_grace(&now) => "the last good probe is too long ago".to_owned(),
            _ => "ok".to_owned(),
        };
        Ok(Status { healthz, key_id: snapshot.key_id.clone() })
    }

    /// The snapshot to encrypt under.
    ///
    /// # Errors
    /// [`Stopped`](ErrorKind::Stopped), in both versions of the API, whenever Status answers an error, and from the first
    /// probe on that did not find the key.
    pub(crate) fn snapshot(&self) -> Result<Arc<Snapshot>, ProviderError> {
        let now = self.announced.load();
        match (&now.stopped, &now.snapshot) {
            (Some(reason), _) => Err(ProviderError::new(ErrorKind::Stopped, reason.to_string())),
            // An Encrypt by a token that may create would make a missing key anew, under the id of the lost one.
            (None, _) if now.absent => {
                let cause = not_ready(&now, "a probe did not find the key");
                let text = "nothing is encrypted until a probe finds the key again";
                Err(ProviderError::new(ErrorKind::Stopped, text).with_source(cause))
            }
            (None, Some(snapshot)) => Ok(snapshot.clone()),
            (None, None) => {
                let cause = not_ready(&now, "the key was not proven yet");
                Err(ProviderError::new(ErrorKind::Stopped, "nothing is encrypted yet").with_source(cause))
            }
        }
    }

    /// How it is, for readiness and people.
    pub fn health(&self) -> Health {
        let now = self.announced.load();
        Health {
            active: now.snapshot.as_ref().map(|snapshot| (snapshot.key_id.clone(), snapshot.version.clone())),
            proven: now.last_good.map(|at| at.elapsed()),
            failure: now.failure.as_ref().map(|failure| (failure.kind, failure.text.to_string())),
            stopped: now.stopped.as_ref().map(ToString::to_string),
            ready: now.stopped.is_none() && now.snapshot.is_some() && self.within_grace(&now),
        }
    }

    /// True once a probe has found out something, good or bad.
    pub(crate) fn is_probed(&self) -> bool {
        let now = self.announced.load();
        now.snapshot.is_some() || now.failure.is_some() || now.stopped.is_some()
    }

    /// Where another configuration's probe found out what is announced: waits for the first probe by this one's way to
    /// the key, which may lead to another key now.
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot), and why no probe has opened by this way what was wrapped by the other.
    pub(crate) async fn proven_here(&self, end: Instant) -> Result<(), ProviderError> {
        self.first_round(end).await;
        self.snapshot()?;
        if self.is_unproven() {
            return Err(not_ready(&self.announced.load(), "the new configuration's way to the key was not proven yet"));
        }
        Ok(())
    }

    pub(crate) fn is_unproven(&self) -> bool {
        self.unproven.load(Ordering::Acquire)
    }

    /// The key that is announced was found by this configuration's way to it.
    pub(crate) fn proven(&self) {
        self.unproven.store(false, Ordering::Release);
    }

    /// Whether an outage may take back an id that nothing was encrypted under.
    pub(crate) fn withdraws(&self) -> bool {
        self.withdraws
    }

    /// What was proven about the key so far. Never held across an await.
    pub(crate) fn lineage(&self) -> MutexGuard<'_, Lineage> {
        self.lineage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn load(&self) -> Arc<Announced> {
        self.announced.load_full()
    }

    pub(crate) fn store(&self, announced: Announced) {
        self.announced.store(Arc::new(announced));
    }

    fn within_grace(&self, now: &Announced) -> bool {
        now.last_good.is_some_and(|at| at.elapsed() <= self.grace)
    }
}

fn not_ready(now: &Announced, text: &str) -> ProviderError {
    match &now.failure {
        Some(failure) => ProviderError::new(failure.kind, format!("{text}: {}", failure.text)),
        None => ProviderError::new(ErrorKind::Unreachable, text),
    }
}
