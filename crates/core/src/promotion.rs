//! Which version of a key writes: the promotion rule.
//!
//! Highest version >= min_encryption that has been there for the promotion delay; if there is none, the lowest
//! >= min_encryption. All nodes compute it from the same metadata, so they switch together without talking.

use std::time::Duration;

use crate::provider::{Observation, VersionInfo};
use crate::version::KeyVersion;

/// How long, or how often, a new version must be seen before it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PromotionRule {
    /// Age that a version needs where the KMS tells when it was made: all peers can read it by then.
    pub delay: Duration,
    /// Equal observations that it needs where the KMS tells no times.
    pub observations: u32,
}

impl Default for PromotionRule {
    fn default() -> Self {
        Self { delay: Duration::from_secs(180), observations: 3 }
    }
}

/// The rule and what it remembers: only the run of equal observations of versions without times.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Promotion {
    rule: PromotionRule,
    newest: Option<(KeyVersion, u32)>,
}

impl Promotion {
    /// Starts with nothing seen.
    pub fn new(rule: PromotionRule) -> Self {
        Self { rule, newest: None }
    }

    /// The version that writes, by what the KMS says now (`now` in Unix seconds). `current`, the version that writes
    /// already, is never left for a lower one while it may still encrypt. `None` if the list holds no version that
    /// may encrypt. `counts` is false for a look out of turn, which is no observation of its own.
    pub fn choose<'a>(
        &mut self,
        seen: &'a Observation,
        current: Option<&KeyVersion>,
        now: u64,
        counts: bool,
    ) -> Option<&'a VersionInfo> {
        let stable = self.count(seen, current, counts);
        let candidates = || seen.versions.iter().filter(|info| may_encrypt(info, seen.min_encryption));
        let due = |info: &&VersionInfo| match (info.active_from, info.created) {
            (Some(from), _) => from <= now,
            (None, Some(created)) => created.saturating_add(self.rule.delay.as_secs()) <= now,
            (None, None) => stable || current == Some(&info.version),
        };
        let chosen = candidates().rfind(due).or_else(|| candidates().next())?;
        let position = |version: &KeyVersion| seen.versions.iter().position(|info| info.version == *version);
        let held = current.and_then(|current| candidates().find(|info| info.version == *current));
        match held {
            Some(held) if position(&held.version) > position(&chosen.version) => Some(held),
            _ => Some(chosen),
        }
    }

    /// The same, with its count cut to where it decides: the model would count for ever.
    #[cfg(test)]
    pub(crate) fn canonical(mut self) -> Self {
        self.newest = self.newest.map(|(version, run)| (version, run.min(self.rule.observations)));
        self
    }

    /// Counts equal observations of the newest version; true once there were enough, or when nothing writes yet.
    fn count(&mut self, seen: &Observation, current: Option<&KeyVersion>, counts: bool) -> bool {
        let Some(newest) = seen.versions.last() else {
            return false;
        };
        let run = match self.newest.take() {
            Some((version, run)) if version == newest.version => run.saturating_add(counts.into()),
            _ => 1,
        };
        self.newest = Some((newest.version.clone(), run));
        current.is_none() || run >= self.rule.observations
    }
}

