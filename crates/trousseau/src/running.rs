//! What a configuration was built into, before it runs and while it does.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use trousseau_core::events::Events;
use trousseau_core::probe::{ProbeTimes, Prober, run_reading};
use trousseau_core::{Key, Keyring, Writer};

use crate::random;

/// The members of a list with their state.
pub(crate) type Members = Vec<(Arc<Key>, Arc<Writer>)>;

/// A keyring that doesn't run yet: nothing was asked of a KMS.
pub struct Built {
    /// The keys.
    pub keyring: Arc<Keyring>,
    /// The writing key's probe.
    pub prober: Prober,
    /// The members of the writing key, where it is a list, and their state.
    pub(crate) members: Members,
    pub(crate) times: ProbeTimes,
    pub(crate) events: Arc<dyn Events>,
    /// Goes on with the state of what runs.
    pub(crate) carries: bool,
}

/// A keyring whose probes run. Dropping it ends them.
pub struct Running {
    /// The keys.
    pub keyring: Arc<Keyring>,
    pub(crate) members: Members,
    probes: JoinSet<()>,
}

impl Running {
    /// The members of the list that can't write any more, by name: their keys are gone, disabled or replaced.
    pub fn lost_members(&self) -> Vec<String> {
        let lost = self.members.iter().filter(|(_, writer)| writer.health().stopped.is_some());
        lost.map(|(key, _)| key.name().to_owned()).collect()
    }

    /// A member whose key is well, and which was not accepted as lost, but whose material none of the next members has.
    pub fn member_replaced_in(&self, next: &Built, accepted: &[String]) -> Option<&str> {
        replaced(&self.members, &next.members, accepted)
    }

    /// Ends its probes and hands on what it announced since [`Built::carry_over`].
    pub fn hand_on(self, next: &Built) {
        let Self { keyring, members, probes } = self;
        // They end first, so that two never announce at once.
        drop(probes);
        if next.carries {
            next.keyring.writer().adopt(keyring.writer());
            for (from, to) in pairs(&members, &next.members) {
                to.adopt(from);
            }
        }
    }
}

/// The states of members that are the same key in one list and the next. Keys of one name in two Vaults have one
/// identity, and one's state is not the other's: their own names tell them apart.
fn pairs<'a>(running: &'a Members, next: &'a Members) -> Vec<(&'a Writer, &'a Writer)> {
    let from = |member: &Key| {
        let same: Vec<_> = running.iter().filter(|(key, _)| key.same_identity(member)).collect();
        match same[..] {
            [(_, one)] => Some(one),
            _ => same.into_iter().find(|(key, _)| own_name(key) == own_name(member)).map(|(_, named)| named),
        }
    };
    next.iter().filter_map(|(key, to)| Some((from(key)?.as_ref(), to.as_ref()))).collect()
}

/// See [`Running::member_replaced_in`].
fn replaced<'a>(running: &'a Members, next: &Members, accepted: &[String]) -> Option<&'a str> {
    let well = running
        .iter()
        .filter(|(key, writer)| writer.health().stopped.is_none() && !accepted.iter().any(|name| name == key.name()));
    let mut lost = well.filter(|(key, _)| !next.iter().any(|(other, _)| key.same_identity(other)));
    lost.next().map(|(key, _)| key.name())
}

/// A member's name without its list's.
fn own_name(key: &Key) -> Option<&str> {
    key.name().rsplit('/').next()
}

impl Built {
    /// Goes on with the state of `running`, which has the same writing key, and with that of its members. Those named in
    /// `accepted` begin anew with their keys as they are in their KMS now.
    pub fn carry_over(&mut self, running: &Running, accepted: &[String]) {
        self.keyring.writer().carry_over(running.keyring.writer());
        let accepted = |writer: &Writer| {
            let mut members = running.members.iter().filter(|(key, _)| accepted.iter().any(|name| name == key.name()));
            members.any(|(_, member)| std::ptr::eq(member.as_ref(), writer))
        };
        for (from, to) in pairs(&running.members, &self.members) {
            if !accepted(from) {
                to.carry_over(from);
            }
        }
        self.carries = true;
    }

