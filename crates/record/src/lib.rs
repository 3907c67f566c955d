//! The value that Kubernetes stores in etcd for an encrypted object: read, opened, made.
//!
//! Sources: k8s.io/apiserver, pkg/storage/value/encrypt/envelope (v1), envelope/kmsv2 and kmsv2/v2/api.proto (v2),
//! encrypt/aes/aes_extended_nonce.go (the cipher under a seed).

mod payload;
mod stored;

pub use payload::{PayloadError, open, seal};
pub use stored::{EncryptedObject, SourceType, Stored};
