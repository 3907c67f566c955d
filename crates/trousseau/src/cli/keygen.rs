//! `trousseau keygen`.

use std::path::PathBuf;
use std::time::Duration;

use super::Failure;
use crate::wire::keygen;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The key file; it must not exist, unless --add is given
    #[arg(long, value_name = "PATH")]
    file: PathBuf,
    /// Add a version to the file, for a rotation
    #[arg(long)]
    add: bool,
    /// When the new version begins to write: long enough for the file to reach every node [default: 24h with --add]
    #[arg(long, value_name = "DURATION", value_parser = humantime_serde::re::humantime::parse_duration)]
    active_in: Option<Duration>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let made = keygen(&args.file, args.add, args.active_in)?;
    println!("version {} in {}, writes from {} on", made.version, args.file.display(), made.active_from);
    if args.add {
        println!("copy the file to every control-plane node before then; the running plugins take it up by themselves");
    } else {
        println!("back this file up: without it, everything encrypted under it is lost");
    }
    Ok(())
}
