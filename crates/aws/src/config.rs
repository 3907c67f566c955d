//! The `awsKms:` section of a key, as it stands in the configuration file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trousseau_core::section::without_password;

/// One symmetric key in AWS KMS. `Debug` leaves out URLs, in which somebody may have written a password.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "awsKms")]
pub struct Config {
    /// The key's ARN: `arn:aws:kms:REGION:ACCOUNT:key/ID`. No alias and no bare id: both can come to mean another key.
    pub key: String,
    /// The URL of KMS in the key's region, for a VPC endpoint or a sovereign cloud; absent = AWS's own.
    #[serde(default, serialize_with = "without_password")]
    pub endpoint: Option<String>,
    /// Other regions that have this multi-Region key (`mrk-`), in the order in which they are asked when the key's own
    /// region fails.
    #[serde(default)]
    pub replicas: Vec<Replica>,
    /// Use AWS's FIPS endpoints. Absent = `AWS_USE_FIPS_ENDPOINT`.
    #[serde(default)]
    pub fips: Option<bool>,
    /// The profile of the shared configuration and credentials files; absent = `AWS_PROFILE`, then `default`.
    #[serde(default)]
    pub profile: Option<String>,
    /// A file in the form of `~/.aws/credentials`, to be used instead of the SDK's chain (environment, profile, web
    /// identity, container, instance metadata). Read again when AWS refuses what it holds.
    #[serde(default)]
    pub credentials_file: Option<PathBuf>,
    /// A role to assume with the credentials found.
    #[serde(default)]
    pub assume_role: Option<AssumeRole>,
    /// Pairs of your own that are added to the encryption context. They are needed to decrypt: changing them makes
    /// another key of this one, and what was written before stays readable only under the pairs before.
    #[serde(default)]
    pub encryption_context: BTreeMap<String, String>,
    /// What to trust.
    #[serde(default)]
    pub tls: Tls,
    /// The URL of an HTTP proxy; else `HTTPS_PROXY` and `NO_PROXY` count. `none` = no proxy.
    #[serde(default, serialize_with = "without_password")]
    pub proxy: Option<String>,
    /// Consent to `http://` endpoints, for emulators: the seeds travel in clear.
    #[serde(default)]
    pub allow_http: bool,
    /// Bounds on the phases of one call.
    #[serde(default)]
    pub timeouts: Timeouts,
}

/// A role to assume.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AssumeRole {
    /// The role's ARN.
    pub arn: String,
    /// The external id that the role's trust policy asks for.
    #[serde(default)]
    pub external_id: Option<String>,
    /// The session's name, as CloudTrail shows it.
    #[serde(default = "session_name")]
    pub session_name: String,
    /// The URL of STS, for a VPC endpoint; absent = AWS's own in the key's region.
    #[serde(default, serialize_with = "without_password")]
    pub endpoint: Option<String>,
}

/// Another region that has the key.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Replica {
    /// Its name, such as `eu-central-1`.
    pub region: String,
    /// The URL of KMS there; absent = AWS's own.
    #[serde(default, serialize_with = "without_password")]
    pub endpoint: Option<String>,
}

/// What to trust.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tls {
    /// PEM file of the only authorities to trust, for STS too. Absent = `AWS_CA_BUNDLE`, else the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Trust the system's authorities beside `ca`.
    #[serde(default)]
    pub with_system: bool,
}

/// Bounds on the phases of one call. The call as a whole is bounded by its caller.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Timeouts {
    /// Until the connection stands, TLS included.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub connect: Duration,
    /// From the sent request to the first byte of the answer.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub first_byte: Duration,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("key", &self.key)
            .field("replicas", &self.replicas)
            .field("profile", &self.profile)
            .field("credentials_file", &self.credentials_file)
            .field("encryption_context", &self.encryption_context)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.region)
    }
}

impl Default for Timeouts {
    /// Below the 2.8 s that kube-apiserver's default leaves a call, so that a second region still has its turn.
    fn default() -> Self {
        Self { connect: Duration::from_secs(1), first_byte: Duration::from_secs(2) }
    }
}

fn session_name() -> String {
    "trousseau".to_owned()
}
