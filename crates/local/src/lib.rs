//! A local key file as a KMS: versioned keys, AES-256-GCM.
//!
//! The file, as [`keygen`] makes it:
//!
//! ```yaml
//! versions:
//!   - version: 1                            # each one more than the one before; the oldest may be taken out
//!     created: 2026-11-22T10:00:00Z         # RFC 3339 in UTC
//!     activeFrom: 2026-11-22T10:00:00Z      # writes from then on; reads at once
//!     key: "base64 of 32 random bytes"
//! ```
//!
//! Copy it to every node before `activeFrom` of its newest version. It is no one else's business: mode 0600 or
//! stricter, owned by root or by us, in a folder where others can't replace it. Lose it, and what it wrapped is lost.

mod access;
mod config;
mod error;
mod key_file;
mod keygen;
mod material;
mod provider;

pub use config::Config;
pub use error::LocalError;
pub use keygen::{Generated, KeygenOptions, keygen};
pub use provider::LocalProvider;
