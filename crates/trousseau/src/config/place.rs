//! Where a key lies: in one KMS, or in several at once.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trousseau_core::section::{Fault, Section};

use super::{Key, ProviderSection};

/// In one KMS, or in several.
#[derive(Clone, Debug)]
pub enum Place {
    /// In one.
    Kms(ProviderSection),
    /// In several at once (`any:`).
    Any(AnySection),
}

/// Several KMS at once: written with all of them, readable with any one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AnySection {
    /// The members, in the order in which they are asked to read: keys with their own name and KMS.
    pub of: Vec<Key>,
    /// The fewest members that must wrap, or nothing is encrypted; all of them if unset.
    pub write_quorum: Option<usize>,
    /// How long a member that was left out must be good before it is written with again.
    #[serde(with = "humantime_serde", default = "return_after")]
    #[schemars(with = "String")]
    pub return_after: Duration,
}

/// The name of the section.
pub(super) const ANY: &str = "any";

fn return_after() -> Duration {
    Duration::from_secs(600)
}

impl AnySection {
    /// The quorum that counts.
    pub fn quorum(&self) -> usize {
        self.write_quorum.unwrap_or(self.of.len())
    }
}

impl Place {
    /// The fields of the one KMS, if it is one of this kind.
    pub fn get<S: Section>(&self) -> Option<&S> {
        match self {
            Self::Kms(section) => section.get(),
            Self::Any(_) => None,
        }
    }

    /// The section's name in the file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Kms(section) => section.name(),
            Self::Any(_) => ANY,
        }
    }

    /// Every KMS in it, with the path of its section; `path` is the key's.
    pub(super) fn sections(&self, path: &str) -> Vec<(String, &ProviderSection)> {
        match self {
            Self::Kms(section) => vec![(format!("{path}.{}", section.name()), section)],
            Self::Any(any) => {
                let members = any.of.iter().enumerate();
                members.flat_map(|(at, member)| member.provider.sections(&format!("{path}.{ANY}.of[{at}]"))).collect()
            }
        }
    }

    /// What the list itself has wrong; its members' sections are looked at by themselves.
    pub(super) fn check(&self, path: &str) -> Result<(), Fault> {
        let Self::Any(any) = self else {
            return Ok(());
        };
        let (path, count) = (format!("{path}.{ANY}"), any.of.len());
        let members = trousseau_core::any::MEMBERS;
        if !members.contains(&count) {
            let what = format!("has {count} members");
            let remedy = format!("write {} to {}", members.start(), members.end());
            return Err(Fault::new(format!("{path}.of"), what, remedy));
        }
        if !(1..=count).contains(&any.quorum()) {
            let remedy = format!("write 1 to {count}, or leave it out for all of them");
            return Err(Fault::new(format!("{path}.writeQuorum"), "can't be reached, or is nothing", remedy));
        }
        super::check::longest(format!("{path}.returnAfter"), any.return_after)?;
        for (at, member) in any.of.iter().enumerate() {
            let same = |other: &Key| match (&other.provider, &member.provider) {
                (Self::Kms(one), Self::Kms(two)) => one.name() == two.name() && one.show() == two.show(),
                _ => false,
            };
            if let Some(twin) = any.of[..at].iter().position(same) {
                let what = format!("is the same key as of[{twin}], and protects nothing");
                return Err(Fault::new(format!("{path}.of[{at}]"), what, "name a key in another KMS"));
            }
            if matches!(member.provider, Self::Any(_)) {
                let remedy = "write its members into the outer list";
                return Err(Fault::new(format!("{path}.of[{at}]"), "is a list inside a list", remedy));
            }
        }
        Ok(())
    }

    /// Its fields, defaults included, secrets masked.
    pub(super) fn show(&self, member: impl Fn(&Key) -> Value) -> Value {
        match self {
            Self::Kms(section) => section.show(),
            Self::Any(any) => json!({
                "of": any.of.iter().map(member).collect::<Vec<_>>(),
                "writeQuorum": any.quorum(),
                "returnAfter": Shown(any.return_after),
            }),
        }
    }
}

#[derive(Serialize)]
struct Shown(#[serde(with = "humantime_serde")] Duration);
