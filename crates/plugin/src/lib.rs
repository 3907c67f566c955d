//! Another Kubernetes KMS plugin, behind its Unix socket, as a KMS: a cloud's own, the Go Trousseau's, one in any
//! language.
//!
//! Such a plugin takes no additional data, and what it does with a changed ciphertext is its own affair. So it is given
//! a random key to encrypt, and that key seals the plaintext together with the additional data (AES-256-GCM): a wrap
//! opens only whole, only with its data, and the other plugin never sees what is wrapped. See [`Config`] for the
//! section and `docs/adr` for why.

mod client;
mod config;
mod error;
mod provider;
mod record;
mod seal;

pub use config::{Api, Config};
pub use provider::PluginProvider;
