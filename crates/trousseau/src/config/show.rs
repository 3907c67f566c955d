//! The configuration as it is in use, in the shape of the native file, secrets masked.

use serde_json::{Value, json, to_value};
use trousseau_core::AadPolicy;

use super::section::without_nulls;
use super::{Config, Key, Loaded};

impl Config {
    /// Every value, defaults included. Where it holds no inline token, it is a configuration file itself.
    pub fn show(&self) -> Value {
        json!({
            "cluster": self.cluster,
            "socket": shown(&self.socket),
            "admin": self.admin.map_or_else(|| "off".to_owned(), |admin| admin.address.to_string()),
            "log": shown(&self.log),
            "statusVersion": shown(&self.status_version),
            "health": shown(&self.health),
            "probe": shown(&self.probe),
            "limits": shown(&self.limits),
            "force": self.force,
            "keys": self.keys.iter().map(key).collect::<Vec<_>>(),
        })
    }
}

impl Loaded {
    /// The configuration, where each value that is no default comes from, and the warnings.
    pub fn show(&self) -> Value {
        let warnings: Vec<_> = self.warnings.iter().map(|it| json!({ "code": it.code, "text": it.text })).collect();
        json!({ "config": self.config.show(), "origins": self.origins, "warnings": warnings })
    }
}

/// Our own sections are made of texts, numbers and lists, which JSON can always write.
fn shown(section: &impl serde::Serialize) -> Value {
    to_value(section).map(without_nulls).unwrap_or_default()
}

fn key(key: &Key) -> Value {
    let (aad, accept) = match key.aad {
        AadPolicy::Required { accept_without: false } => ("required", json!([])),
        AadPolicy::Required { accept_without: true } => ("required", json!(["trousseau-no-aad"])),
        AadPolicy::Off => ("off", json!([])),
        AadPolicy::Discover => ("discover", json!([])),
    };
    let mut shown = json!({ "name": key.name, "aad": aad, "accept": accept });
    shown[key.provider.name()] = key.provider.show(self::key);
    shown
}
