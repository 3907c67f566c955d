//! What the types can't say: bounds, and fields that depend on each other. Reads no file, asks nobody.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use super::error::Fault;
use super::{Config, Environment, Key, Limits, Probe, ProviderConfig, Socket, Warning};

/// `sockaddr_un` has 108 bytes, the last of them zero.
const MAX_SOCKET_PATH: usize = 107;

/// The warning that a part of key_id comes from the environment (I3).
pub(super) const NAMESPACE: &str = "namespace-from-environment";

/// The first thing that can't work.
pub(super) fn check(config: &Config) -> Result<(), Fault> {
    cluster(config)?;
    socket(&config.socket)?;
    times(config)?;
    limits(&config.limits)?;
    if config.keys.is_empty() {
        return Err(Fault::new("keys", "is an empty list", "add the key that writes"));
    }
    for (position, key) in config.keys.iter().enumerate() {
        let path = format!("keys[{position}]");
        let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
        if !(1..=63).contains(&key.name.len()) || !key.name.chars().all(fits) {
            let remedy = "write 1 to 63 letters, digits, dots, dashes or underscores";
            return Err(Fault::new(format!("{path}.name"), "is no name for a key", remedy));
        }
        if let Some(other) = config.keys.iter().position(|other| other.name == key.name).filter(|&at| at < position) {
            let what = format!("is the name of keys[{other}] too");
            return Err(Fault::new(format!("{path}.name"), what, "give each key its own name"));
        }
        provider(key, &path)?;
    }
    Ok(())
}

/// What works and should not stay so.
pub(super) fn warnings(config: &Config, environment: &Environment) -> Vec<Warning> {
    config.keys.iter().flat_map(|key| key_warnings(key, environment)).collect()
}

fn cluster(config: &Config) -> Result<(), Fault> {
    if config.cluster.iter().any(|name| name.trim() != name || name.contains(char::is_control)) {
        let what = "has a name with a blank at an end, or with a control character";
        return Err(Fault::new("cluster", what, "take it out: the name is bound into every ciphertext"));
    }
    config.clusters().map(drop).map_err(|error| Fault::new("cluster", format!("can't be told apart: {error}"), ""))
}

/// The socket's own section.
pub(super) fn socket(socket: &Socket) -> Result<(), Fault> {
    absolute("socket.path", Some(&socket.path))?;
    let length = socket.path.as_os_str().as_bytes().len();
    if length > MAX_SOCKET_PATH {
        let what = format!("has {length} bytes, more than the {MAX_SOCKET_PATH} that a socket's path may have");
        return Err(Fault::new("socket.path", what, "choose a shorter one"));
    }
    if socket.path.file_name().is_none() || socket.path.as_os_str().as_bytes().ends_with(b"/") {
        return Err(Fault::new("socket.path", "names no file", "write the socket's full path"));
    }
    if socket.mode.0 & 0o007 != 0 && socket.allow.is_none() {
        let what = format!("is {}: everybody on this machine could have Secrets decrypted", socket.mode);
        return Err(Fault::new(
            "socket.mode",
            what,
            "write \"0660\" and set `group`, or say in `allow` who may connect",
        ));
    }
    Ok(())
}

fn times(config: &Config) -> Result<(), Fault> {
    let Probe { interval, after_failure, timeout, promotion_delay, observations } = config.probe;
    let least = Duration::from_millis(100);
    for (field, time) in [("interval", interval), ("afterFailure", after_failure), ("timeout", timeout)] {
        if time < least {
            return Err(Fault::new(format!("probe.{field}"), "is shorter than 100 ms", "write a longer time"));
        }
    }
    let twice = interval.saturating_mul(2);
    for (field, time, why) in [
        ("health.grace", config.health.grace, "one lost probe would turn every API server red"),
        ("probe.promotionDelay", promotion_delay, "a peer could be asked to read what it hasn't seen yet"),
    ] {
        if time < twice {
            let what = format!("is shorter than two probe intervals: {why}");
            let remedy = format!("write at least {}", humantime_serde::re::humantime::format_duration(twice));
            return Err(Fault::new(field, what, remedy));
        }
    }
    if observations == 0 {
        return Err(Fault::new("probe.observations", "is 0", "write 1 or more"));
    }
    Ok(())
}

