//! Vault behind the plugin, against a client that does nothing but Vault's calls on keep-alive connections.

use anyhow::{Context, Result};
use serde_json::json;

use super::Plan;
use super::block::{Block, table};
use super::guard::{Bound, Guard, figure};
use super::own_time::Own;
use super::pairs::{self, CPU, RATE, Row};
use super::program::{KEY, Programs, figures, vault};

/// The share of the bare client's calls that come through the plugin.
const SHARE: f64 = 0.9;
const GUARDED: (&str, u16) = ("decrypt", 16);

/// Measures it.
pub(crate) fn measure(programs: &Programs, plan: Plan) -> Result<Block> {
    let dir = tempfile::tempdir().context("a folder")?;
    let vault = vault(&dir.path().join("vault"))?;
    let folder = dir.path().join("plugin");
    let plugin = programs.serve_vault(&folder, &vault, &vault.address())?;
    let run = humantime::format_duration(plan.run).to_string();
    let address = vault.address();
    let address = address.trim_start_matches("http://");
    let bare = |call: &str, concurrency: u16| {
        let mut command = programs.command("bare-vault-client");
        command.args(["--address", address, "--key", KEY, "--call", call, "--duration", &run]);
        command.args(["-c", &concurrency.to_string(), "--token"]).arg(folder.join("token"));
        figures(&mut command)
    };
    let mut own = Own::default();
    let rows = pairs::run(plan, bare, |call, concurrency| {
        own.around(&plugin, call, concurrency, || {
            programs.load(&plugin.socket(), call, concurrency, &["--duration", &run])
        })
    })?;
    let mut guards = Vec::new();
    for row in rows.iter().filter(|row| (row.call, row.concurrency) == GUARDED) {
        let share = row.ratio(RATE)?;
        guards.push(Guard {
            what: format!("{} through Vault, c={}, share of the bare client's calls", row.call, row.concurrency),
            measured: share.median,
            bound: Bound::AtLeast(SHARE),
            unit: "",
            range: Some([share.least, share.most]),
            note: String::new(),
        });
    }
    guards.extend(own.guards("Vault"));
    let figures = json!({"pairs": plan.pairs, "run": run, "rows": rows.iter().map(Row::json).collect::<Vec<_>>(), "ownTime": own.json()});
    Ok(Block { name: "vault", table: format!("{}\n{plan}\n\n{}", lines(&rows)?, own.lines()), figures, guards })
}

fn lines(rows: &[Row]) -> Result<String> {
    let line = |row: &Row| {
        let both = |at: &str| {
            Ok::<_, anyhow::Error>(format!("{} / {}", figure(row.ours(at)?.median), figure(row.theirs(at)?.median)))
        };
        Ok(vec![
            row.call.to_owned(),
            row.concurrency.to_string(),
            figure(row.theirs(RATE)?.median),
            figure(row.ours(RATE)?.median),
            row.ratio(RATE)?.to_string(),
            both("/latencyMicros/p50")?,
            both("/latencyMicros/p99")?,
            format!("{} us", figure(row.ours(CPU)?.median)),
        ])
    };
    let head = [
        "call",
        "c",
        "bare client, calls/s",
        "plugin, calls/s",
        "share of the bare client's calls",
        "p50, ours / bare, us",
        "p99, ours / bare, us",
        "plugin's CPU per call",
    ];
    Ok(table(&head, &rows.iter().map(line).collect::<Result<Vec<_>>>()?))
}
