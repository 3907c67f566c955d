//! `cargo xtask check`: everything that can be seen without running the program.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use trousseau_cluster::cache;

use crate::cargo::{FULL, TESTED, cargo, provider_features, root};

const CARGO_DENY: &str = "0.20.2";

/// Runs all steps, also after one has failed, and lists them at the end.
pub(crate) fn run() -> Result<ExitCode> {
    let mut documentation = cargo("doc --workspace --no-deps --quiet");
    documentation.env("RUSTDOCFLAGS", "-D warnings");
    documentation.arg(FULL);
    let mut lints = cargo("clippy --workspace --all-targets --locked --keep-going --quiet");
    lints.args([TESTED, "--", "-D", "warnings"]);
    // As `cargo xtask test` builds it, so that nothing is built twice; and the chart's schema has every kind of KMS.
    let mut generated = cargo("test --quiet --workspace --test fresh");
    generated.arg(TESTED);
    let steps: [(&str, Result<Command>); 5] = [
        ("format", Ok(cargo("fmt --all --check"))),
        ("lints", Ok(lints)),
        ("dependencies", cargo_deny()),
        ("documentation", Ok(documentation)),
        ("generated files", Ok(generated)),
    ];
    let mut lines = Vec::new();
    let mut all_passed = true;
    let run = steps.map(|(name, command)| (name, Step::Command(command)));
    for (name, step) in run.into_iter().chain([("each KMS alone", Step::Features)]) {
        println!("== {name}");
        let start = Instant::now();
        let result = match step {
            Step::Command(command) => command.and_then(|mut command| succeed(&mut command)),
            Step::Features => each_provider_alone(),
        };
        let seconds = start.elapsed().as_secs();
        lines.push(match &result {
            Ok(()) => format!("ok      {name} ({seconds} s)"),
            Err(error) => format!("FAILED  {name} ({seconds} s): {error:#}"),
        });
        all_passed &= result.is_ok();
    }
    println!("== check\n{}", lines.join("\n"));
    Ok(if all_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

enum Step {
    Command(Result<Command>),
    Features,
}

/// A build with one kind of KMS must compile without the others, and say what it has. Only the program itself is
/// compiled again for each.
fn each_provider_alone() -> Result<()> {
    for feature in provider_features()? {
        let mut run = cargo("run --quiet --locked --package trousseau --no-default-features --features");
        let output = run.args([&feature, "--", "providers", "--output", "json"]).stderr(Stdio::inherit()).output();
        let output = output.context("cargo cannot be started")?;
        let listed: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("--no-default-features --features {feature}: {}", output.status))?;
        let has: Vec<_> = listed["providers"].as_array().into_iter().flatten().map(|kind| &kind["feature"]).collect();
        if has != [&feature] {
            bail!("a build with the feature {feature} alone lists {has:?}");
        }
    }
    Ok(())
}

fn succeed(command: &mut Command) -> Result<()> {
    let program = Path::new(command.get_program()).display().to_string();
    let status =
        command.status().with_context(|| format!("{program} cannot be started; install the pinned toolchain"))?;
    if !status.success() {
        bail!("{status}; see its output above");
    }
    Ok(())
}

// In the cache, not in ~/.cargo/bin: pinned, and nobody's own installation is touched.
fn cargo_deny() -> Result<Command> {
    let binary = cache::install("tools", &format!("cargo-deny-{CARGO_DENY}"), |folder| {
        println!("installing cargo-deny {CARGO_DENY} (some minutes, once)");
        let mut install = cargo("install cargo-deny --locked --quiet");
        succeed(
            install
                .args(["--version", CARGO_DENY])
                .arg("--root")
                .arg(folder)
                .arg("--target-dir")
                .arg(folder.join("target")),
        )
        .context("cargo install cargo-deny: it needs crates.io and a C compiler")?;
        Ok(folder.join("bin/cargo-deny"))
    })?;
    let mut command = Command::new(binary);
    command.current_dir(root()).args(["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    Ok(command)
}
