//! Completions and the man page, from the definitions that parse the command line.

use std::io;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Failure};

#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

pub(super) fn completions(args: &Completions) -> Result<(), Failure> {
    clap_complete::generate(args.shell, &mut Cli::command(), "trousseau", &mut io::stdout());
    Ok(())
}

pub(super) fn man() -> Result<(), Failure> {
    let page = clap_mangen::Man::new(Cli::command());
    Ok(page.render(&mut io::stdout()).context("can't print the man page")?)
}
