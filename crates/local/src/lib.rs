//! A local key file as a KMS: versioned keys, AES-256-GCM.

mod config;

pub use config::Config;
