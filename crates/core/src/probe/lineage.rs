//! Is this still the same key? What a node can tell from what it proved before.

use std::collections::BTreeMap;

use crate::provider::Observation;
use crate::version::KeyVersion;

/// What this process has proven about the writing key: the versions that it saw and when they were made.
#[derive(Clone, Default)]
pub(crate) struct Lineage {
    created: BTreeMap<KeyVersion, u64>,
    active_node: bool,
    gone: u32,
}

/// Why a version that was proven is suddenly too new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooNew {
    /// Creation times changed, or the KMS tells none: the key was replaced under its name.
    Replaced,
    /// All are equal: an older backup was restored.
    Restored,
}

impl Lineage {
    /// Remembers a list that belongs to a good round.
    pub(super) fn prove(&mut self, seen: &Observation) {
        self.gone = 0;
        self.active_node = seen.active_node;
        for info in &seen.versions {
            if let Some(created) = info.created {
                self.created.entry(info.version.clone()).or_insert(created);
            }
        }
    }

    /// Reads a list after the witness was refused as too new.
    pub(super) fn too_new(&self, seen: &Observation) -> TooNew {
        let mut compared = false;
        for info in &seen.versions {
            if let (Some(now), Some(before)) = (info.created, self.created.get(&info.version)) {
                if now != *before {
                    return TooNew::Replaced;
                }
                compared = true;
            }
        }
        if compared { TooNew::Restored } else { TooNew::Replaced }
    }

    /// Counts a probe that was told that the key doesn't exist; true once that is certain: after two probes on an
    /// active node, four where none is known to be.
    pub(super) fn gone(&mut self) -> bool {
        self.gone = self.gone.saturating_add(1);
        self.gone >= if self.active_node { 2 } else { 4 }
    }

    /// Forgets everything: the key was restored to an older state, which is the new truth.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}
