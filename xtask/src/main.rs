//! Development tasks: `cargo xtask <command>`.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

mod bench;
mod cargo;
mod check;
mod dist;
mod image;
mod servers;
mod soak;
mod test;

/// Development tasks of Trousseau.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Look without running: format, lints, dependencies, documentation, generated files.
    Check,
    /// Measure the figures in docs/performance.md, and say which guards are met.
    Bench(bench::Options),
    /// Make what a release ships: tarball, image, checksums.
    Dist,
    /// Make the container image, without a container engine.
    Image {
        /// Build it twice, in two folders, and compare.
        #[arg(long)]
        twice: bool,
    },
    /// Get the servers that tests start: found, or built from source once.
    Servers,
    /// Run every test; the last line counts them.
    Test {
        /// Leave out the tests that start real servers.
        #[arg(long)]
        fast: bool,
        /// Only what could go on for ever, for so long: random trouble on a real cluster, after a tenth of that for
        /// each fuzz test.
        #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "10m", conflicts_with = "fast",
            value_parser = humantime::parse_duration)]
        soak: Option<Duration>,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Bench(options) => bench::run(&options),
        Task::Check => check::run(),
        Task::Dist => dist::run(),
        Task::Image { twice } => image::run(twice),
        Task::Servers => servers::run(),
        Task::Test { soak: Some(length), .. } => Ok(soak::run(length)),
        Task::Test { fast, soak: None } => Ok(test::run(fast)),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
