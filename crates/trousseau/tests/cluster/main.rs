//! Proofs on real servers: kube-apiserver, etcd, Vault and its agent, each test with its own.

mod client;
mod observed;
mod plugin;
mod reload;
mod restarts;
mod reversed_start;
mod rig;
mod rotation;
mod seeds_flow;
mod stored;
mod trouble;
