//! The fields of a flat file of the Go Trousseau, in any case: texts, and one map.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use trousseau_core::SecretText;
use trousseau_core::section::Fault;

use crate::config::yaml;

/// What stands in the file of its providers `awskms` and `azurekms`, or in one map below `provider`.
#[derive(Default)]
pub(super) struct Flat {
    /// By their names in lower case: the name as written, and the value.
    texts: BTreeMap<String, (String, SecretText)>,
    /// Of `encryptionContext`.
    pub(super) context: BTreeMap<String, String>,
    /// Maps below: what `provider` names.
    below: BTreeMap<String, Self>,
}

impl Flat {
    /// The value of a field; `None` if it is empty or absent.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let (_, value) = self.texts.remove(&name.to_ascii_lowercase())?;
        Some(value.expose().to_owned()).filter(|value| !value.is_empty())
    }

    /// The same, which must be there.
    pub(super) fn need(&mut self, prefix: &str, name: &str, remedy: &str) -> Result<String, Fault> {
        self.take(name).ok_or_else(|| Fault::new(format!("{prefix}{name}"), "is empty or missing", remedy))
    }

    /// As Go's YAML reads a boolean; absent is false.
    pub(super) fn flag(&mut self, prefix: &str, name: &str) -> Result<bool, Fault> {
        match self.take(name).as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "no" | "off") => Ok(false),
            Some("true" | "yes" | "on") => Ok(true),
            Some(_) => {
                Err(Fault::new(format!("{prefix}{name}"), "is neither true nor false", "write `true` or `false`"))
            }
        }
    }

    /// What stands below this name.
    pub(super) fn below(&mut self, name: &str) -> Option<Self> {
        self.below.remove(name)
    }

    /// The fields that nobody took, by their names as written.
    pub(super) fn rest(self) -> impl Iterator<Item = String> {
        // What is written in the place of a name may be a secret that lost its field.
        self.texts.into_values().map(|(name, _)| yaml::sayable(&name).unwrap_or("(a field)").to_owned())
    }
}

impl<'de> Deserialize<'de> for Flat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Read)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Flat;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fields (`name: value`)")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Flat, A::Error> {
        let mut flat = Flat::default();
        while let Some(name) = map.next_key::<String>()? {
            match name.to_ascii_lowercase().as_str() {
                "encryptioncontext" => {
                    flat.context = map.next_value::<Option<BTreeMap<String, String>>>()?.unwrap_or_default();
                }
                below @ ("awskms" | "azurekms") => {
                    flat.below.insert(below.to_owned(), map.next_value::<Option<Flat>>()?.unwrap_or_default());
                }
                // Of no use with these providers, whatever stands there.
                "vault" | "keynames" => {
                    map.next_value::<IgnoredAny>()?;
                    flat.texts.insert(name.to_ascii_lowercase(), (name, SecretText::default()));
                }
                lower => {
                    let value = SecretText::new(map.next_value::<Option<String>>()?.unwrap_or_default());
                    flat.texts.insert(lower.to_owned(), (name, value));
                }
            }
        }
        Ok(flat)
    }
}
