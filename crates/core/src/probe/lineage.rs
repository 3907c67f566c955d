//! Is this still the same key? What a node can tell from what it proved before.

use std::collections::{BTreeMap, VecDeque};

use crate::provider::{Observation, VersionInfo};
use crate::version::KeyVersion;

/// What this process has proven about the writing key: the versions that it saw and what marks them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Lineage {
    marks: BTreeMap<KeyVersion, Mark>,
    active_node: bool,
    /// Versions that wrote before, newest last.
    left: VecDeque<KeyVersion>,
    /// What the round under way, and the one before it, were told.
    now: Suspicions,
    before: Suspicions,
}

/// How many rounds in a row were told what would be the end of writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Suspicions {
    gone: u32,
    too_new: u32,
    returned: u32,
}

/// Rounds in a row that make it certain where no configured address is known to be the KMS's active node.
const WITHOUT_ACTIVE_NODE: u32 = 4;

/// How many versions that wrote before are remembered.
const LEFT: usize = 100;

/// What tells a version from one of another key under its number: when it was made, or a fingerprint of its material.
type Mark = (Option<u64>, Option<String>);

fn mark(info: &VersionInfo) -> Option<Mark> {
    let mark = (info.created, info.material.clone());
    (mark != (None, None)).then_some(mark)
}

/// Whether a list of versions is of the key that was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kinship {
    /// A version that was seen before has the mark that it had, and none has another.
    Same,
    /// One has another mark: the key was replaced under its name.
    Other,
    /// None was seen before, or the KMS tells no marks.
    Unknown,
}

impl Lineage {
    /// Remembers a list that belongs to a good round.
    pub(super) fn prove(&mut self, seen: &Observation) {
        self.active_node = seen.active_node;
        for info in &seen.versions {
            if let Some(mark) = mark(info) {
                self.marks.entry(info.version.clone()).or_insert(mark);
            }
        }
    }

    /// A round begins: what the last one was told counts only if this one is told the same.
    pub(super) fn begin_round(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }

    /// Counts a probe whose witness was too new; true once that is certain: at once on an active node, after four
    /// probes where none is known to be, as a node that lags says the same.
    pub(super) fn too_new_is_certain(&mut self, active_node: bool) -> bool {
        self.now.too_new = self.before.too_new.saturating_add(1);
        active_node || self.now.too_new >= WITHOUT_ACTIVE_NODE
    }

    /// Reads a list after the witness was refused as too new or too old.
    pub(super) fn compare(&self, seen: &Observation) -> Kinship {
        let mut kinship = Kinship::Unknown;
        for info in &seen.versions {
            if let (Some(now), Some(before)) = (mark(info), self.marks.get(&info.version)) {
                if now != *before {
                    return Kinship::Other;
                }
                kinship = Kinship::Same;
            }
        }
        kinship
    }

    /// Counts a probe that was told that the key doesn't exist; true once that is certain: after two probes in
    /// a row on an active node, four where none is known to be.
    pub(super) fn gone(&mut self) -> bool {
        self.now.gone = self.before.gone.saturating_add(1);
        self.now.gone >= if self.active_node { 2 } else { WITHOUT_ACTIVE_NODE }
    }

    /// Notes that another version writes from now on.
    pub(super) fn moved(&mut self, from: Option<&KeyVersion>, to: &KeyVersion) {
        self.left.retain(|version| version != to);
        if let Some(from) = from.filter(|from| *from != to) {
            self.left.push_back(from.clone());
        }
        if self.left.len() > LEFT {
            self.left.pop_front();
        }
    }

    /// Whether this version wrote before and was left for another: a node of the KMS that lags leads back to it.
    pub(super) fn left(&self, version: &KeyVersion) -> bool {
        self.left.contains(version)
    }

    /// Counts a probe that was told to write under a version that was left; true once the KMS insists.
    pub(super) fn returned(&mut self) -> bool {
        self.now.returned = self.before.returned.saturating_add(1);
        self.now.returned >= WITHOUT_ACTIVE_NODE
    }

    /// The same, with counters cut to where they decide: the model would count for ever.
    #[cfg(test)]
    pub(super) fn canonical(mut self) -> Self {
        for suspicions in [&mut self.now, &mut self.before] {
            suspicions.gone = suspicions.gone.min(WITHOUT_ACTIVE_NODE);
            suspicions.too_new = suspicions.too_new.min(WITHOUT_ACTIVE_NODE);
            suspicions.returned = suspicions.returned.min(WITHOUT_ACTIVE_NODE);
        }
        self
    }

    /// Forgets everything: the key was restored to an older state, which is the new truth.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::{Kinship, Lineage};
    use crate::provider::{Observation, VersionInfo};

    fn listed(materials: &[&str]) -> Observation {
        let info = |(at, material): (usize, &&str)| VersionInfo {
            version: (at as u32 + 1).into(),
            created: None,
            active_from: Some(0),
            material: (!material.is_empty()).then(|| (*material).to_owned()),
        };
        Observation { versions: materials.iter().enumerate().map(info).collect(), ..Observation::default() }
    }

    /// A local key file has fingerprints instead of creation times.
    #[test]
    fn fingerprints_tell_a_restored_file_from_another_one() {
        let mut lineage = Lineage::default();
        lineage.prove(&listed(&["a", "b"]));
        assert_eq!(lineage.compare(&listed(&["a"])), Kinship::Same);
        assert_eq!(lineage.compare(&listed(&["x"])), Kinship::Other);
        assert_eq!(lineage.compare(&listed(&[""])), Kinship::Unknown);
    }
}
