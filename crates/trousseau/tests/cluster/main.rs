//! Proofs on real servers: kube-apiserver, etcd, Vault and its agent, each test with its own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something is not as it must be"
)]

mod any;
mod any_all;
mod aws_kms;
mod azure_key_vault;
mod client;
mod crossing;
#[path = "../document/mod.rs"]
mod document;
mod from_a_local_key;
mod healthz;
#[path = "../honest_vault/mod.rs"]
mod honest_vault;
#[path = "../load/mod.rs"]
mod load;
mod manifests;
mod nodes;
mod observed;
mod other_plugin;
mod plane;
mod plugin;
mod readme;
mod releases;
mod reload;
mod restarts;
mod reversed_start;
mod rig;
mod rotation;
mod seeds_flow;
mod soak;
mod stored;
mod trouble;
mod upgrade;
mod upstream;
mod vault_and_aws;
