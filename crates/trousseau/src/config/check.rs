//! What the types can't say: bounds, and fields that depend on each other. Reads no file, asks nobody.

use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use trousseau_core::section::{Fault, absolute};

use super::{Config, Environment, Key, Limits, Place, Probe, Socket, Warning};

/// `sockaddr_un` has 108 bytes, the last of them zero.
const MAX_SOCKET_PATH: usize = 107;

/// The warning that a part of key_id comes from the environment (I3).
pub(super) const IDENTITY: &str = "identity-from-environment";

/// The first thing that can't work.
pub(super) fn check(config: &Config) -> Result<(), Fault> {
    cluster(config)?;
    socket(&config.socket)?;
    times(config)?;
    limits(&config.limits)?;
    if config.keys.is_empty() {
        return Err(Fault::new("keys", "is an empty list", "add the key that writes"));
    }
    keys(&config.keys, "keys")
}

/// A list of keys, and the lists inside it.
fn keys(keys: &[Key], list: &str) -> Result<(), Fault> {
    for (position, key) in keys.iter().enumerate() {
        let path = format!("{list}[{position}]");
        let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
        if !(1..=63).contains(&key.name.len()) || !key.name.chars().all(fits) {
            let remedy = "write 1 to 63 letters, digits, dots, dashes or underscores";
            return Err(Fault::new(format!("{path}.name"), "is no name for a key", remedy));
        }
        if let Some(other) = keys.iter().position(|other| other.name == key.name).filter(|&at| at < position) {
            let what = format!("is the name of {list}[{other}] too");
            return Err(Fault::new(format!("{path}.name"), what, "give each key its own name"));
        }
        key.provider.check(&path)?;
        match &key.provider {
            Place::Kms(section) => {
                section.check().map_err(|fault| inside(fault, &format!("{path}.{}", section.name())))?;
            }
            Place::Any(any) => self::keys(&any.of, &format!("{path}.any.of"))?,
        }
    }
    Ok(())
}

/// A fault of a section, by its path in the whole configuration.
fn inside(fault: Fault, section: &str) -> Fault {
    let field = if fault.field.is_empty() { section.to_owned() } else { format!("{section}.{}", fault.field) };
    Fault { field, ..fault }
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
    let Limits { drain, breaker_open, .. } = config.limits;
    for (field, time) in [
        ("probe.interval", interval),
        ("probe.afterFailure", after_failure),
        ("probe.timeout", timeout),
        ("probe.promotionDelay", promotion_delay),
        ("health.grace", config.health.grace),
        ("limits.drain", drain),
        ("limits.breakerOpen", breaker_open),
    ] {
        longest(field, time)?;
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

/// No time is longer than a month: clocks can count no further than some ages, and nothing here needs a day.
pub(super) fn longest(field: impl Into<String>, time: Duration) -> Result<(), Fault> {
    if time > Duration::from_hours(24 * 31) {
        return Err(Fault::new(field, "is longer than 31 days", "write a shorter time"));
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

fn key_warnings(key: &Key, environment: &Environment) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (_, section) in key.provider.sections("") {
        warnings.append(&mut section.warnings());
        for (fill, variable) in section.filled_by(environment) {
            if fill.in_key_id {
                let text = format!(
                    "its `{}`, which key_id is made of, comes from {variable}; write it down, so that it is the same on all nodes",
                    fill.field
                );
                warnings.push(Warning { code: IDENTITY, text });
            }
        }
    }
    for warning in &mut warnings {
        warning.text = format!("key `{}`: {}", key.name, warning.text);
    }
    warnings
}
