//! What one round of the writing key's probe does, in order, and what it makes of the answers.

use std::sync::Arc;

use tokio::time::Instant;

use super::Prober;
use super::lineage::Kinship;
use crate::error::{ErrorKind, ProviderError};
use crate::events::Event;
use crate::provider::{Call, Observation};
use crate::version::KeyVersion;
use crate::writer::{Announced, Failure, Snapshot};

/// A failed round.
pub(super) struct RoundFailure {
    pub(super) error: ProviderError,
    /// Why encryption must stop, if this shows that the key is gone, disabled or was replaced.
    stop: Option<String>,
    /// The key was not found, which may be certain or not.
    absent: bool,
}

impl From<ProviderError> for RoundFailure {
    fn from(error: ProviderError) -> Self {
        Self { error, stop: None, absent: false }
    }
}

impl Prober {
    /// Opens the witness again, reads the key's versions, chooses, and proves the choice. Nothing is encrypted before
    /// something was decrypted: an Encrypt by a token that may create makes a missing key anew.
    pub(super) async fn examine(&mut self, call: &Call) -> Result<(Observation, Arc<Snapshot>), RoundFailure> {
        (self.restored, self.suspected, self.found, self.lost) = (None, false, false, false);
        self.writer.lineage().begin_round();
        self.key.upkeep(call).await;
        let now = self.writer.load();
        let mut current = now.snapshot.clone();
        let (mut shut, mut unopened) = (None, None);
        match &current {
            Some(snapshot) => match self.reopen(snapshot, call).await {
                Ok(()) => {
                    self.found = true;
                    self.writer.proven();
                }
                Err(error) if self.key.is_composed() => {
                    self.lost = !error.kind().is_silence();
                    unopened = Some(error);
                }
                Err(error) => match error.kind() {
                    ErrorKind::Unauthentic => return Err(self.replaced(error)),
                    ErrorKind::Gone => return Err(self.gone(error)),
                    ErrorKind::Disabled => return Err(self.disabled(error)),
                    ErrorKind::TooNew => {
                        self.went_back(&snapshot.version, error, call).await?;
                        current = None;
                    }
                    // A stop ends only when the old wrap opens again.
                    ErrorKind::TooOld if now.stopped.is_some() => return Err(error.into()),
                    // min_decryption_version was raised above the active version: the list below has its successor.
                    ErrorKind::TooOld => shut = Some(error),
                    _ => return Err(error.into()),
                },
            },
            None => self.key.presence(call).await.map_err(|error| match error.kind() {
                ErrorKind::Gone => self.gone(error),
                _ => error.into(),
            })?,
        }
        let seen = self.key.observe(call).await.map_err(|error| match error.kind() {
            // A key that opened its wrap a moment ago exists, whatever this answer says.
            ErrorKind::Gone if !self.found => self.gone(error),
            ErrorKind::Disabled => self.disabled(error),
            // A list of keys knows of its members by their own probes.
            ErrorKind::Stopped => RoundFailure { stop: Some(error.to_string()), ..error.into() },
            _ => error.into(),
        })?;
        if let (Some(error), Some(snapshot)) = (unopened, &current) {
            // What its members wrapped before is theirs to judge. Either others write by now, or the round ends here.
            if seen.versions.iter().any(|info| info.version == snapshot.version) {
                return Err(error.into());
            }
            current = None;
        }
        if let Some(error) = shut {
            let kinship = self.writer.lineage().compare(&seen);
            match kinship {
                Kinship::Other => return Err(self.replaced(error)),
                // As likely a key of that name made anew. Its id is another one, so it may write; but not in silence.
                Kinship::Unknown => self.suspected = true,
                Kinship::Same => {}
            }
        }
        let active = current.as_ref().map(|snapshot| &snapshot.version);
        if let Some(active) = active.filter(|active| self.found && !seen.may_open(active)) {
            let text = format!(
                "key `{}`: version {active} still opens, but the list of versions lacks it; a node that lags answered, \
                 or a version was pinned below it, which counts after a restart",
                self.key.name()
            );
            return Err(ProviderError::new(ErrorKind::Lagging, text).into());
        }
        let Some(chosen) = self.promotion.choose(&seen, active, self.clock.unix_seconds(), self.counts) else {
            let text = format!(
                "key `{}`: none of its {} versions may encrypt; lower min_encryption_version, or rotate the key",
                self.key.name(),
                seen.versions.len()
            );
            return Err(ProviderError::new(ErrorKind::Unusable, text).into());
        };
        let snapshot = self.prove(chosen, &seen, current, call).await?;
        Ok((seen, snapshot))
    }

