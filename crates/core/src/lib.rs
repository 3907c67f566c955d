//! Keys, identity, envelope, promotion and health of a Kubernetes KMS plugin: everything that needs no I/O.
//!
//! A KMS is one implementation of [`Provider`], and one of [`section::Section`] for its part of the configuration. What
//! wraps a provider once, from outside, is the same for all of them:
//!
//! | | |
//! |---|---|
//! | [`guard::Guard`] | deadline, calls at once, queue, retries inside the caller's time, breaker, measurement |
//! | [`Key`] | header and additional data; opens every fresh wrap again before it is handed out |
//! | [`probe::Prober`] | shows every 30 s that the key exists and is the same one; chooses the version that writes |
//! | [`Writer`] | what Status and Encrypt speak from: one snapshot, swapped as a whole |
//! | [`Keyring`] | the configured keys: the first one writes, all of them read |
//! | [`any::AnyProvider`] | several keys as one |
//!
//! From a provider to what kube-apiserver is answered (`cargo run -p trousseau-core --example in_memory`; the provider
//! itself is shown at [`Provider`]):
//!
//! ```
//! # mod kms { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/in_memory/kms.rs")); }
#![doc = include_str!("../examples/in_memory/flow.rs")]
//! ```

pub mod any;
pub mod clock;
pub mod envelope;
pub mod error;
pub mod events;
// The testkit sees this crate, so it can't be a dependency of this crate's own tests: they take its fake as source.
#[cfg(test)]
extern crate self as trousseau_core;
#[cfg(test)]
#[path = "../../testkit/src/fake.rs"]
pub mod fake;
pub mod guard;
mod key;
pub mod key_id;
mod keyring;
pub mod probe;
pub mod promotion;
pub mod provider;
#[cfg(test)]
mod rig;
mod secret;
pub mod section;
mod version;
mod writer;

pub use clock::{Clock, SystemClock};
pub use error::{Code, ErrorKind, ProviderError};
pub use key::{AadPolicy, Key, KeyConfig};
pub use key_id::KeyId;
pub use keyring::{Api, DecryptRequest, Encrypted, Keyring};
pub use provider::{Call, Description, Observation, Provider, ProviderKind, Unwrapped, VersionInfo, Wrapped};
pub use secret::{Secret, SecretText};
pub use version::KeyVersion;
pub use writer::{Health, Status, Writer};

/// The largest ciphertext and key_id that kube-apiserver takes, in bytes
/// (k8s.io/apiserver, pkg/storage/value/encrypt/envelope/kmsv2/envelope.go).
pub const MAX_STORED: usize = 1024;
