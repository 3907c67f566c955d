//! The configuration as it is in use, in the shape of the native file, secrets masked.

use serde_json::{Map, Value, json, to_value};
use trousseau_core::AadPolicy;

use super::{Config, Key, Loaded, ProviderConfig};

/// What stands in the place of a secret.
const MASKED: &str = "***";

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
    let (kind, section) = match &key.provider {
        ProviderConfig::Local(local) => ("local", json!({ "file": local.file, "credential": local.credential })),
        ProviderConfig::Vault(config) => ("vault", vault(config)),
    };
    shown[kind] = without_nulls(section);
    shown
}

fn vault(vault: &trousseau_vault::Config) -> Value {
    use humantime_serde::re::humantime::format_duration;

    let trousseau_vault::Auth::Token(token) = &vault.auth;
    let time = |time| format_duration(time).to_string();
    json!({
        "address": without_password(&vault.address),
        "namespace": vault.namespace,
        "transit": {
            "mount": vault.transit.mount,
            "key": vault.transit.key,
            "version": vault.transit.version,
        },
        "auth": { "token": {
            "file": token.file,
            "renew": token.renew,
            "inline": token.inline.as_ref().map(|_| MASKED),
        } },
        "tls": {
            "ca": vault.tls.ca,
            "withSystem": vault.tls.with_system,
            "cert": vault.tls.cert,
            "key": vault.tls.key,
            "serverName": vault.tls.server_name,
            "skipVerify": vault.tls.skip_verify,
        },
        "proxy": vault.proxy.as_deref().map(without_password),
        "allowHttp": vault.allow_http,
        "identity": match vault.identity {
            trousseau_vault::IdentitySource::Metadata => "metadata",
            trousseau_vault::IdentitySource::Version => "version",
        },
        "epoch": vault.epoch,
        "timeouts": {
            "connect": time(vault.timeouts.connect),
            "handshake": time(vault.timeouts.handshake),
            "firstByte": time(vault.timeouts.first_byte),
            "whole": time(vault.timeouts.whole),
        },
    })
}

/// A URL with a user in front of its host may have a password there too.
fn without_password(url: &str) -> &str {
    if url.contains('@') { MASKED } else { url }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let set = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(set.map(|(name, value)| (name, without_nulls(value))).collect::<Map<_, _>>())
        }
        other => other,
    }
}
