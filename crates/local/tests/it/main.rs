//! The local key through its public surface: files, permissions, `keygen`, and the provider on real files.

#![expect(clippy::unwrap_used, reason = "tests")]

mod contract;
mod keygen;
mod permissions;
mod provider;
