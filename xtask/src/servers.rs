//! `cargo xtask servers`: gets what the tests start.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use trousseau_cluster::Server;

pub(crate) fn run() -> Result<ExitCode> {
    for server in Server::ALL {
        let binary = server.get()?;
        println!("{}: {}: {}", server.name(), binary.path.display(), server.version(&binary.path)?);
    }
    Ok(ExitCode::SUCCESS)
}

/// Gets all servers, and answers the environment variables that name them.
pub(crate) fn variables() -> Result<Vec<(&'static str, PathBuf)>> {
    Server::ALL.iter().map(|server| Ok((server.variable(), server.path()?))).collect()
}