    /// The active version is suddenly unknown to the KMS. Replaced ends the round; restored from an older backup
    /// forgets the lost version and goes on.
    async fn went_back(&mut self, lost: &KeyVersion, error: ProviderError, call: &Call) -> Result<(), RoundFailure> {
        let seen = self.key.observe(&call.on_active_node()).await?;
        if seen.versions.iter().any(|info| info.version == *lost) {
            // Listed, yet refused: a node that lags. The next round will tell.
            return Err(error.into());
        }
        if !self.writer.lineage().too_new_is_certain(seen.active_node) {
            return Err(error.into());
        }
        let kinship = self.writer.lineage().compare(&seen);
        match kinship {
            Kinship::Other | Kinship::Unknown => Err(self.replaced(error)),
            Kinship::Same => {
                // Told and acted on once a lower version is proven: until then the evidence is still needed.
                self.restored = Some(lost.clone());
                Ok(())
            }
        }
    }

    fn replaced(&self, error: ProviderError) -> RoundFailure {
        let reason = format!(
            "key `{}` was replaced under its name: what the key before wrapped can't be opened any more. Restore the \
             old key material in the KMS; or, if the loss is accepted, restart Trousseau or send it SIGHUP to go on \
             with the new key",
            self.key.name()
        );
        RoundFailure { stop: Some(reason), ..error.into() }
    }

    pub(super) fn disabled(&self, error: ProviderError) -> RoundFailure {
        let reason = format!("key `{}` is disabled in the KMS; enable it there", self.key.name());
        RoundFailure { stop: Some(reason), ..error.into() }
    }

    pub(super) fn gone(&self, error: ProviderError) -> RoundFailure {
        let reason = format!(
            "key `{}` does not exist in the KMS any more. Don't make a new one under its name: restore it from the \
             KMS's backup, or every Secret under it is lost",
            self.key.name()
        );
        let certain = self.writer.lineage().gone();
        RoundFailure { stop: certain.then_some(reason), absent: true, ..error.into() }
    }

    pub(super) fn announce_good(&mut self, before: &Announced, next: Arc<Snapshot>, seen: &Observation) {
        if let Some(lost) = self.restored.take() {
            self.writer.lineage().forget();
            self.events.on(&Event::Restored { key: self.key.name(), lost: &lost });
        }
        if let (true, Some(lost)) = (self.suspected, &before.snapshot) {
            self.events.on(&Event::ActiveShut { key: self.key.name(), lost: &lost.version });
        }
        self.writer.lineage().prove(seen);
        let same = before.snapshot.as_ref().is_some_and(|snapshot| Arc::ptr_eq(snapshot, &next));
        if !same {
            let last = before.snapshot.as_ref().map(|snapshot| &snapshot.version);
            self.writer.lineage().moved(last, &next.version);
            self.events.on(&Event::Promoted {
                key: self.key.name(),
                from: before.snapshot.as_ref().map(|snapshot| &snapshot.key_id),
                to: &next.key_id,
                version: &next.version,
            });
        }
        if before.stopped.is_some() {
            self.events.on(&Event::Resumed { key: self.key.name() });
        }
        // What an outage goes back to: the last id that was used, while the KMS still has its version.
        let earlier = match (&before.snapshot, &before.before) {
            (_, earlier) if same => earlier.clone(),
            (Some(unused), Some(earlier)) if unused.withdraw() => Some(earlier.clone()),
            (last, _) => last.clone(),
        };
        let useful = |earlier: &Arc<Snapshot>| {
            self.writer.withdraws()
                && !self.lost
                && !next.is_used()
                && earlier.key_id != next.key_id
                && seen.may_open(&earlier.version)
        };
        self.writer.store(Announced {
            before: earlier.filter(useful),
            snapshot: Some(next),
            last_good: Some(Instant::now()),
            failure: None,
            stopped: None,
            absent: false,
        });
        self.writer.proven();
        self.tell_good(seen, before.failure.is_some());
    }

    pub(super) fn announce_failure(&mut self, before: &Announced, failure: &RoundFailure) {
        let first = before.failure.as_ref().is_none_or(|known| known.kind != failure.error.kind());
        self.events.on(&Event::ProbeFailed { key: self.key.name(), writing: true, error: &failure.error, first });
        let mut next = before.clone();
        next.absent = failure.absent || before.absent && !self.found;
        let since = before.failure.as_ref().map_or_else(Instant::now, |failure| failure.since);
        next.failure = Some(Failure { kind: failure.error.kind(), text: failure.error.chain().into(), since });
        match &failure.stop {
            Some(reason) => {
                if before.stopped.is_none() {
                    self.events.on(&Event::Stopped { key: self.key.name(), reason });
                }
                next.stopped = Some(reason.as_str().into());
            }
            None => self.fall_back(&mut next),
        }
        self.writer.store(next);
    }

    /// An outage before anything was encrypted under a promoted id: the id before it is announced again, because the
    /// API server could not get a seed under the new one and its writes would end.
    fn fall_back(&self, next: &mut Announced) {
        let Some(earlier) = next.before.take() else {
            return;
        };
        if next.snapshot.as_ref().is_some_and(|snapshot| snapshot.withdraw()) {
            self.events.on(&Event::Withdrawn {
                key: self.key.name(),
                back_to: &earlier.key_id,
                version: &earlier.version,
            });
            next.snapshot = Some(earlier);
        }
    }
}
