//! From a provider to what kube-apiserver is answered: `cargo run -p trousseau-core --example in_memory`.

mod kms;

// Shown in the documentation of the crate, where it is run too.
include!("flow.rs");