fn limits(limits: &Limits) -> Result<(), Fault> {
    let positive = [
        ("inFlight", limits.in_flight),
        ("connections", limits.connections),
        ("attempts", limits.attempts as usize),
        ("breakerFailures", limits.breaker_failures as usize),
    ];
    if let Some((field, _)) = positive.iter().find(|(_, bound)| *bound == 0) {
        return Err(Fault::new(format!("limits.{field}"), "is 0: nothing would get through", "write 1 or more"));
    }
    if limits.request.0 < 4096 {
        return Err(Fault::new("limits.request", "is smaller than kube-apiserver's requests", "write 4096 or more"));
    }
    if limits.margin >= Duration::from_secs(3) {
        let remedy = "write some 100 ms";
        return Err(Fault::new("limits.margin", "leaves nothing of the API server's 3 s", remedy));
    }
    Ok(())
}

/// `path` is the key's own path in the file.
fn provider(key: &Key, path: &str) -> Result<(), Fault> {
    match &key.provider {
        ProviderConfig::Local(local) => {
            absolute(&format!("{path}.local.file"), local.file.as_deref())?;
            if local.file.is_some() == local.credential.is_some() {
                let what = "needs `file` or `credential`, one of them";
                return Err(Fault::new(format!("{path}.local"), what, "write where the key file is"));
            }
            Ok(())
        }
        ProviderConfig::Vault(vault) => vault_section(vault, &format!("{path}.vault")),
    }
}

fn vault_section(vault: &trousseau_vault::Config, path: &str) -> Result<(), Fault> {
    let field = |name: &str| format!("{path}.{name}");
    if !vault.address.is_empty() {
        // Not repeated: a template may have put the token where the address belongs.
        let what = if vault.address.contains("://") { "is no address that can be used" } else { "has no scheme" };
        let wrong = |_| Fault::new(field("address"), what, "write https://HOST:PORT");
        let origin: trousseau_http::Origin = vault.address.parse().map_err(wrong)?;
        if origin.scheme() == trousseau_http::Scheme::Http && !vault.allow_http {
            let what = "is not encrypted: the token and the seeds would travel in clear";
            return Err(Fault::new(field("address"), what, "write https://, or consent by `allowHttp: true`"));
        }
    }
    if vault.transit.key.trim_matches('/').is_empty() {
        return Err(Fault::new(field("transit.key"), "is empty", "write the transit key's name"));
    }
    if vault.epoch.is_some() && vault.identity == trousseau_vault::IdentitySource::Metadata {
        let remedy = "remove it (the key's creation time tells a replaced key apart), or set `identity: version`";
        return Err(Fault::new(field("epoch"), "is set, but `identity` is `metadata`", remedy));
    }
    let trousseau_vault::Auth::Token(token) = &vault.auth;
    absolute(&field("auth.token.file"), token.file.as_deref())?;
    absolute(&field("tls.ca"), vault.tls.ca.as_deref())?;
    absolute(&field("tls.cert"), vault.tls.cert.as_deref())?;
    absolute(&field("tls.key"), vault.tls.key.as_deref())
}

/// A service's working directory is an accident.
fn absolute(field: &str, path: Option<&Path>) -> Result<(), Fault> {
    match path {
        Some(path) if !path.is_absolute() => Err(Fault::new(field, "is no absolute path", "begin it with `/`")),
        _ => Ok(()),
    }
}

fn key_warnings(key: &Key, environment: &Environment) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if key.filled_by(environment).iter().any(|(_, variable)| *variable == "VAULT_NAMESPACE") {
        let text = format!(
            "key `{}`: its namespace, which key_id is made of, comes from VAULT_NAMESPACE; write it down, so that it is \
             the same on all nodes",
            key.name
        );
        warnings.push(Warning { code: NAMESPACE, text });
    }
    match &key.provider {
        ProviderConfig::Local(_) => {}
        ProviderConfig::Vault(vault) => {
            if vault.address.starts_with("http://") {
                let text =
                    format!("key `{}`: Vault is reached by http: its token travels in clear; use https", key.name);
                warnings.push(Warning { code: "plain-http", text });
            }
            if vault.tls.skip_verify {
                let text = format!("key `{}`: whoever answers is taken for Vault; trust its CA instead", key.name);
                warnings.push(Warning { code: "skip-verify", text });
            }
        }
    }
    warnings
}
