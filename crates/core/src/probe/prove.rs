//! What shows that a version encrypts and decrypts: a fresh wrap that opens, and the old one that still does.

use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use tokio::time::Instant;

use super::Prober;
use super::round::RoundFailure;
use crate::error::{ErrorKind, ProviderError};
use crate::provider::{Call, Observation, VersionInfo};
use crate::secret::Secret;
use crate::version::KeyVersion;
use crate::writer::Snapshot;

impl Prober {
    /// Shows that the chosen version encrypts and decrypts right now. The snapshot stays the same one while its
    /// version and id do, with its first wrap as the witness.
    pub(super) async fn prove(
        &mut self,
        chosen: &VersionInfo,
        seen: &Observation,
        current: Option<Arc<Snapshot>>,
        call: &Call,
    ) -> Result<Arc<Snapshot>, RoundFailure> {
        let mut bytes = vec![0; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| {
            ProviderError::new(ErrorKind::Unreachable, "the operating system gave no random bytes for the probe")
        })?;
        let secret = Secret::new(bytes);
        let mut chosen = self.to_try(chosen, seen, current.as_deref());
        let mut sealed = self.key.seal(&chosen.version, &secret, call).await;
        if let Err(error) = &sealed
            && let Some(used) = self.really_used(error, seen, &chosen)
        {
            chosen.version = used;
            self.key.remember(&chosen);
            sealed = self.key.seal(&chosen.version, &secret, call).await;
        }
        let witness = sealed.map_err(|error| match error.kind() {
            ErrorKind::Gone => self.gone(error),
            ErrorKind::Disabled => self.disabled(error),
            _ => RoundFailure::from(error),
        })?;
        let key_id = self.key.key_id(&chosen);
        match current {
            Some(current)
                if current.key_id == key_id && current.version == chosen.version && !current.is_withdrawn() =>
            {
                Ok(current)
            }
            _ => Ok(Arc::new(Snapshot::new(key_id, chosen.version.clone(), witness, secret))),
        }
    }

    /// The version that is tried: the active one, where the KMS describes one that was left for it.
    fn to_try(&self, chosen: &VersionInfo, seen: &Observation, current: Option<&Snapshot>) -> VersionInfo {
        match current.filter(|_| seen.one_way && self.writer.lineage().left(&chosen.version)) {
            Some(current) => VersionInfo { version: current.version.clone(), ..chosen.clone() },
            None => chosen.clone(),
        }
    }

    /// A KMS that takes no version by name may describe one and wrap under another, just after a rotation: what opened
    /// the fresh wrap counts. An id once left is not returned to, unless the KMS insists on it, and that is an alarm.
    fn really_used(&mut self, error: &ProviderError, seen: &Observation, tried: &VersionInfo) -> Option<KeyVersion> {
        let used = error.used().filter(|_| seen.newest_only)?;
        let mut lineage = self.writer.lineage();
        if lineage.left(used) {
            if !lineage.returned() {
                return None;
            }
            self.restored = Some(tried.version.clone());
        }
        Some(used.clone())
    }

    pub(super) async fn reopen(&self, snapshot: &Snapshot, call: &Call) -> Result<(), ProviderError> {
        let half;
        let call = if self.key.is_composed() {
            // What follows must not wait for a member that hangs.
            half = call.apart(Instant::now() + call.remaining() / 2);
            &half
        } else {
            call
        };
        let opened = self.key.open(&snapshot.witness, call).await?;
        if opened.same_as(&snapshot.secret) {
            return Ok(());
        }
        let text = format!("key `{}`: the KMS opened an older wrap to something else", self.key.name());
        Err(ProviderError::new(ErrorKind::BadAnswer, text))
    }
}
