//! `trousseau config`: what a file says, before or while it counts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::runtime::Builder;
use tokio::time::timeout;
use trousseau_core::section::Host;

use super::Failure;
use crate::config::{Loaded, hints, load, process_environment, schema};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Read a file and say what is wrong with it; asks no KMS
    Check {
        /// The configuration file
        file: PathBuf,
    },
    /// Print what a file comes to, with every default and each value's origin, secrets masked, as JSON
    Show {
        /// The configuration file
        file: PathBuf,
    },
    /// Print the JSON Schema of a configuration file: for editors, and for tools that check one before it is shipped
    Schema,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Check { file } => {
            let loaded = read(file)?;
            for warning in &loaded.warnings {
                println!("warning: {}: {}", warning.code, warning.text);
            }
            let keys: Vec<_> = loaded.config.keys.iter().map(|key| format!("`{}`", key.name)).collect();
            println!("{}: good; keys: {}; the first writes, all read", file.display(), keys.join(", "));
            Ok(())
        }
        Command::Show { file } => {
            let shown = serde_json::to_string_pretty(&read(file)?.show()).context("can't print the configuration")?;
            println!("{shown}");
            Ok(())
        }
        Command::Schema => {
            let text = serde_json::to_string_pretty(&schema()).context("can't print the schema")?;
            println!("{text}");
            Ok(())
        }
    }
}

/// How long a refused file's KMS may take to help.
const PATIENCE: Duration = Duration::from_secs(5);

/// An error of a configuration file with what its KMS can tell about it.
pub(super) fn explained(error: anyhow::Error, file: &Path) -> anyhow::Error {
    let host = Host { environment: process_environment(), credentials: None };
    let Ok(runtime) = Builder::new_current_thread().enable_all().build() else {
        return error;
    };
    let hints = runtime.block_on(async { timeout(PATIENCE, hints(file, &host)).await.unwrap_or_default() });
    // Not waited for: a name server that doesn't answer holds a thread for longer.
    runtime.shutdown_background();
    if hints.is_empty() { error } else { anyhow!("{error:#}\n{}", hints.join("\n")) }
}

fn read(file: &Path) -> Result<Loaded, Failure> {
    load(file, &process_environment()).map_err(|error| Failure::Usage(explained(error.into(), file)))
}
