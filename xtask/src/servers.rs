//! `cargo xtask servers`: gets what the tests start.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use trousseau_cluster::{Emulator, Server};

pub(crate) fn run() -> Result<ExitCode> {
    for server in Server::ALL {
        let binary = server.get()?;
        println!("{}: {}: {}", server.name(), binary.path.display(), server.version(&binary.path)?);
    }
    for emulator in emulators()? {
        println!("{}: in the cache", emulator.name());
    }
    Ok(ExitCode::SUCCESS)
}

/// Gets the emulators that this machine can run, and answers them.
pub(crate) fn emulators() -> Result<Vec<Emulator>> {
    let mut runnable = Vec::new();
    for emulator in Emulator::ALL {
        match emulator.runnable() {
            Ok(()) => {
                emulator.get()?;
                runnable.push(emulator);
            }
            // Its tests are left out by name; without the other one, tests fail and say so.
            Err(lacking) => eprintln!("{lacking:#}"),
        }
    }
    Ok(runnable)
}

/// Gets all servers, and answers the environment variables that name them.
pub(crate) fn variables() -> Result<Vec<(&'static str, PathBuf)>> {
    Server::ALL.iter().map(|server| Ok((server.variable(), server.path()?))).collect()
}
