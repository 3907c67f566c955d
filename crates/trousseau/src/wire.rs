//! From a configuration to a running thing: the one place that knows every kind of KMS.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::task::JoinSet;
use trousseau_core::events::Events;
use trousseau_core::guard::Guard;
use trousseau_core::probe::{ProbeTimes, Prober, run_reading};
use trousseau_core::{Clock, Key, KeyConfig, Keyring, Provider, Writer};

use crate::config::{Config, Key as KeySection, ProviderConfig};

/// What a configuration is built into, beside itself.
#[derive(Clone)]
pub struct Surroundings {
    /// systemd's `$CREDENTIALS_DIRECTORY`.
    pub credentials: Option<PathBuf>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Who hears what happens.
    pub events: Arc<dyn Events>,
}

/// A keyring that doesn't run yet: nothing was asked of a KMS.
pub struct Built {
    /// The keys.
    pub keyring: Arc<Keyring>,
    /// The writing key's probe.
    pub prober: Prober,
    times: ProbeTimes,
    events: Arc<dyn Events>,
}

/// The kinds of KMS that this build has, as log and metrics print them.
pub const PROVIDERS: &str = "local,vault";

/// Builds the keys of a configuration. `before` is the running keyring: where the writing key stays the same one, its
/// state goes on.
///
/// # Errors
/// A file that can't be read, two keys that are the same, and all else that is wrong without asking a KMS.
pub fn build(config: &Config, around: &Surroundings, before: Option<&Keyring>) -> anyhow::Result<Built> {
    let limits = config.limits.guard();
    let clusters = Arc::new(config.clusters()?);
    let mut keys: Vec<Arc<Key>> = Vec::new();
    for section in &config.keys {
        let provider = provider(section, around).with_context(|| format!("key `{}`", section.name))?;
        let guard = Guard::new(section.name.as_str(), provider, limits, Arc::clone(&around.events));
        let shape = KeyConfig { name: section.name.clone(), clusters: Arc::clone(&clusters), aad: section.aad };
        let key = Key::new(shape, Arc::new(guard));
        if let Some(twin) = keys.iter().find(|other| other.same_identity(&key) && !other.describe().identity.is_empty())
        {
            bail!("keys `{}` and `{}` are the same key in the same KMS; remove one", twin.name(), key.name());
        }
        keys.push(Arc::new(key));
    }
    let writing =
        keys.first().map(Arc::clone).context("`keys` is empty; the first key writes, so name at least one")?;
    let same = before.filter(|running| running.keys().first().is_some_and(|key| key.same_identity(&writing)));
    let grace = config.health.grace;
    let writer = Arc::new(same.map_or_else(|| Writer::new(grace), |running| running.writer().carried_over(grace)));
    let times = config.probe.times();
    let prober = Prober::new(
        Arc::clone(&writing),
        Arc::clone(&writer),
        config.probe.rule(),
        times,
        Arc::clone(&around.clock),
        Arc::clone(&around.events),
    );
    let keyring = Keyring::new(keys, writer, Arc::clone(&around.events)).context("`keys` is empty")?;
    Ok(Built { keyring: Arc::new(keyring), prober, times, events: Arc::clone(&around.events) })
}

fn provider(section: &KeySection, around: &Surroundings) -> anyhow::Result<Arc<dyn Provider>> {
    Ok(match &section.provider {
        ProviderConfig::Local(config) => Arc::new(config.build(around.credentials.as_deref())?),
        ProviderConfig::Vault(config) => Arc::new(config.build(&vault_environment())?),
    })
}

/// The variables that Vault's own tools read.
fn vault_environment() -> trousseau_vault::Environment {
    trousseau_vault::Environment::from_variables(|name| std::env::var(name).ok())
}

/// A keyring whose probes run. Dropping it ends them.
pub struct Running {
    /// The keys.
    pub keyring: Arc<Keyring>,
    _probes: JoinSet<()>,
}

impl Built {
    /// Starts the probes. Must run inside a tokio runtime.
    pub fn start(self) -> Running {
        let mut probes = JoinSet::new();
        probes.spawn(self.prober.run());
        for key in self.keyring.keys().iter().skip(1) {
            probes.spawn(run_reading(Arc::clone(key), self.times, Arc::clone(&self.events)));
        }
        Running { keyring: self.keyring, _probes: probes }
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
