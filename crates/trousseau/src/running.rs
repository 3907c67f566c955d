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

/// The state of this member among those that run. Its name tells it apart too: keys of one name in two Vaults have the
/// same identity, and one's state is not the other's.
pub(crate) fn state_of<'a>(member: &Key, running: &'a [(Arc<Key>, Arc<Writer>)]) -> Option<&'a Arc<Writer>> {
    let own = |key: &Key| key.name().rsplit('/').next().map(str::to_owned);
    let same = |key: &Key| key.same_identity(member) && own(key) == own(member);
    running.iter().find(|(key, _)| same(key)).map(|(_, writer)| writer)
}

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
}

/// A keyring whose probes run. Dropping it ends them.
pub struct Running {
    /// The keys.
    pub keyring: Arc<Keyring>,
    pub(crate) members: Members,
    probes: JoinSet<()>,
}

impl Running {
    /// Ends its probes and hands its state on to what follows it: of the writing key, and of each member of a list, where
    /// they are the same keys there.
    pub fn hand_on(self, next: &Built) {
        let Self { keyring, members, probes } = self;
        // They end first, so that two never announce at once.
        drop(probes);
        let [running, following] = [&keyring, &next.keyring].map(|ring| (ring.keys().first(), ring.writer()));
        if let ((Some(ours), from), (Some(theirs), to)) = (running, following)
            && ours.same_identity(theirs)
        {
            to.adopt(from);
            for (key, to) in &next.members {
                if let Some(from) = state_of(key, &members) {
                    to.adopt(from);
                }
            }
        }
    }
}

impl Built {
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
