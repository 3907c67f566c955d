//! Running cargo, at the root of the workspace.

use std::env;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The cargo that runs us, with the words of `args`, at the workspace's root.
pub(crate) fn cargo(args: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(args.split(' '));
    command
}

/// The folder of the workspace.
pub(crate) fn root() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/..")
}

/// The names of all integration test targets of the workspace, sorted.
pub(crate) fn integration_tests() -> Result<Vec<String>> {
    let output = cargo("metadata --no-deps --format-version=1").output().context("run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata answered no JSON")?;
    let mut names: Vec<String> = elements(&metadata["packages"])
        .iter()
        .flat_map(|package| elements(&package["targets"]))
        .filter(|target| target["kind"][0] == "test")
        .filter_map(|target| Some(target["name"].as_str()?.to_owned()))
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}

fn elements(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
