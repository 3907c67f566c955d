//! `trousseau demo`.

use tokio::runtime::Builder;

use anyhow::Context as _;

use super::Failure;
use crate::demo;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// With a real Vault, etcd, kube-apiserver and kubectl, left running until Ctrl-C
    #[arg(long)]
    cluster: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if args.cluster {
        return demo::cluster::run().map_err(Failure::Failed);
    }
    let runtime = Builder::new_current_thread().enable_all().build().context("can't start the runtime")?;
    runtime.block_on(demo::run()).map_err(Failure::Failed)
}
