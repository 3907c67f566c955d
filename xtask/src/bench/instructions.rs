//! Instructions in one call of the plugin's own code, counted by callgrind, against a baseline in the repository.
//!
//! The counts are the same on a busy machine and an idle one. They differ with the compiler, the C library and what the
//! processor can do, so the baseline belongs to the machine it names, and a difference is reported and fails nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::block::{Block, table};
use super::guard::{Bound, Guard};
use super::program::Programs;
use crate::cargo::root;

const BASELINE: &str = "docs/performance/instructions.json";
/// How far off the baseline, in percent, a change has to be explained.
const TOLERANCE: f64 = 2.0;

/// Whether they can be counted here.
pub(crate) fn are_countable() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Counts, and compares; with `renew`, what was counted is the baseline from now on, for this reason if it moved.
///
/// # Errors
/// The baseline moved, and nobody says why.
pub(crate) fn measure(programs: &Programs, renew: bool, because: Option<&str>) -> Result<Block> {
    let counts = count(programs)?;
    let baseline = baseline()?;
    let (mut rows, mut guards) = (Vec::new(), Vec::new());
    for (name, now) in &counts {
        let before = baseline.get(name);
        let change = before.map(|before| 100.0 * (*now as f64 / *before as f64 - 1.0));
        rows.push(vec![name.clone(), now.to_string()]);
        guards.push(Guard {
            what: format!("instructions of {name}, change against the baseline"),
            measured: change.map_or(f64::NAN, f64::abs),
            bound: Bound::AtMost(TOLERANCE),
            unit: "%",
            range: None,
            note: before.map_or_else(|| format!("{now}, no baseline"), |before| format!("{before} -> {now}")),
        });
    }
    let mut figures = json!(counts);
    if renew {
        let moved: Vec<_> = guards.drain(..).filter(|guard| !guard.is_met()).map(|guard| guard.to_string()).collect();
        match because {
            Some(reason) => figures["because"] = json!(reason),
            None if baseline.is_empty() || moved.is_empty() => {}
            None => bail!("the counts moved; say why with --because TEXT:\n{}", moved.join("\n")),
        }
    }
    Ok(Block { name: "instructions", table: table(&["one call", "instructions"], &rows), figures, guards })
}

type Counts = BTreeMap<String, u64>;

fn count(programs: &Programs) -> Result<Counts> {
    let names = programs.command("instructions").output().context("run instructions")?;
    let dir = tempfile::tempdir().context("a folder")?;
    let mut counts = Counts::new();
    for name in String::from_utf8_lossy(&names.stdout).lines() {
        let file = dir.path().join(name);
        let mut command = Command::new("valgrind");
        command.args(["--quiet", "--tool=callgrind", COUNTED]);
        command.arg(format!("--callgrind-out-file={}", file.display())).arg(programs.path("instructions")).arg(name);
        let output = command.output().context("run valgrind")?;
        if !output.status.success() {
            bail!("valgrind on {name}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        let profile = fs::read_to_string(&file).with_context(|| format!("callgrind's profile of {name}"))?;
        counts
            .insert(name.to_owned(), total(&profile).with_context(|| format!("callgrind counted nothing of {name}"))?);
    }
    Ok(counts)
}

/// Where callgrind starts and stops.
const COUNTED: &str = "--toggle-collect=instructions::counted*";

/// The sum in a profile of callgrind's; `None` if nothing was collected.
fn total(profile: &str) -> Option<u64> {
    let line = profile.lines().find_map(|line| line.strip_prefix("totals:"))?;
    line.trim().parse().ok().filter(|total| *total > 0)
}

fn baseline() -> Result<Counts> {
    let file = Path::new(root()).join(BASELINE);
    if !file.exists() {
        return Ok(Counts::new());
    }
    let text = fs::read(&file).with_context(|| file.display().to_string())?;
    let raw: Value = serde_json::from_slice(&text).with_context(|| file.display().to_string())?;
    let counts = raw["figures"].as_object().with_context(|| format!("{BASELINE} has no `figures`"))?;
    Ok(counts.iter().filter_map(|(name, count)| Some((name.clone(), count.as_u64()?))).collect())
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn the_total_of_a_profile_is_read() {
        let profile = "version: 1\nevents: Ir\nfn=(1) instructions::counted\n12 7\ntotals: 10234\n";
        assert_eq!(total(profile), Some(10_234));
        assert_eq!(total("events: Ir\ntotals: 0\n"), None, "a pattern that fits no function counts nothing");
    }
}
