//! What the binary is made of: the bill of materials (CycloneDX 1.5).

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::cargo::cargo;

/// `cargo metadata` for these features of the binary on Linux.
pub(crate) fn metadata(features: &str) -> Result<Value> {
    let mut command = cargo("metadata --format-version=1 --locked --filter-platform x86_64-unknown-linux-gnu");
    command.args(["--no-default-features", "--features", &qualified(features)]);
    let output = command.output().context("run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata answered no JSON")
}

fn qualified(features: &str) -> String {
    let names = features.split(',').filter(|name| !name.is_empty());
    names.map(|name| format!("trousseau/{name}")).collect::<Vec<_>>().join(",")
}

/// The packages that are linked into the binary: what it reaches by normal dependencies, itself included.
pub(super) fn linked(metadata: &Value) -> Result<Vec<&Value>> {
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let nodes = metadata["resolve"]["nodes"].as_array().context("cargo metadata resolves nothing")?;
    let start = packages.iter().find(|package| package["name"] == "trousseau").context("no package trousseau")?;
    let mut open = vec![start["id"].as_str().unwrap_or_default()];
    let mut reached = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !reached.insert(id) {
            continue;
        }
        let node = nodes.iter().find(|node| node["id"] == id);
        for dependency in node.and_then(|node| node["deps"].as_array()).into_iter().flatten() {
            let kinds = dependency["dep_kinds"].as_array();
            if kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null())) {
                open.push(dependency["pkg"].as_str().unwrap_or_default());
            }
        }
    }
    let mut found: Vec<&Value> =
        packages.iter().filter(|package| package["id"].as_str().is_some_and(|id| reached.contains(id))).collect();
    found.sort_by_key(|package| (package["name"].to_string(), package["version"].to_string()));
    Ok(found)
}

/// The document. Without a serial number and a time, so that it is the same for the same commit.
pub(crate) fn cyclone_dx(metadata: &Value) -> Result<String> {
    let component = |package: &&Value| {
        let (name, version) =
            (package["name"].as_str().unwrap_or_default(), package["version"].as_str().unwrap_or_default());
        json!({
            "type": "library",
            "name": name,
            "version": version,
            "purl": format!("pkg:cargo/{name}@{version}"),
            "licenses": [{ "expression": package["license"] }],
        })
    };
    let packages = linked(metadata)?;
    let (ours, others): (Vec<&Value>, Vec<&Value>) =
        packages.iter().copied().partition(|package| package["name"] == "trousseau");
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": ours.first().map(component) },
        "components": others.iter().map(component).collect::<Vec<_>>(),
    });
    serde_json::to_string_pretty(&document).context("write the bill of materials")
}
