//! Binary sizes, and how long a build from nothing takes.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::block::{Block, table};
use crate::cargo::{cargo, root};

/// Builds with one KMS and with all, each from nothing, and looks.
pub(crate) fn measure() -> Result<Block> {
    let (mut rows, mut raw) = (Vec::new(), Vec::new());
    for features in ["vault", "full"] {
        let target = Path::new(root()).join("target/sizes").join(features);
        if target.exists() {
            fs::remove_dir_all(&target).with_context(|| target.display().to_string())?;
        }
        let mut command = cargo("build --quiet --release --locked --package trousseau --no-default-features");
        command.args(["--features", features, "--target-dir"]).arg(&target);
        let began = Instant::now();
        let status = command.status().context("cargo cannot be started")?;
        let seconds = began.elapsed().as_secs_f64();
        if !status.success() {
            bail!("the build with --features {features} failed ({status})");
        }
        let binary = target.join("release/trousseau");
        let bytes = binary.metadata().with_context(|| binary.display().to_string())?.len();
        let crates = crates(features)?;
        rows.push(vec![
            format!("`--no-default-features --features {features}`"),
            format!("{:.1} MB", bytes as f64 / 1e6),
            format!("{} min {:02} s", seconds as u64 / 60, seconds as u64 % 60),
            crates.to_string(),
        ]);
        raw.push(json!({"features": features, "bytes": bytes, "seconds": seconds, "crates": crates}));
        fs::remove_dir_all(&target).with_context(|| target.display().to_string())?;
    }
    let head = ["release build", "binary", "build from nothing", "crates"];
    Ok(Block { name: "sizes", table: table(&head, &rows), figures: json!(raw), guards: Vec::new() })
}

/// How many crates go into the binary or are needed to build it.
fn crates(features: &str) -> Result<usize> {
    let mut command =
        cargo("tree --quiet --package trousseau --edges normal,build --prefix none --no-default-features");
    let output = command.args(["--features", features]).output().context("run cargo tree")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text.lines().map(|line| line.trim_end_matches(" (*)"));
    Ok(names.filter(|line| !line.is_empty()).collect::<std::collections::BTreeSet<_>>().len())
}
