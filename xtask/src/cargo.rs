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

/// Every kind of KMS, for whatever is built to be tested or looked at.
pub(crate) const FULL: &str = "--features=trousseau/full";

/// The same, and what only tests have.
pub(crate) const TESTED: &str = "--features=trousseau/full,trousseau/test-clock";

/// The cargo features of the program that bring one kind of KMS each.
pub(crate) fn provider_features() -> Result<Vec<String>> {
    let metadata = metadata()?;
    let program = elements(&metadata["packages"]).iter().find(|package| package["name"] == "trousseau");
    let full = program.map(|program| elements(&program["features"]["full"])).unwrap_or_default();
    let names: Vec<String> = full.iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect();
    if names.is_empty() {
        bail!("crates/trousseau/Cargo.toml has no feature `full` that lists the kinds of KMS");
    }
    Ok(names)
}

/// The names of all integration test targets of the workspace, sorted.
pub(crate) fn integration_tests() -> Result<Vec<String>> {
    let metadata = metadata()?;
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

fn metadata() -> Result<Value> {
    let output = cargo("metadata --no-deps --format-version=1").output().context("run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata answered no JSON")
}

fn elements(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::image;

    /// All features that these bring, themselves included.
    fn closure<'a>(features: &'a Value, names: &[&'a str]) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        let mut open = names.to_vec();
        while let Some(name) = open.pop() {
            if found.insert(name) {
                open.extend(elements(&features[name]).iter().filter_map(Value::as_str));
            }
        }
        found
    }

    #[test]
    fn the_clock_of_the_tests_is_in_nothing_that_is_shipped() {
        let metadata = metadata().unwrap();
        let program = elements(&metadata["packages"]).iter().find(|package| package["name"] == "trousseau").unwrap();
        let features = &program["features"];
        assert!(features["test-clock"].is_array(), "it has another name: {features}");
        assert!(TESTED.contains("trousseau/test-clock"), "and the tests have it");
        let shipped: Vec<&str> = image::FEATURES.split(',').collect();
        for names in [shipped, vec!["full"], vec!["default"]] {
            let all = closure(features, &names);
            assert!(all.contains("vault"), "{names:?} bring a KMS: {all:?}");
            assert!(!all.contains("test-clock"), "{names:?} bring {all:?}");
        }
        assert!(!FULL.contains("clock"));
    }
}
