//! The configuration: one strict YAML file, or flags, or a file in the shape of the Go Trousseau.
//!
//! An error names file, line, column, what is wrong and what to write; never a value, because values may be secrets.

mod admin;
mod check;
mod environment;
mod error;
mod fields;
mod flags;
mod key;
mod legacy;
mod limits;
mod log;
mod outline;
mod place;
mod schema;
mod section;
mod show;
mod socket;
mod suggest;
mod yaml;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trousseau_core::envelope::{Clusters, SameHash};
use trousseau_core::section::Host;
pub use trousseau_core::section::Warning;
use zeroize::Zeroizing;

pub use admin::Admin;
pub use environment::{Environment, process_environment};
pub use error::ConfigError;
pub use fields::Field;
pub use flags::{KeyFlags, ProcessFlags};
pub use key::{Accept, Key};
pub use limits::{Health, Limits, Probe, Size};
pub use log::{Log, LogFormat, LogLevel};
pub use place::{AnySection, Place};
pub use schema::schema;
pub use section::{Kind, ProviderSection};
pub use socket::{Allow, Mode, Socket};

use admin::admin_default;
use outline::Outline;

/// The largest configuration file that is read, in bytes.
pub const MAX_FILE: u64 = 1_000_000;

/// A configuration file of Trousseau: typed, validated, every default filled in.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Configuration of Trousseau", description = "A configuration file of Trousseau.")]
pub struct Config {
    /// The cluster's names: the first writes, all read. Absent = one empty name.
    #[serde(default, deserialize_with = "yaml::one_or_many")]
    #[schemars(with = "schema::OneOrMany")]
    pub cluster: Vec<String>,
    /// The socket that kube-apiserver connects to.
    #[serde(default)]
    pub socket: Socket,
    /// The admin endpoint: an IP address with a port, or `off`. Default 127.0.0.1:8787.
    #[serde(default = "admin_default", deserialize_with = "admin::admin")]
    #[schemars(with = "String")]
    pub admin: Option<Admin>,
    /// What is logged, and how.
    #[serde(default)]
    pub log: Log,
    /// What `Status.version` says. Default `v2beta1`, right for every Kubernetes from 1.27 on.
    #[serde(default)]
    pub status_version: StatusVersion,
    /// When trouble of the KMS becomes trouble of ours.
    #[serde(default)]
    pub health: Health,
    /// The background probe and the promotion rule.
    #[serde(default)]
    pub probe: Probe,
    /// Bounds.
    #[serde(default)]
    pub limits: Limits,
    /// On reload, accept a writing key that is not in the running list, which peers may not be able to read yet, and a
    /// key that only reads whose file has other material than what runs, which loses what it wrote.
    #[serde(default)]
    pub force: bool,
    /// The keys; never empty. The first writes, all of them read.
    #[schemars(length(min = 1))]
    pub keys: Vec<Key>,
}

impl Config {
    /// These keys, and everything else by default.
    fn of(keys: Vec<Key>) -> Self {
        Self {
            cluster: Vec::new(),
            socket: Socket::default(),
            admin: admin_default(),
            log: Log::default(),
            status_version: StatusVersion::default(),
            health: Health::default(),
            probe: Probe::default(),
            limits: Limits::default(),
            force: false,
            keys,
        }
    }

    /// The cluster's names as core takes them.
    ///
    /// # Errors
    /// None once the configuration was loaded: then two names that can't be told apart were refused.
    pub fn clusters(&self) -> Result<Clusters, SameHash> {
        Clusters::new(self.cluster.clone())
    }
}

/// What `Status.version` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StatusVersion {
    /// Right for every Kubernetes from 1.27 on.
    #[default]
    V2beta1,
    /// For Kubernetes 1.29 and later.
    V2,
}

/// A configuration, and what is to be said of it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What was configured.
    pub config: Config,
    /// What is accepted but should not stay so.
    pub warnings: Vec<Warning>,
    /// The file has the shape of the Go Trousseau's.
    pub legacy: bool,
    /// SHA-256 over the file; over nothing where there is no file.
    pub digest: [u8; 32],
    /// Where each value that is no default comes from: the path of the field, and `FILE:LINE`, a flag or a variable.
    pub origins: BTreeMap<String, String>,
}

