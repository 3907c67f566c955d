//! HashiCorp Vault and OpenBao transit as a KMS.

mod config;

pub use config::{Auth, Config, IdentitySource, Timeouts, Tls, TokenAuth, Transit};
