//! HashiCorp Vault and OpenBao transit as a KMS.
//!
//! [`Config::build`] makes a [`VaultProvider`] of the configuration's `vault:` section and an [`Environment`], without
//! asking Vault anything. The provider makes each call once (a second time only with a new token, or where Vault
//! refuses to be asked for its active node); deadlines, retries and the breaker wrap it from outside.

mod answers;
mod auth;
mod build;
mod client;
mod config;
mod environment;
mod section;
mod transit;
mod wire;

pub use build::ConfigError;
pub use config::{Auth, Config, IdentitySource, Timeouts, Tls, TokenAuth, Transit};
pub use environment::Environment;
pub use transit::VaultProvider;
