//! The `azureKeyVault:` section of a key, as it stands in the configuration file.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trousseau_core::SecretText;
use trousseau_core::section::without_password;

/// One key in a Key Vault or Managed HSM. `Debug` leaves out the addresses and the proxy, in which somebody may have
/// written a password.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "azureKeyVault")]
pub struct Config {
    /// The vault's address: `https://NAME.vault.azure.net` or `https://NAME.managedhsm.azure.net`.
    #[serde(serialize_with = "without_password")]
    pub vault: String,
    /// The key's name.
    pub key: String,
    /// Pins the version that encrypts, 32 hexadecimal digits; absent = the newest enabled one, once it is old enough.
    #[serde(default)]
    pub version: Option<String>,
    /// How the key wraps.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// The EC key in the same vault that signs each wrap; needed with RSA, and with RSA only.
    #[serde(default)]
    pub signing_key: Option<SigningKey>,
    /// How to log in.
    pub auth: Auth,
    /// Where to log in; absent = by the vault's cloud, such as `https://login.microsoftonline.com`.
    #[serde(default, serialize_with = "without_password")]
    pub authority: Option<String>,
    /// What tokens are asked for; absent = by the vault's cloud, such as `https://vault.azure.net`.
    #[serde(default, serialize_with = "without_password")]
    pub resource: Option<String>,
    /// What to trust.
    #[serde(default)]
    pub tls: Tls,
    /// A proxy's URL for vault and login; else `HTTPS_PROXY` and `NO_PROXY` count. `none` = no proxy.
    #[serde(default, serialize_with = "without_password")]
    pub proxy: Option<String>,
    /// Bounds on the phases of one call.
    #[serde(default)]
    pub timeouts: Timeouts,
}

/// How a key wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
pub enum Algorithm {
    /// RSA keys, in vaults and HSMs; 2048 to 4096 bits.
    #[default]
    #[serde(rename = "RSA-OAEP-256")]
    RsaOaep256,
    /// AES keys of 256 bits, in a Managed HSM only.
    A256GCM,
}

/// The key that signs wraps.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SigningKey {
    /// Its name; an EC key on P-256 or P-384.
    pub name: String,
    /// Pins the version that signs; absent = the newest enabled one. All of them verify.
    #[serde(default)]
    pub version: Option<String>,
    /// For an emergency: open records that can't be verified because the signing key is lost. Whoever writes to etcd
    /// can then forge Secrets; take it out once everything is rewritten.
    #[serde(default)]
    pub accept_unverified: bool,
}

/// How to log in. One of them.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Auth {
    /// As the machine: Azure's instance metadata service, App Service, or Azure Arc's agent.
    ManagedIdentity(ManagedIdentity),
    /// By a token file that an OpenID provider (a Kubernetes cluster) keeps fresh.
    WorkloadIdentity(WorkloadIdentity),
    /// As an application, by its secret.
    ClientSecret(ClientSecret),
    /// As an application, by its certificate.
    ClientCertificate(ClientCertificate),
}

/// Which of the machine's identities; all empty = the system-assigned one.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ManagedIdentity {
    /// A user-assigned identity by its client id.
    #[serde(default)]
    pub client_id: Option<String>,
    /// A user-assigned identity by its Azure resource id.
    #[serde(default)]
    pub resource_id: Option<String>,
    /// A user-assigned identity by its object id.
    #[serde(default)]
    pub object_id: Option<String>,
    /// The metadata service's address; absent = `http://169.254.169.254`.
    #[serde(default, serialize_with = "without_password")]
    pub endpoint: Option<String>,
}

/// A federated token. What is absent comes from the variables that Azure's webhook sets.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct WorkloadIdentity {
    /// The tenant; absent = `AZURE_TENANT_ID`.
    #[serde(default)]
    pub tenant_id: Option<String>,
    /// The application or user-assigned identity; absent = `AZURE_CLIENT_ID`.
    #[serde(default)]
    pub client_id: Option<String>,
    /// The token's file, read for each login; absent = `AZURE_FEDERATED_TOKEN_FILE`.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
}

/// An application's secret.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClientSecret {
    /// The tenant; absent = `AZURE_TENANT_ID`.
    #[serde(default)]
    pub tenant_id: Option<String>,
    /// The application; absent = `AZURE_CLIENT_ID`.
    #[serde(default)]
    pub client_id: Option<String>,
    /// The file that holds the secret, read for each login; absent = `AZURE_CLIENT_SECRET`.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// The secret itself: from the environment or the legacy file, never from the native one.
    #[serde(skip)]
    pub inline: Option<SecretText>,
}

/// An application's certificate.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClientCertificate {
    /// The tenant; absent = `AZURE_TENANT_ID`.
    #[serde(default)]
    pub tenant_id: Option<String>,
    /// The application; absent = `AZURE_CLIENT_ID`.
    #[serde(default)]
    pub client_id: Option<String>,
    /// PEM file: the certificate, then its intermediates. Read for each login.
    pub certificate: PathBuf,
    /// PEM file: its RSA key, unencrypted. Read for each login.
    pub key: PathBuf,
    /// Send the certificates along, for applications that trust an issuer and a subject name.
    #[serde(default)]
    pub send_chain: bool,
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
}

/// Bounds on the phases of one call to vault or login.
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
            .field("key", &self.key)
            .field("version", &self.version)
            .field("algorithm", &self.algorithm)
            .field("signing_key", &self.signing_key)
            .field("auth", &self.auth)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl Default for Timeouts {
    /// Below the 2.8 s that kube-apiserver's default leaves a call.
    fn default() -> Self {
        let millis = Duration::from_millis;
        Self { connect: millis(1000), handshake: millis(1000), first_byte: millis(2000), whole: millis(2500) }
    }
}
