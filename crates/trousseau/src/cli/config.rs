//! `trousseau config`: what a file says, before or while it counts.

use std::path::PathBuf;

use anyhow::Context as _;

use super::Failure;
use crate::config::{Loaded, load, process_environment, schema};

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

fn read(file: &std::path::Path) -> Result<Loaded, Failure> {
    load(file, &process_environment()).map_err(|error| Failure::Usage(error.into()))
}