    /// Starts the probes. Must run inside a tokio runtime.
    pub fn start(self) -> Running {
        let mut probes = JoinSet::new();
        probes.spawn(async {
            random::seeded().await;
            self.prober.run().await;
        });
        for key in self.keyring.keys().iter().skip(1) {
            let probe = run_reading(Arc::clone(key), self.times, Arc::clone(&self.events));
            probes.spawn(async {
                random::seeded().await;
                probe.await;
            });
        }
        Running { keyring: self.keyring, members: self.members, probes }
    }

    /// Probes until a round is good, for a configuration that must prove itself before it is used.
    pub async fn proven(mut self) -> Self {
        while self.prober.round().await.is_err() {
            tokio::time::sleep(self.times.after_failure.min(self.times.interval).max(RETRY)).await;
        }
        self
    }
}

/// The shortest pause between two probes of a pending configuration.
const RETRY: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use trousseau_core::envelope::Clusters;
    use trousseau_core::{AadPolicy, Key, KeyConfig, Writer};
    use trousseau_testkit::fake::FakeProvider;

    use super::{Members, pairs, replaced};

    fn members(named: &[(&str, &str)]) -> Members {
        let member = |(name, identity): &(&str, &str)| {
            let clusters = Arc::new(Clusters::new(vec!["test".to_owned()]).expect("a good name"));
            let config =
                KeyConfig { name: (*name).to_owned(), clusters, aad: AadPolicy::Required { accept_without: false } };
            let kms = Arc::new(FakeProvider::named(identity, 1_000));
            (Arc::new(Key::new(config, kms)), Arc::new(Writer::of_member(Duration::from_secs(60))))
        };
        named.iter().map(member).collect()
    }

    /// Which running member each of the next has its state from.
    fn paired(running: &[(&str, &str)], next: &[(&str, &str)]) -> Vec<(usize, usize)> {
        let (running, next) = (members(running), members(next));
        let at = |list: &Members, writer: &Writer| list.iter().position(|(_, it)| std::ptr::eq(it.as_ref(), writer));
        let found = pairs(&running, &next).into_iter();
        found.map(|(from, to)| (at(&running, from).expect("it runs"), at(&next, to).expect("it is next"))).collect()
    }

    /// Both have the identity of `transit/kubernetes`, and lie in two Vaults.
    #[test]
    fn members_of_one_identity_are_told_apart_by_their_own_names() {
        let running = [("both/one", "kubernetes"), ("both/two", "kubernetes")];
        assert_eq!(paired(&running, &running), [(0, 0), (1, 1)]);
        let swapped = [("pair/two", "kubernetes"), ("pair/one", "kubernetes")];
        assert_eq!(paired(&running, &swapped), [(1, 0), (0, 1)], "another order, and another name of the list");
        let renamed = [("both/one", "kubernetes"), ("both/three", "kubernetes")];
        assert_eq!(paired(&running, &renamed), [(0, 0)], "nobody's state, rather than another's");
    }

    /// One was accepted as lost; the other was well a moment ago, and its word is not given with it.
    #[test]
    fn only_an_accepted_member_may_have_other_material() {
        let running = members(&[("both/one", "kubernetes"), ("both/two", "secrets")]);
        let next = |identities: [&str; 2]| members(&[("both/one", identities[0]), ("both/two", identities[1])]);
        let accepted = ["both/one".to_owned()];
        assert_eq!(replaced(&running, &next(["kubernetes", "secrets"]), &[]), None);
        assert_eq!(replaced(&running, &next(["other", "secrets"]), &[]), Some("both/one"));
        assert_eq!(replaced(&running, &next(["other", "secrets"]), &accepted), None);
        assert_eq!(replaced(&running, &next(["other", "others"]), &accepted), Some("both/two"));
        assert_eq!(replaced(&running, &next(["secrets", "kubernetes"]), &[]), None, "another order");
    }

    #[test]
    fn a_member_whose_identity_is_its_own_may_change_its_name() {
        let running = [("both/one", "kubernetes"), ("both/two", "secrets")];
        let renamed = [("both/second", "secrets"), ("both/one", "kubernetes")];
        assert_eq!(paired(&running, &renamed), [(1, 0), (0, 1)]);
    }
}
