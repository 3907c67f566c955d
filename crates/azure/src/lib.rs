//! Azure Key Vault and Managed HSM as a KMS, by REST.
//!
//! [`Config::build`] makes an [`AzureProvider`] of the configuration's `azureKeyVault:` section and an [`Environment`],
//! without asking Azure anything. An RSA key wraps with RSA-OAEP-256, and each wrap is signed by an EC key in the same
//! vault: RSA alone lets everybody who has the public key make wraps. An AES key of a Managed HSM wraps with A256GCM,
//! which authenticates by itself.

mod answers;
mod ask;
mod auth;
mod build;
mod challenge;
mod client;
mod cloud;
mod config;
mod environment;
mod identifier;
mod jwk;
mod provider;
mod section;
mod signer;
mod vault;
mod versions;
mod wire;
mod wrap;

pub use build::ConfigError;
pub use config::{
    Algorithm, Auth, ClientCertificate, ClientSecret, Config, ManagedIdentity, SigningKey, Timeouts, Tls,
    WorkloadIdentity,
};
pub use environment::Environment;
pub use provider::AzureProvider;