fn may_encrypt(info: &VersionInfo, min: Option<u32>) -> bool {
    if info.active_from == Some(VersionInfo::NEVER) {
        return false;
    }
    match (min, info.version.number()) {
        (Some(min), Some(number)) => number >= min,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::{Promotion, PromotionRule};
    use crate::provider::{Observation, VersionInfo};
    use crate::version::KeyVersion::{Name, Number};

    fn listed(versions: &[(u32, Option<u64>)]) -> Observation {
        let info =
            |&(number, created)| VersionInfo { version: Number(number), created, active_from: None, material: None };
        Observation { versions: versions.iter().map(info).collect(), ..Observation::default() }
    }

    fn choose(seen: &Observation, current: Option<u32>, now: u64) -> Option<u32> {
        let current = current.map(Number);
        Promotion::new(PromotionRule::default()).choose(seen, current.as_ref(), now, true)?.version.number()
    }

    #[test]
    fn a_version_waits_for_the_delay() {
        let seen = listed(&[(1, Some(1000)), (2, Some(2000))]);
        assert_eq!(choose(&seen, Some(1), 2179), Some(1));
        assert_eq!(choose(&seen, Some(1), 2180), Some(2));
    }

    #[test]
    fn without_an_old_enough_version_the_lowest_writes() {
        assert_eq!(choose(&listed(&[(4, Some(1000)), (5, Some(1001))]), None, 1002), Some(4));
    }

    #[test]
    fn min_encryption_beats_the_delay() {
        let seen = Observation { min_encryption: Some(2), ..listed(&[(1, Some(0)), (2, Some(2000))]) };
        assert_eq!(choose(&seen, Some(1), 2001), Some(2));
        let none = Observation { min_encryption: Some(3), ..listed(&[(1, Some(0))]) };
        assert_eq!(choose(&none, Some(1), 2001), None);
    }

    #[test]
    fn the_active_version_never_goes_down() {
        let seen = listed(&[(1, Some(0)), (2, Some(2000))]);
        assert_eq!(choose(&seen, Some(2), 2001), Some(2), "a clock set back changes nothing");
        assert_eq!(choose(&listed(&[(1, Some(0))]), Some(2), 2001), Some(1), "unless the version is listed no more");
    }

    #[test]
    fn a_version_no_longer_listed_is_left_at_once() {
        let seen = listed(&[(3, Some(5000))]);
        assert_eq!(choose(&seen, Some(2), 5001), Some(3), "min_decryption_version was raised above the active one");
    }

    /// Azure: named versions, listed by the time when they were made; an expired one opens and may not wrap.
    fn named(versions: &[(&str, u64, bool)]) -> Observation {
        let info = |&(name, created, writes): &(&str, u64, bool)| VersionInfo {
            version: Name(name.to_owned()),
            created: Some(created),
            active_from: (!writes).then_some(VersionInfo::NEVER),
            material: None,
        };
        Observation { versions: versions.iter().map(info).collect(), ..Observation::default() }
    }

    fn choose_named(seen: &Observation, current: Option<&str>, now: u64) -> Option<String> {
        let current = current.map(|name| Name(name.to_owned()));
        Some(Promotion::new(PromotionRule::default()).choose(seen, current.as_ref(), now, true)?.version.to_string())
    }

    #[test]
    fn named_versions_are_promoted_by_their_time_whatever_they_are_called() {
        let seen = named(&[("f0", 1000, true), ("0a", 2000, true)]);
        assert_eq!(choose_named(&seen, None, 2179).as_deref(), Some("f0"));
        assert_eq!(choose_named(&seen, Some("f0"), 2179).as_deref(), Some("f0"));
        assert_eq!(choose_named(&seen, Some("f0"), 2180).as_deref(), Some("0a"));
        assert_eq!(choose_named(&seen, Some("0a"), 2001).as_deref(), Some("0a"), "a clock set back changes nothing");
    }

    #[test]
    fn a_version_that_only_reads_never_writes() {
        let expired_first = named(&[("a", 1000, false), ("b", 2000, true)]);
        assert_eq!(choose_named(&expired_first, None, 2001).as_deref(), Some("b"), "not even while `b` is young");
        assert_eq!(choose_named(&expired_first, Some("a"), 2001).as_deref(), Some("b"), "it is left at once");
        let expired_last = named(&[("a", 1000, true), ("b", 2000, false)]);
        assert_eq!(choose_named(&expired_last, Some("b"), 9000).as_deref(), Some("a"), "also for a lower one");
        assert_eq!(choose_named(&named(&[("a", 1000, false)]), Some("a"), 9000), None);
    }

    #[test]
    fn without_times_three_equal_observations_decide() {
        let mut promotion = Promotion::new(PromotionRule::default());
        let mut step = |newest: u32, current: Option<u32>| {
            let current = current.map(Number);
            let versions: Vec<_> = (1..=newest).map(|number| (number, None)).collect();
            let seen = listed(&versions);
            promotion.choose(&seen, current.as_ref(), 0, true).and_then(|info| info.version.number())
        };
        assert_eq!(step(1, None), Some(1));
        assert_eq!(step(2, Some(1)), Some(1));
        assert_eq!(step(2, Some(1)), Some(1));
        assert_eq!(step(3, Some(1)), Some(1), "a change starts the count again");
        assert_eq!(step(3, Some(1)), Some(1));
        assert_eq!(step(3, Some(1)), Some(3));
    }
}
