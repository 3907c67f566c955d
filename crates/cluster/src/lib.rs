//! Gets and starts real servers for tests and demo: etcd, kube-apiserver, Vault and its agent; and emulators of
//! AWS KMS, which nobody can run at home. Asserts nothing.
//!
//! [`Server`] finds a binary, or builds it from source in a pinned version. [`Etcd`], [`ApiServer`], [`Vault`],
//! [`VaultAgent`] and [`AwsKms`] start one on loopback, with ports chosen here and everything they write in a folder of the caller's;
//! dropping such a handle ends the process, and so does the end of the program that holds it. Every call blocks, for a
//! bounded time. Errors say what failed, on what, and what to do next, with the end of the server's log.

mod api_server;
mod archive;
mod artifact;
mod build;
/// The cache folder for what is built once.
pub mod cache;
mod controllers;
mod delaying_proxy;
mod emulator;
mod etcd;
mod http;
mod kms_plugin;
mod kubectl;
mod machine;
mod module;
mod namespaces;
mod node;
mod port;
mod process;
mod python;
mod vault;
mod vault_agent;
/// Bounded waiting.
pub mod wait;

pub use api_server::{ApiServer, ApiServerConfig, Readyz, Release};
pub use archive::{ImageFile, docker_archive};
pub use artifact::{Binary, Origin, Server};
pub use controllers::Controllers;
pub use delaying_proxy::DelayingProxy;
pub use emulator::{AwsKms, Emulator};
pub use etcd::Etcd;
pub use kms_plugin::{KmsApi, KmsPlugin};
pub use machine::Machine;
pub use node::{NODE_NAME, Node};
pub use port::free_port;
pub use process::Process;
pub use vault::{AppRole, Vault, VaultConfig};
pub use vault_agent::{SEEDS_TEMPLATE, VaultAgent};
