//! Proofs on a whole real node: kubelet, containerd and runc run what lies in `deploy/`, beside kube-apiserver, the
//! controllers, the scheduler, etcd and Vault. Needs root, and Debian's containerd and runc or their like.
//!
//! The image is the one that `cargo xtask image` makes (TROUSSEAU_IMAGE names its docker-archive; `cargo xtask test`
//! makes it and sets that). Vault's image, for its agent, is made here out of the test's Vault, FROM scratch: there is
//! no registry. An upgrade is the same program under another tag.
#![expect(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something is not as it must be; the client is the target `cluster`'s, of which this uses a part"
)]

#[path = "../cluster/client.rs"]
mod client;
mod cold_start;
mod daemonset;
mod daemonset_agent;
#[path = "../document/mod.rs"]
mod document;
mod encrypt_and_back;
mod helm;
mod load;
mod on_the_node;
#[path = "../document/picture.rs"]
mod picture;
mod stage;
mod workload;
