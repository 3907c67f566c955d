//! `cargo xtask servers`: gets what the tests start.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::OnceLock;

use anyhow::Result;
use trousseau_cluster::{Emulator, Machine, Node, Server};

pub(crate) fn run() -> Result<ExitCode> {
    let of_a_node = if node() { &Server::NODE[..] } else { &[] };
    for server in Server::ALL.iter().chain(of_a_node) {
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

/// Whether this machine can run a whole node. Installs Debian's containerd and runc where it may: as root, with apt-get.
pub(crate) fn node() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        if Node::lacking().is_some() {
            install_containerd();
        }
        let lacking = Node::lacking();
        if let Some(lacking) = &lacking {
            eprintln!("{lacking}");
        }
        lacking.is_none()
    })
}

/// Whether this machine can boot systemd in namespaces.
pub(crate) fn machine() -> bool {
    let lacking = Machine::lacking();
    if let Some(lacking) = &lacking {
        eprintln!("{lacking}");
    }
    lacking.is_none()
}

fn install_containerd() {
    for args in [
        &["-q", "update"][..],
        &["-q", "install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", "containerd", "runc"],
    ] {
        // Not root, not Debian, no network: what is missing is told afterwards.
        let _ = Command::new("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive").output();
    }
}

/// Gets all servers, and answers the environment variables that name them.
pub(crate) fn variables() -> Result<Vec<(&'static str, PathBuf)>> {
    let of_a_node = if node() { &Server::NODE[..] } else { &[] };
    Server::ALL.iter().chain(of_a_node).map(|server| Ok((server.variable(), server.path()?))).collect()
}
