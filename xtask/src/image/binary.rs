//! The static binary: glibc linked in, no path of the machine that built it.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::nested;
use crate::cargo::root;

/// What is built for.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds in `target` and answers the binary's path.
pub(super) fn build(features: &str, target: &Path) -> Result<PathBuf> {
    let home = env::var("CARGO_HOME").or_else(|_| env::var("HOME").map(|home| format!("{home}/.cargo")));
    let home = home.context("neither CARGO_HOME nor HOME is set")?;
    let source = Path::new(root()).canonicalize().context("the workspace")?;
    let (source, target_text) = (source.display().to_string(), target.display().to_string());
    // The last prefix that fits wins, so the more special ones come last.
    let prefixes = [(home.as_str(), "/cargo"), (source.as_str(), "/src"), (target_text.as_str(), "/target")];
    let rust: Vec<String> = ["-Ctarget-feature=+crt-static".to_owned(), "-Clink-arg=-Wl,--build-id=none".to_owned()]
        .into_iter()
        .chain(prefixes.iter().map(|(from, to)| format!("--remap-path-prefix={from}={to}")))
        .collect();
    let c: Vec<String> = prefixes.iter().map(|(from, to)| format!("-ffile-prefix-map={from}={to}")).collect();
    let mut command = nested("build --release --locked --package trousseau --no-default-features --target", target);
    let status = command
        .args([TARGET, "--features", features])
        .env("CARGO_ENCODED_RUSTFLAGS", rust.join("\u{1f}"))
        .env("CFLAGS", c.join(" "))
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
        .status()
        .context("cargo cannot be started")?;
    if !status.success() {
        bail!("the static binary does not build ({status}); see cargo's output above");
    }
    Ok(target.join(TARGET).join("release/trousseau"))
}
