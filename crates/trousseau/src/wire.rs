//! From a configuration to a running thing: the one place that knows every kind of KMS, and the only one with
//! `cfg(feature)` for them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::de::MapAccess;
use trousseau_core::any::{AnyProvider, AnyRule, Member, MemberEvents};
use trousseau_core::envelope::Clusters;
use trousseau_core::events::Events;
use trousseau_core::guard::Guard;
use trousseau_core::probe::Prober;
use trousseau_core::section::Host;
use trousseau_core::{AadPolicy, Clock, Key, KeyConfig, Keyring, Provider, Writer};

use crate::config::{Config, Key as KeySection, Kind, Place, ProviderSection};
use crate::running::{Built, Members};

/// Makes the table of the kinds of KMS out of one line for each: the name of its section, the cargo feature, and the
/// type of the section.
macro_rules! kinds {
    ($($name:literal, $feature:literal => $section:ty;)*) => {
        /// The kinds of KMS that this build has.
        pub static KINDS: &[Kind] = &[$(#[cfg(feature = $feature)] Kind::of::<$section>($name, $feature)),*];

        /// Section and feature of every kind that there is, whether this build has it or not.
        const ALL: &[(&str, &str)] = &[$(($name, $feature)),*];

        /// Reads the section of this name, if this build has it. Typed down to the parser, so that an error keeps its
        /// line and column.
        pub(crate) fn read<'de, A: MapAccess<'de>>(
            name: &str,
            map: &mut A,
        ) -> Result<Option<ProviderSection>, A::Error> {
            match name {
                $(#[cfg(feature = $feature)]
                $name => Ok(Some(ProviderSection::new($name, map.next_value::<$section>()?))),)*
                _ => Ok(None),
            }
        }
    };
}

kinds! {
    "awsKms", "aws" => trousseau_aws::Config;
    "azureKeyVault", "azure" => trousseau_azure::Config;
    "local", "local" => trousseau_local::Config;
    "vault", "vault" => trousseau_vault::Config;
    "plugin", "plugin" => trousseau_plugin::Config;
}

/// The names of the sections that this build has.
pub fn sections() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}

/// The kind whose section has this name, if this build has it.
pub fn kind(section: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == section)
}

/// The cargo feature that brings a section; `None` for one that no build has.
pub(crate) fn feature_of(section: &str) -> Option<&'static str> {
    ALL.iter().find(|(name, _)| *name == section).map(|(_, feature)| *feature)
}

/// Section and feature of what this build lacks.
pub(crate) fn lacking() -> impl Iterator<Item = (&'static str, &'static str)> {
    ALL.iter().copied().filter(|(name, _)| kind(name).is_none())
}

/// The kinds that this build has, as log and metrics print them.
pub fn providers() -> String {
    KINDS.iter().map(|kind| kind.kind.name).collect::<Vec<_>>().join(",")
}

/// A version that was added to a local key file.
#[derive(Clone, Debug)]
pub struct Generated {
    /// Its number.
    pub version: u32,
    /// From when on it writes, RFC 3339 in UTC.
    pub active_from: String,
}

/// Makes a local key file, or adds a version to one. For `keygen`, `demo` and `serve --dev`.
///
/// # Errors
/// The file's; and a build without `local`.
#[cfg(feature = "local")]
pub fn keygen(file: &Path, add: bool, active_in: Option<Duration>) -> anyhow::Result<Generated> {
    let made = trousseau_local::keygen(file, &trousseau_local::KeygenOptions { add, active_in })?;
    Ok(Generated { version: made.version, active_from: made.active_from.to_string() })
}

/// This build has no local keys.
///
/// # Errors
/// Always.
#[cfg(not(feature = "local"))]
pub fn keygen(_: &Path, _: bool, _: Option<Duration>) -> anyhow::Result<Generated> {
    bail!("this build of Trousseau has no local keys; take a released binary, or build with `--features local`")
}

/// What a configuration is built into, beside itself.
#[derive(Clone)]
pub struct Surroundings {
    /// Environment and credentials.
    pub host: Host,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Who hears what happens.
    pub events: Arc<dyn Events>,
}

