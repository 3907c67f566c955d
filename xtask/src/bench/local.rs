//! A local key behind the plugin, against an echo that is nothing but stock tonic on a Unix socket.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use trousseau_cluster::Process;

use super::block::{Block, table};
use super::guard::{Bound, Guard, figure};
use super::own_time::Own;
use super::pairs::{self, CPU, RATE, Row};
use super::program::Programs;
use super::{CONCURRENCY, Plan};

/// How much longer than the echo a call may take.
const SLOWER: f64 = 1.5;

/// Measures it.
pub(crate) fn measure(programs: &Programs, plan: Plan) -> Result<Block> {
    let dir = tempfile::tempdir().context("a folder")?;
    let echo_socket = dir.path().join("echo.sock");
    let mut command = programs.command("bare-echo");
    let mut echo = Process::spawn("bare-echo", command.arg(&echo_socket), &dir.path().join("echo.log"))?;
    echo.wait_until_serving(Duration::from_secs(20), || echo_socket.exists())?;
    let plugin = programs.serve_local(&dir.path().join("plugin"))?;
    let run = humantime::format_duration(plan.run).to_string();
    let extra = ["--duration", &run];
    let mut own = Own::default();
    let rows = pairs::run(
        plan,
        &CONCURRENCY,
        |call, concurrency| programs.load(&echo_socket, call, concurrency, &extra),
        |call, concurrency| {
            own.around(&plugin, call, concurrency, || programs.load(&plugin.socket(), call, concurrency, &extra))
        },
    )?;
    let mut guards = Vec::new();
    for concurrency in CONCURRENCY {
        for row in rows.iter().filter(|row| row.concurrency == concurrency) {
            let slower = row.ratio(RATE)?.inverse();
            guards.push(Guard {
                what: format!("{} with a local key, c={concurrency}, time as a multiple of the echo's", row.call),
                measured: slower.median,
                bound: Bound::AtMost(SLOWER),
                unit: "",
                range: Some([slower.least, slower.most]),
                note: String::new(),
            });
        }
    }
    guards.extend(own.guards("a local key"));
    let figures = json!({"pairs": plan.pairs, "run": run, "rows": rows.iter().map(Row::json).collect::<Vec<_>>(), "ownTime": own.json()});
    Ok(Block { name: "local", table: format!("{}\n{plan}\n\n{}", lines(&rows)?, own.lines()), figures, guards })
}

fn lines(rows: &[Row]) -> Result<String> {
    let line = |row: &Row| {
        let micros = |at: &str| Ok::<_, anyhow::Error>(format!("{} us", figure(row.ours(at)?.median)));
        Ok(vec![
            row.call.to_owned(),
            row.concurrency.to_string(),
            figure(row.theirs(RATE)?.median),
            figure(row.ours(RATE)?.median),
            row.ratio(RATE)?.inverse().to_string(),
            micros("/latencyMicros/p50")?,
            micros("/latencyMicros/p99")?,
            micros("/latencyMicros/p999")?,
            format!("{} / {} us", figure(row.ours(CPU)?.median), figure(row.theirs(CPU)?.median)),
        ])
    };
    let head = [
        "call",
        "c",
        "echo, calls/s",
        "local key, calls/s",
        "time, multiple of the echo's",
        "p50",
        "p99",
        "p99.9",
        "server's CPU per call, ours / echo",
    ];
    Ok(table(&head, &rows.iter().map(line).collect::<Result<Vec<_>>>()?))
}
