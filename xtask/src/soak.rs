//! `cargo xtask test --soak`: what could go on for ever, for as long as wanted.
//!
//! Tests of a cluster whose name begins with `soak` take their length from TROUSSEAU_SOAK (whole seconds) and have a
//! short form without it. Before them, each fuzz test runs for a tenth of the time, and the model of the probe is explored
//! to its larger bounds, whose length is their own: some minutes in a release build.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::cargo::{TESTED, cargo, integration_tests};
use crate::servers;
use crate::test::{Tally, select};

/// Runs fuzz tests and soaks, and nothing else.
pub(crate) fn run(length: Duration) -> ExitCode {
    let mut tally = Tally::default();
    if let Err(error) = run_all(length, &mut tally) {
        tally.fail(&format!("{error:#}"));
    }
    tally.conclude()
}

fn run_all(length: Duration, tally: &mut Tally) -> Result<()> {
    if length.as_secs() == 0 {
        bail!("a soak of {length:?} would test nothing; give a second or more, such as 10m or 4h");
    }
    let (cluster, others): (Vec<_>, Vec<_>) =
        integration_tests()?.into_iter().partition(|name| name.starts_with("cluster"));
    let fuzz = (length / 10).as_millis().to_string();
    let mut command = cargo("test --workspace --no-fail-fast --lib --bins");
    tally
        .run(command.arg(TESTED).args(select(&others)).args(["--", "fuzz"]).env("BOLERO_RANDOM_TEST_TIME_MS", fuzz))?;
    let before = tally.count_run();
    tally.run(cargo("test -p trousseau-core --lib --release").args(["--", "--ignored", "--nocapture", "soak_"]))?;
    if tally.count_run() == before {
        bail!("no ignored test of trousseau-core has `soak_` in its name");
    }
    let variables = servers::variables()?;
    let mut command = cargo("test --workspace --no-fail-fast");
    // Without capture: it says how far it is, and with which seed.
    command.arg(TESTED).args(select(&cluster)).args(["--", "soak_", "--nocapture"]).envs(variables);
    let before = tally.count_run();
    tally.run(command.env("TROUSSEAU_SOAK", length.as_secs().to_string()))?;
    if tally.count_run() == before {
        bail!("no test's name has `soak_` in it");
    }
    Ok(())
}
