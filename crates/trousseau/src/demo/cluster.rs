//! `demo --cluster`: the same with a real Vault, etcd, kube-apiserver and kubectl, left to play with until Ctrl-C.

#[cfg(feature = "cluster")]
mod stage;

/// Starts them all and leaves them until Ctrl-C.
///
/// # Errors
/// What can't be had or started.
#[cfg(feature = "cluster")]
pub fn run() -> anyhow::Result<()> {
    stage::run()
}

/// This build can't start servers.
///
/// # Errors
/// Always.
#[cfg(not(feature = "cluster"))]
pub fn run() -> anyhow::Result<()> {
    anyhow::bail!("this build has no `cluster` feature; build it with `cargo build --features cluster`")
}