/// Builds the keys of a configuration.
///
/// # Errors
/// A file that can't be read, two keys that are the same, and all else that is wrong without asking a KMS.
pub fn build(config: &Config, around: &Surroundings) -> anyhow::Result<Built> {
    let clusters = Arc::new(config.clusters()?);
    let mut keys: Vec<Arc<Key>> = Vec::new();
    let mut members = Members::new();
    for (at, section) in config.keys.iter().enumerate() {
        let mut parts = Parts { config, around, clusters: &clusters, members: Members::new() };
        let provider = parts.provider(section).with_context(|| format!("key `{}`", section.name))?;
        let key = parts.key(section.name.clone(), section.aad, provider);
        if let Some(twin) = keys.iter().find(|other| other.same_identity(&key)) {
            bail!("keys `{}` and `{}` are the same key in the same KMS; remove one", twin.name(), key.name());
        }
        if at == 0 {
            members = parts.members;
        }
        keys.push(Arc::new(key));
    }
    let writing =
        keys.first().map(Arc::clone).context("`keys` is empty; the first key writes, so name at least one")?;
    let writer = Arc::new(Writer::new(config.health.grace));
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
    let events = Arc::clone(&around.events);
    Ok(Built { keyring: Arc::new(keyring), prober, members, times, events, carries: false })
}

/// What all keys of one configuration are made with.
struct Parts<'a> {
    config: &'a Config,
    around: &'a Surroundings,
    clusters: &'a Arc<Clusters>,
    /// The members of the key that is built, so far.
    members: Members,
}

impl Parts<'_> {
    fn key(&self, name: String, aad: AadPolicy, provider: Arc<dyn Provider>) -> Key {
        Key::new(KeyConfig { name, clusters: Arc::clone(self.clusters), aad }, provider)
    }

    /// One KMS behind its guard, or a list of keys that have one each.
    fn provider(&mut self, section: &KeySection) -> anyhow::Result<Arc<dyn Provider>> {
        match &section.provider {
            Place::Kms(kms) => self.guarded(&section.name, kms, Arc::clone(&self.around.events)),
            Place::Any(any) => {
                let members = any.of.iter().map(|member| self.member(&section.name, member));
                let members = members.collect::<anyhow::Result<Vec<_>>>()?;
                let rule = AnyRule { write_quorum: any.quorum(), return_after: any.return_after };
                let events = Arc::clone(&self.around.events);
                Ok(Arc::new(AnyProvider::new(section.name.as_str(), members, rule, events)?))
            }
        }
    }

    fn guarded(
        &self,
        name: &str,
        section: &ProviderSection,
        events: Arc<dyn Events>,
    ) -> anyhow::Result<Arc<dyn Provider>> {
        let provider = section.build(&self.around.host).map_err(anyhow::Error::from_boxed)?;
        Ok(Arc::new(Guard::new(name, provider, self.config.limits.guard(), events)))
    }

    /// A member has all that a key has, a state and a probe of its own included.
    fn member(&mut self, list: &str, section: &KeySection) -> anyhow::Result<Member> {
        let name = format!("{list}/{}", section.name);
        let Place::Kms(kms) = &section.provider else {
            bail!("member `{name}` is a list inside a list");
        };
        let heard = MemberEvents { list: list.to_owned(), events: Arc::clone(&self.around.events) };
        let events: Arc<dyn Events> = Arc::new(heard);
        let provider = self.guarded(&name, kms, Arc::clone(&events)).with_context(|| format!("member `{name}`"))?;
        let key = Arc::new(self.key(name, section.aad, provider));
        // Half of what Status has, so that a member is left out before Status must say that it is not well.
        let writer = Arc::new(Writer::of_member(self.config.health.grace / 2));
        self.members.push((Arc::clone(&key), Arc::clone(&writer)));
        let clock = Arc::clone(&self.around.clock);
        let (rule, times) = (self.config.probe.rule(), self.config.probe.times());
        let prober = Prober::new(Arc::clone(&key), Arc::clone(&writer), rule, times, clock, events);
        Ok(Member { key, writer, prober })
    }
}
