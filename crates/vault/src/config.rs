//! The `vault:` section of a key, as it stands in the configuration file.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trousseau_core::SecretText;
use trousseau_core::section::without_password;

/// One transit key in Vault or OpenBao. `Debug` leaves out the address and the proxy, in which somebody may have
/// written a password.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "vault")]
pub struct Config {
    /// Where Vault listens: `https://host:8200`, with a path in front of `/v1` if a proxy adds one. Absent = `VAULT_ADDR`.
    #[serde(default, serialize_with = "without_password")]
    pub address: String,
    /// The namespace (Vault Enterprise, OpenBao), outer slashes or not.
    #[serde(default)]
    pub namespace: String,
    /// The key itself.
    pub transit: Transit,
    /// How to log in.
    #[serde(default)]
    pub auth: Auth,
    /// What to trust, and with what to prove who we are.
    #[serde(default)]
    pub tls: Tls,
    /// A proxy's URL for this Vault; else `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` count. `none` = no proxy.
    #[serde(default, serialize_with = "without_password")]
    pub proxy: Option<String>,
    /// Consent to an `http://` address: everything, the token too, travels in clear.
    #[serde(default)]
    pub allow_http: bool,
    /// What key_id is made of. `metadata` needs the right to read the key.
    #[serde(default)]
    pub identity: IdentitySource,
    /// Raised by hand after a key was replaced under its name; only with `identity: version`.
    #[serde(default)]
    pub epoch: Option<u32>,
    /// Bounds on the phases of one call.
    #[serde(default)]
    pub timeouts: Timeouts,
}

/// The transit key.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Transit {
    /// The mount of the transit engine.
    #[serde(default = "transit")]
    pub mount: String,
    /// The key's name.
    pub key: String,
    /// Pins the version that encrypts; absent = the promotion rule decides.
    #[serde(default)]
    pub version: Option<u32>,
}

/// How to log in. One of them; room for more methods.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Auth {
    /// A token that somebody else made.
    Token(TokenAuth),
}

/// A token, where it comes from, and who renews it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TokenAuth {
    /// The file that holds it; read again whenever it changes. Absent = `VAULT_TOKEN`.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// Renew it at half of its life. Off: whoever made it does.
    #[serde(default)]
    pub renew: bool,
    /// The token itself: from the environment or the legacy file, never from the native one.
    #[serde(skip_deserializing)]
    #[schemars(skip)]
    pub inline: Option<SecretText>,
}

/// What to trust.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tls {
    /// PEM file, or folder of PEM files, of the only authorities to trust.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Trust the system's authorities beside `ca`.
    #[serde(default)]
    pub with_system: bool,
    /// Client certificate, PEM.
    #[serde(default)]
    pub cert: Option<PathBuf>,
    /// Its key, PEM.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// The name that Vault's certificate must have, and that is sent as SNI; absent = the address's host.
    #[serde(default)]
    pub server_name: Option<String>,
    /// Trust whoever answers. For the legacy file and for tests; everything can be read and changed on the way.
    #[serde(default)]
    pub skip_verify: bool,
}

/// What key_id is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentitySource {
    /// Path, version and the version's creation time, read from the key.
    #[default]
    Metadata,
    /// Path, version and `epoch`: for a policy that allows encrypt and decrypt only.
    Version,
}

/// Bounds on the phases of one call to Vault.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Timeouts {
    /// Until the TCP connection stands.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub connect: Duration,
    /// For the TLS handshake.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub handshake: Duration,
    /// From the sent request to the first byte of the answer.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub first_byte: Duration,
    /// For the whole call.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub whole: Duration,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("namespace", &self.namespace)
            .field("transit", &self.transit)
            .field("auth", &self.auth)
            .field("tls", &self.tls)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self::Token(TokenAuth::default())
    }
}

impl Default for Timeouts {
    /// Below the 2.8 s that kube-apiserver's default leaves a call: a connection that died in silence is then found
    /// dead here, and taken out of the pool, before the caller gives up.
    fn default() -> Self {
        let millis = Duration::from_millis;
        Self { connect: millis(1000), handshake: millis(1000), first_byte: millis(2000), whole: millis(2500) }
    }
}

fn transit() -> String {
    "transit".to_owned()
}
