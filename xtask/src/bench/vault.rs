//! Vault behind the plugin, against a client that does nothing but Vault's calls on keep-alive connections.

use anyhow::{Context, Result};
use serde_json::json;

use super::block::{Block, table};
use super::cores::{Apart, USED, accounted};
use super::guard::{Bound, Guard, figure};
use super::own_time::Own;
use super::pairs::{self, CPU, RATE, Row, Spread};
use super::program::{KEY, Programs, figures, vault};
use super::{CONCURRENCY, Plan};

/// The share of the bare client's calls that come through the plugin.
const SHARE: f64 = 0.9;
const GUARDED: (&str, u16) = ("decrypt", 16);
/// Calls in flight at which the cores' time is told apart: all of it is in use, and no call waits long for its turn.
const TOLD: u16 = 16;
/// What one core of Vault's bears: with 64 in flight, some answers come after more than the 2 s that one call may take.
const CORE: [u16; 2] = [1, 16];

/// Measures it: all on the same cores, then with a core that is Vault's own.
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
        accounted(vault.id(), plugin.id(), || figures(&mut command))
    };
    let load = |call: &str, concurrency: u16| {
        let run = || programs.load(&plugin.socket(), call, concurrency, &["--duration", &run]);
        accounted(vault.id(), plugin.id(), run)
    };
    let mut own = Own::default();
    let shared = pairs::run(plan, &CONCURRENCY, bare, |call, concurrency| {
        own.around(&plugin, call, concurrency, || load(call, concurrency))
    })?;
    let status = (0..plan.pairs).map(|_| pairs::number(&load("status", 1)?, RATE)).collect::<Result<_>>()?;
    let status = Spread::of(status)?;
    let apart = match Apart::new(vault.id(), plugin.id())? {
        Some(_apart) => Some(pairs::run(plan, &CORE, bare, load)?),
        None => None,
    };

    let mut table = format!("{}\n{}\n{plan}\n\n{}", lines(&shared)?, cores(&shared)?, own.lines());
    table += &format!("\nStatus, c=1: {status} calls/s.\n");
    let mut guards = vec![guard(&shared)?];
    match &apart {
        Some(rows) => {
            table += &format!("\nThe same with a core that is Vault's own:\n\n{}", lines(rows)?);
        }
        None => table += "\nLeft out: a core that is Vault's own; this machine has one core, or no taskset.\n",
    }
    guards.extend(own.guards("Vault"));
    let rows = |rows: &[Row]| rows.iter().map(Row::json).collect::<Vec<_>>();
    let figures = json!({
        "pairs": plan.pairs, "run": run, "rows": rows(&shared), "vaultOnItsOwnCore": apart.as_deref().map(rows),
        "statusCallsPerSecond": status.median, "ownTime": own.json(),
    });
    Ok(Block { name: "vault", table, figures, guards })
}

fn guard(rows: &[Row]) -> Result<Guard> {
    let row = rows.iter().find(|row| (row.call, row.concurrency) == GUARDED).context("what is guarded was not run")?;
    let share = row.ratio(RATE)?;
    Ok(Guard {
        what: format!("{} through Vault, c={}, share of the bare client's calls", row.call, row.concurrency),
        measured: share.median,
        bound: Bound::AtLeast(SHARE),
        unit: "",
        range: Some([share.least, share.most]),
        note: String::new(),
    })
}

/// Where the cores' time went, of both sides.
fn cores(rows: &[Row]) -> Result<String> {
    let who = ["vault", "plugin", "rest", "idle"];
    let mut table = Vec::new();
    for row in rows.iter().filter(|row| row.concurrency == TOLD) {
        let of = |side: &dyn Fn(&str) -> Result<Spread>| {
            who.iter().map(|who| Ok(side(&format!("{USED}/{who}"))?.median)).collect::<Result<Vec<_>>>()
        };
        for (name, used) in [("bare", of(&|at| row.theirs(at))?), ("plugin", of(&|at| row.ours(at))?)] {
            let mut line = vec![row.call.to_owned(), TOLD.to_string(), name.to_owned()];
            line.extend(used.iter().map(|micros| figure(*micros)));
            line.push(figure(used.iter().sum()));
            table.push(line);
        }
    }
    let head = ["call", "c", "through", "Vault, us of a core", "plugin", "client and the rest", "idle", "sum"];
    Ok(self::table(&head, &table))
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
