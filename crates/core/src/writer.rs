//! What Status and Encrypt speak from: one snapshot of the writing key, swapped atomically (I2), and its health.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::error::{ErrorKind, ProviderError};
use crate::key_id::KeyId;
use crate::probe::Lineage;
use crate::version::KeyVersion;

/// The active version of the writing key, proven by a wrap that opened again.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) key_id: KeyId,
    pub(crate) version: KeyVersion,
    /// A wrap of `secret`, made when the snapshot was: each probe opens it again.
    pub(crate) witness: Vec<u8>,
    pub(crate) secret: crate::Secret,
    use_state: AtomicU8,
}

const UNUSED: u8 = 0;
const USED: u8 = 1;
const WITHDRAWN: u8 = 2;

impl Snapshot {
    pub(crate) fn new(key_id: KeyId, version: KeyVersion, witness: Vec<u8>, secret: crate::Secret) -> Self {
        Self { key_id, version, witness, secret, use_state: AtomicU8::new(UNUSED) }
    }

    /// Marks that an Encrypt is answered under this id; false if the id was taken back meanwhile.
    pub(crate) fn mark_used(&self) -> bool {
        let seen = self.use_state.compare_exchange(UNUSED, USED, Ordering::AcqRel, Ordering::Acquire);
        seen != Err(WITHDRAWN)
    }

    pub(crate) fn is_used(&self) -> bool {
        self.use_state.load(Ordering::Acquire) == USED
    }

    /// Taken back: no Encrypt is answered under this snapshot any more.
    pub(crate) fn is_withdrawn(&self) -> bool {
        self.use_state.load(Ordering::Acquire) == WITHDRAWN
    }

    /// Takes the id back, unless an Encrypt was answered under it.
    pub(crate) fn withdraw(&self) -> bool {
        self.use_state.compare_exchange(UNUSED, WITHDRAWN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Unused, used or withdrawn: for the model, which takes states apart and puts them together again.
    #[cfg(test)]
    pub(crate) fn use_state(&self) -> u8 {
        self.use_state.load(Ordering::Acquire)
    }

    #[cfg(test)]
    pub(crate) fn in_use_state(self, state: u8) -> Self {
        Self { use_state: AtomicU8::new(state), ..self }
    }
}

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

/// Probe rounds so far.
#[derive(Clone, Copy, Default)]
struct Rounds {
    begun: u64,
    /// The number of the last one that ended.
    ended: u64,
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

    /// Asks for a probe at once.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Asks for a probe at once and waits until a round that began later has ended, or the deadline has come.
    pub(crate) async fn wake_and_wait(&self, deadline: Instant) {
        let mut rounds = self.rounds.subscribe();
        let later = rounds.borrow_and_update().begun + 1;
        self.wake.notify_one();
        // Timed out: the caller finds the old snapshot and says so.
        let _ = tokio::time::timeout_at(deadline, rounds.wait_for(|rounds| rounds.ended >= later)).await;
    }

    /// Waits until a first round has ended, or until then.
    pub(crate) async fn first_round(&self, end: Instant) {
        let mut rounds = self.rounds.subscribe();
        let _ = tokio::time::timeout_at(end, rounds.wait_for(|rounds| rounds.ended > 0)).await;
    }

    pub(crate) fn round_begins(&self) {
        self.rounds.send_modify(|rounds| rounds.begun += 1);
    }

    pub(crate) fn round_ends(&self) {
        self.rounds.send_modify(|rounds| rounds.ended = rounds.begun);
    }

    /// What was proven about the key so far. Never held across an await.
    pub(crate) fn lineage(&self) -> MutexGuard<'_, Lineage> {
        self.lineage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
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
