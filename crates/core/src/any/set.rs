//! Which members write: a pure state machine, fed with what the members' probes know.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::ErrorKind;
use crate::key_id::KeyId;
use crate::version::KeyVersion;
use crate::writer::Health;

/// What a member's probe knows of it at one moment.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// Proven not too long ago, and not stopped.
    pub(super) ready: bool,
    /// The last probe failed.
    pub(super) failing: bool,
    /// What it would write with.
    pub(super) version: Option<(KeyId, KeyVersion)>,
    failure: Option<(ErrorKind, String)>,
    /// Why it must not write: its key is gone, disabled or replaced.
    pub(super) stopped: Option<String>,
}

impl From<Health> for View {
    fn from(health: Health) -> Self {
        Self {
            ready: health.ready,
            failing: health.failure.is_some(),
            version: health.active,
            failure: health.failure,
            stopped: health.stopped,
        }
    }
}

impl View {
    /// The kind of what is wrong.
    pub(super) fn failure_kind(&self) -> ErrorKind {
        match (&self.stopped, &self.failure) {
            (Some(_), _) => ErrorKind::Unusable,
            (None, Some((kind, _))) => *kind,
            (None, None) => ErrorKind::Unreachable,
        }
    }

    /// What is wrong, for people.
    pub(super) fn reason(&self) -> String {
        match (&self.stopped, &self.failure) {
            (Some(reason), _) => reason.clone(),
            (None, Some((_, text))) => text.clone(),
            (None, None) => "it was not proven yet".to_owned(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Writes,
    /// Since when it has been good again.
    Out(Option<Instant>),
}

/// Who writes. Decided once at the start, then left only by who could not wrap, and entered only after a long good
/// time: each change is a new key_id, and every API server asks for a new seed.
pub(super) struct Set {
    places: Option<Vec<Place>>,
    quorum: usize,
    return_after: Duration,
}

impl Set {
    pub(super) fn new(quorum: usize, return_after: Duration) -> Self {
        Self { places: None, quorum, return_after }
    }

    /// The members that write, by their index in order; nobody before the start was settled.
    pub(super) fn writing(&self) -> Vec<usize> {
        let places = self.places.iter().flatten().enumerate();
        places.filter(|(_, place)| **place == Place::Writes).map(|(index, _)| index).collect()
    }

    /// Takes in what is known now; answers with who left (false) or came back (true), at the start with everybody.
    pub(super) fn settle(&mut self, views: &[View], now: Instant) -> Vec<(usize, bool)> {
        let Some(places) = &mut self.places else {
            let ready = views.iter().filter(|view| view.ready).count();
            if ready < self.quorum {
                return Vec::new();
            }
            let place = |view: &View| if view.ready { Place::Writes } else { Place::Out(None) };
            self.places = Some(views.iter().map(place).collect());
            return views.iter().map(|view| view.ready).enumerate().collect();
        };
        let mut changes = Vec::new();
        for (index, (place, view)) in places.iter_mut().zip(views).enumerate() {
            let good = view.ready && !view.failing;
            *place = match *place {
                Place::Writes => Place::Writes,
                Place::Out(_) if !good => Place::Out(None),
                Place::Out(since) => {
                    let since = since.unwrap_or(now);
                    if now.duration_since(since) >= self.return_after {
                        changes.push((index, true));
                        Place::Writes
                    } else {
                        Place::Out(Some(since))
                    }
                }
            };
        }
        for (index, view) in views.iter().enumerate() {
            if !view.ready {
                changes.append(&mut self.leave(index, views));
            }
        }
        changes
    }

    /// Leaves a member out, if those that are left can write or one that is good again can stand in for it. Answers
    /// with who left (false) and who came back (true).
    pub(super) fn leave(&mut self, index: usize, views: &[View]) -> Vec<(usize, bool)> {
        let others: Vec<usize> = self.writing().into_iter().filter(|other| *other != index).collect();
        let Some(places) = &mut self.places else {
            return Vec::new();
        };
        if places.get(index) != Some(&Place::Writes) {
            return Vec::new();
        }
        let good = |other: usize| views.get(other).is_some_and(|view| view.ready && !view.failing);
        let left = others.len();
        // Who is not ready either is no reason to leave anybody out: it might be this one that answers first again.
        if left >= self.quorum && others.iter().any(|other| good(*other)) {
            places[index] = Place::Out(None);
            return vec![(index, false)];
        }
        let substitute = (0..places.len()).find(|other| places[*other] != Place::Writes && good(*other));
        match substitute {
            Some(other) if left + 1 >= self.quorum => {
                places[index] = Place::Out(None);
                places[other] = Place::Writes;
                vec![(index, false), (other, true)]
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Set, View};

    fn views(ready: &[bool]) -> Vec<View> {
        let view = |ready: &bool| View { ready: *ready, failing: !ready, version: None, failure: None, stopped: None };
        ready.iter().map(view).collect()
    }

    const BACK: Duration = Duration::from_secs(600);

    #[test]
    fn nobody_writes_before_a_quorum_is_ready() {
        let mut set = Set::new(2, BACK);
        set.settle(&views(&[true, false, false]), Instant::now());
        assert!(set.writing().is_empty());
        assert!(set.leave(0, &views(&[true; 3])).is_empty(), "there is nobody to leave");
        let all = [(0, true), (1, false), (2, true)];
        assert_eq!(set.settle(&views(&[true, false, true]), Instant::now()), all);
        assert_eq!(set.writing(), [0, 2]);
    }

    #[test]
    fn a_member_leaves_only_above_the_quorum() {
        let mut set = Set::new(1, BACK);
        set.settle(&views(&[true, true]), Instant::now());
        let one = views(&[false, true]);
        assert_eq!(set.leave(0, &one), [(0, false)]);
        assert!(set.leave(0, &one).is_empty(), "it has left already");
        assert!(set.leave(1, &one).is_empty(), "the last one stays");
        let mut all = Set::new(2, BACK);
        all.settle(&views(&[true, true]), Instant::now());
        assert!(all.leave(0, &one).is_empty());
        assert!(all.settle(&views(&[false, true]), Instant::now()).is_empty());
        assert_eq!(all.writing(), [0, 1]);
    }

    #[test]
    fn a_member_comes_back_once_after_a_long_good_time() {
        let (mut set, start) = (Set::new(1, BACK), Instant::now());
        set.settle(&views(&[true, true]), start);
        set.leave(1, &views(&[true, false]));
        let both = views(&[true, true]);
        assert!(set.settle(&both, start).is_empty());
        assert!(set.settle(&both, start + BACK / 2).is_empty());
        set.settle(&views(&[true, false]), start + BACK / 2);
        assert!(set.settle(&both, start + BACK).is_empty(), "a failure in between begins anew");
        assert!(set.settle(&both, start + BACK + BACK / 2).is_empty());
        assert_eq!(set.settle(&both, start + BACK + BACK), [(1, true)]);
        assert!(set.settle(&both, start + BACK * 3).is_empty(), "only once");
        assert_eq!(set.writing(), [0, 1]);
    }

    #[test]
    fn a_member_that_is_not_ready_any_more_leaves_without_an_encrypt() {
        let mut set = Set::new(1, BACK);
        set.settle(&views(&[true, true]), Instant::now());
        assert_eq!(set.settle(&views(&[false, true]), Instant::now()), [(0, false)]);
        assert!(set.settle(&views(&[false, false]), Instant::now()).is_empty(), "the last one stays");
        let swapped = set.settle(&views(&[true, false]), Instant::now());
        assert_eq!(swapped, [(1, false), (0, true)], "need comes before patience");
    }

    #[test]
    fn while_nobody_is_ready_nobody_leaves() {
        let mut set = Set::new(1, BACK);
        set.settle(&views(&[true, true]), Instant::now());
        assert!(set.settle(&views(&[false, false]), Instant::now()).is_empty());
        assert_eq!(set.settle(&views(&[true, false]), Instant::now()), [(1, false)]);
        assert_eq!(set.writing(), [0]);
    }
}
