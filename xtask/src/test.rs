//! `cargo xtask test`: runs every test and counts them in the last line.
//!
//! Tests that start real servers live in integration test targets whose name begins with `cluster`.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::{env, fmt};

use anyhow::{Context, Result, bail};

use trousseau_cluster::Emulator;

use crate::cargo::{TESTED, cargo, integration_tests};
use crate::{dist, image, servers};

// They mostly wait for a server, so more of them than there are cores; some start three API servers.
const CLUSTER_THREADS: &str = "--test-threads=4";

/// The target whose tests need LocalEmu.
const LOCALEMU: &str = "cluster_localemu";
/// The target whose tests run a whole node, with the image.
const NODE: &str = "cluster_node";
/// The target whose tests boot systemd, with the tarball.
const SYSTEMD: &str = "cluster_systemd";

/// Set, the image is built a second time from nothing, which takes minutes: it must be the same.
const TWICE: &str = "TROUSSEAU_IMAGE_TWICE";

/// Runs all tests, without those that start servers if `fast`.
pub(crate) fn run(fast: bool) -> ExitCode {
    let mut tally = Tally::default();
    if let Err(error) = run_all(fast, &mut tally) {
        tally.fail(&format!("{error:#}"));
    }
    tally.conclude()
}

fn run_all(fast: bool, tally: &mut Tally) -> Result<()> {
    let (cluster, others): (Vec<_>, Vec<_>) =
        integration_tests()?.into_iter().partition(|name| name.starts_with("cluster"));
    compile(if fast { &[] } else { &cluster }, &others)?;
    tally.run(cargo("test --workspace --no-fail-fast --lib --bins").arg(TESTED).args(select(&others)))?;
    tally.run(cargo("test --workspace --no-fail-fast --doc").arg(TESTED))?;
    if fast {
        tally.left_out = cluster;
    } else if !cluster.is_empty() {
        let mut variables = servers::variables()?;
        // They need what few machines have; named in the summary, where that is lacking.
        let localemu = servers::emulators()?.contains(&Emulator::LocalEmu);
        let (mut node, mut machine) = (servers::node(), servers::machine());
        if node || machine {
            match dist::make() {
                Ok(made) => variables.extend([("TROUSSEAU_IMAGE", made.image), ("TROUSSEAU_TARBALL", made.tarball)]),
                Err(error) => {
                    tally.fail(&format!("image and tarball: {error:#}"));
                    (node, machine) = (false, false);
                }
            }
        }
        if env::var_os(TWICE).is_some()
            && let Err(error) = image::twice()
        {
            tally.fail(&format!("{error:#}"));
        }
        let runnable = |target: &String| {
            (localemu || target != LOCALEMU) && (node || target != NODE) && (machine || target != SYSTEMD)
        };
        let (cluster, left_out) = cluster.into_iter().partition(runnable);
        tally.left_out = left_out;
        let mut command = cargo("test --workspace --no-fail-fast");
        tally.run(command.arg(TESTED).args(select(&cluster)).args(["--", CLUSTER_THREADS]).envs(variables))?;
    }
    Ok(())
}

/// What has been run. One target left out counts as one skipped.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Tally {
    passed: u32,
    failed: u32,
    ignored: u32,
    failures: Vec<String>,
    left_out: Vec<String>,
}

impl Tally {
    /// Runs `cargo test`, shows its output, and counts.
    pub(crate) fn run(&mut self, command: &mut Command) -> Result<()> {
        let mut child = command.stdout(Stdio::piped()).spawn().context("cargo cannot be started")?;
        let before = self.failed;
        for line in BufReader::new(child.stdout.take().context("cargo test has no stdout")?).split(b'\n') {
            let line = String::from_utf8_lossy(&line.context("read the output of cargo test")?).into_owned();
            println!("{line}");
            self.count(&line);
        }
        let status = child.wait().context("wait for cargo test")?;
        if !status.success() && self.failed == before {
            // A test binary that was killed prints no result.
            self.fail(&format!("cargo test ({status})"));
        }
        Ok(())
    }

    fn count(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.failures.push(name.to_owned());
        }
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            return;
        };
        for count in counts.split("; ") {
            match count.split_once(' ').map(|(number, what)| (number.parse::<u32>(), what)) {
                Some((Ok(number), "passed")) => self.passed += number,
                Some((Ok(number), "failed")) => self.failed += number,
                Some((Ok(number), "ignored")) => self.ignored += number,
                _ => {}
            }
        }
    }

    /// How many tests were run so far.
    pub(crate) fn count_run(&self) -> u32 {
        self.passed + self.failed
    }

    /// Counts as a failure what has no name of a test.
    pub(crate) fn fail(&mut self, what: &str) {
        self.failed += 1;
        self.failures.push(what.to_owned());
    }

    /// Prints the result; its last line counts.
    pub(crate) fn conclude(&self) -> ExitCode {
        for failure in &self.failures {
            println!("failed: {failure}");
        }
        for target in &self.left_out {
            println!("left out: every test of the target {target}");
        }
        println!("{self}");
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ignored as usize + self.left_out.len() {
            0 => {}
            skipped => writeln!(f, "{skipped} skipped")?,
        }
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

// Before anything runs, so that "does not compile" is told from "a test fails".
fn compile(cluster: &[String], others: &[String]) -> Result<()> {
    let mut command = cargo("test --workspace --no-run --lib --bins");
    let status =
        command.arg(TESTED).args(select(cluster)).args(select(others)).status().context("cargo cannot be started")?;
    if !status.success() {
        bail!("it does not compile ({status})");
    }
    Ok(())
}

pub(crate) fn select(targets: &[String]) -> impl Iterator<Item = &str> {
    targets.iter().flat_map(|target| ["--test", target])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_libtest_prints() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test room::works ... ok",
            "test room::breaks ... FAILED",
            "test room::waits ... ignored, needs the moon",
            "test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.00s",
            "test result: ok. 41 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "a test prints: test result: 9 passed",
        ] {
            tally.count(line);
        }
        assert_eq!(tally.failures, ["room::breaks"]);
        assert_eq!(tally.to_string(), "1 skipped\n42 passed, 1 failed");
    }

    #[test]
    fn nothing_skipped_is_not_mentioned_and_a_target_left_out_is() {
        let mut tally = Tally { passed: 2, ..Tally::default() };
        assert_eq!(tally.to_string(), "2 passed, 0 failed");
        tally.left_out = vec!["cluster".to_owned()];
        assert_eq!(tally.to_string(), "1 skipped\n2 passed, 0 failed");
        tally.fail("compilation");
        assert_eq!(tally.to_string(), "1 skipped\n2 passed, 1 failed");
    }

    #[test]
    fn a_run_that_dies_without_a_result_is_one_failure() {
        let mut tally = Tally::default();
        tally.run(Command::new("/bin/sh").args(["-c", "echo running 1 test; kill -9 $$"])).unwrap();
        assert_eq!((tally.passed, tally.failed), (0, 1));
    }
}
