//! Memory over a million calls.

use anyhow::{Context, Result};
use serde_json::json;

use super::block::{Block, table};
use super::program::{Plugin, Programs, vault};

/// Calls before the first look: pools and histograms are filled by then.
const BEFORE: u32 = 20_000;
const MILLION: u32 = 1_000_000;
/// In so many steps, with a look after each.
const STEPS: u32 = 4;

/// Measures it with a local key and with Vault, half of the calls Encrypt and half Decrypt.
pub(crate) fn measure(programs: &Programs) -> Result<Block> {
    let dir = tempfile::tempdir().context("a folder")?;
    let vault = vault(&dir.path().join("vault"))?;
    let local = programs.serve_local(&dir.path().join("local"))?;
    let remote = programs.serve_vault(&dir.path().join("plugin"), &vault, &vault.address())?;
    let (mut rows, mut raw) = (Vec::new(), Vec::new());
    // Through Vault a million would be minutes of Vault's own work.
    for (of, plugin, calls) in [("a local key", &local, MILLION), ("Vault", &remote, MILLION / 4)] {
        calls_in_turn(programs, plugin, BEFORE)?;
        let mut looks = vec![plugin.resident()?];
        for _ in 0..STEPS {
            calls_in_turn(programs, plugin, calls / STEPS)?;
            looks.push(plugin.resident()?);
            eprintln!("{of}: {:.1} MB", megabytes(looks.last()));
        }
        let mut row = vec![of.to_owned(), calls.to_string()];
        row.extend(looks.iter().map(|bytes| format!("{:.2}", megabytes(Some(bytes)))));
        rows.push(row);
        raw.push(json!({"key": of, "calls": calls, "residentBytes": looks}));
    }
    let head = ["key", "calls", "MB before", "after 1/4", "1/2", "3/4", "all"];
    Ok(Block { name: "memory", table: table(&head, &rows), figures: json!(raw), guards: Vec::new() })
}

fn calls_in_turn(programs: &Programs, plugin: &Plugin, calls: u32) -> Result<()> {
    let half = (calls / 2).to_string();
    for call in ["encrypt", "decrypt"] {
        programs.load(&plugin.socket(), call, 16, &["--calls", &half, "--warmup", "0s"])?;
    }
    Ok(())
}

fn megabytes(bytes: Option<&u64>) -> f64 {
    bytes.copied().unwrap_or_default() as f64 / 1e6
}