impl Loaded {
    /// A checked configuration that is not a legacy one; `origins` knows what stands in `content`.
    fn new(config: Config, content: &str, mut origins: BTreeMap<String, String>, environment: &Environment) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, content.as_bytes()).as_ref());
        for (position, key) in config.keys.iter().enumerate() {
            for (path, section) in key.provider.sections(&format!("keys[{position}]")) {
                let filled = section.filled_by(environment).into_iter();
                origins.extend(filled.map(|(fill, variable)| (format!("{path}.{}", fill.field), variable.to_owned())));
            }
        }
        Self { warnings: check::warnings(&config, environment), config, legacy: false, digest: hash, origins }
    }
}

/// Reads a configuration file, native or legacy. `environment` fills only what is unset.
///
/// # Errors
/// See [`ConfigError`]; [`ConfigError::is_missing`] for a file that isn't there yet.
pub fn load(path: &Path, environment: &Environment) -> Result<Loaded, ConfigError> {
    let origin = path.display().to_string();
    let (bytes, mode) = read(path, &origin)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = 1 + bytes.iter().take(error.valid_up_to()).filter(|&&byte| byte == b'\n').count();
        ConfigError::new(&origin, format!("is not UTF-8 (line {line})"), "save it as UTF-8 text")
    })?;
    let mut loaded = parse(text, &origin, environment)?;
    if loaded.legacy && mode & 0o077 != 0 {
        let mode = Mode(mode);
        let text = format!("{origin} has mode {mode}: others on this machine can read the token in it; make it 0600");
        loaded.warnings.push(Warning { code: "file-mode", text });
    }
    Ok(loaded)
}

/// What the KMS of each key in a refused file can tell whoever has to correct it. Asks them; the caller bounds its time.
pub async fn hints(path: &Path, host: &Host) -> Vec<String> {
    let origin = path.display().to_string();
    let Ok((bytes, _)) = read(path, &origin) else {
        return Vec::new();
    };
    let config = std::str::from_utf8(&bytes).ok().and_then(|text| yaml::read::<Config>(text, &origin, None).ok());
    let mut said = Vec::new();
    for (_, section) in config.iter().flat_map(|config| &config.keys).flat_map(|key| key.provider.sections("")) {
        if let Some(hint) = section.hint(host) {
            said.extend(hint.await);
        }
    }
    said
}

/// Reads a configuration from text; `origin` is how errors name it. Touches nothing outside its arguments.
///
/// # Errors
/// See [`ConfigError`].
pub fn parse(text: &str, origin: &str, environment: &Environment) -> Result<Loaded, ConfigError> {
    let outline = Outline::read(text, origin)?;
    // Another kind of KMS never stands in a file of that shape.
    if legacy::is_legacy(&outline) {
        let (config, mut warnings) = legacy::read(text, origin, &outline, environment)?;
        let loaded = Loaded::new(config, text, outline.origins(origin), environment);
        // There is no other place for it in such a file.
        warnings.extend(loaded.warnings.into_iter().filter(|warning| warning.code != check::IDENTITY));
        return Ok(Loaded { warnings, legacy: true, ..loaded });
    }
    let config: Config = yaml::read(text, origin, Some(&outline))?;
    check::check(&config).map_err(|fault| outline.locate(origin, fault))?;
    Ok(Loaded::new(config, text, outline.origins(origin), environment))
}

/// The file's bytes and its permissions.
fn read(path: &Path, origin: &str) -> Result<(Zeroizing<Vec<u8>>, u32), ConfigError> {
    let failed = |error: std::io::Error| {
        if error.kind() == ErrorKind::NotFound {
            return ConfigError::missing(origin);
        }
        ConfigError::new(origin, format!("can't be read: {error}"), "check its owner and mode")
    };
    // Opening a pipe would wait for its writer.
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(ConfigError::new(origin, "is no file", "name the YAML file itself"));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(ConfigError::new(origin, "is larger than 1 MB", "name a Trousseau configuration file"));
    }
    Ok((bytes, metadata.permissions().mode() & 0o777))
}

#[cfg(test)]
mod tests;
