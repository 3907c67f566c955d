//! How soon the socket answers after exec, and what a process that does nothing holds in memory.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;
use trousseau_cluster::wait;

use super::block::{Block, table};
use super::guard::{Bound, Guard, figure};
use super::pairs::Spread;
use super::program::{Plugin, Programs, vault, vault_key};

const STARTS: usize = 20;
/// Milliseconds from exec to the first answer.
const ANSWER: f64 = 50.0;
/// Megabytes of an idle process.
const IDLE: f64 = 15.0;
/// Long enough for the first probe and all that is done once.
const SETTLE: Duration = Duration::from_secs(5);

/// Measures both, with a local key and with Vault.
pub(crate) fn measure(programs: &Programs) -> Result<Block> {
    let dir = tempfile::tempdir().context("a folder")?;
    let (mut rows, mut guards, mut raw) = (Vec::new(), Vec::new(), Vec::new());
    let mut measure = |of: &str, folder: &Path, key: &str| -> Result<()> {
        let answers = (0..STARTS).map(|_| first_answer(programs, folder, key)).collect::<Result<Vec<_>>>()?;
        let plugin = Plugin::spawn(programs, folder, key)?;
        plugin.wait_ready()?;
        wait::pause(SETTLE);
        let megabytes = plugin.resident()? as f64 / 1e6;
        let answer = Spread::of(answers.clone())?;
        eprintln!("{of}: first answer after {answer} ms, {megabytes:.1} MB when idle");
        rows.push(vec![of.to_owned(), format!("{answer} ms"), format!("{megabytes:.1} MB")]);
        guards.push(Guard {
            what: format!("first answer on the socket after exec, with {of}, slowest of {STARTS}"),
            measured: answer.most,
            bound: Bound::AtMost(ANSWER),
            unit: "ms",
            range: None,
            note: format!("median {}", figure(answer.median)),
        });
        guards.push(Guard {
            what: format!("resident memory of an idle process, with {of}"),
            measured: megabytes,
            bound: Bound::AtMost(IDLE),
            unit: "MB",
            range: None,
            note: String::new(),
        });
        raw.push(json!({"key": of, "firstAnswerMillis": answers, "idleMegabytes": megabytes}));
        Ok(())
    };
    let folder = dir.path().join("local");
    measure("a local key", &folder, &programs.local_key(&folder)?)?;
    let vault = vault(&dir.path().join("vault"))?;
    let folder = dir.path().join("plugin");
    measure("Vault", &folder, &vault_key(&folder, &vault, &vault.address())?)?;
    let table = table(&["key", "first answer after exec", "resident when idle"], &rows);
    Ok(Block { name: "idle", table, figures: json!(raw), guards })
}

/// Milliseconds from just before exec until the server's first HTTP/2 frame, its SETTINGS, is there.
fn first_answer(programs: &Programs, dir: &Path, key: &str) -> Result<f64> {
    // Written by `Plugin::spawn`, once; a watchdog process would only add to the time.
    let config = dir.join("config.yaml");
    if !config.exists() {
        drop(Plugin::spawn(programs, dir, key)?);
    }
    let socket = dir.join("kms.sock");
    let mut command = programs.command("trousseau");
    command.arg("serve").arg("--config").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let mut child = command.spawn().context("start trousseau")?;
    let mut answered = None;
    while answered.is_none() && began.elapsed() < Duration::from_secs(10) {
        answered = settings(&socket).ok().map(|()| began.elapsed());
        // Leaves the processor to the one that starts.
        wait::pause(Duration::from_micros(100));
    }
    // Killed, so that it leaves its socket: the next one has to cope with that.
    child.kill().and_then(|()| child.wait()).context("end trousseau")?;
    match answered {
        Some(time) => Ok(time.as_secs_f64() * 1e3),
        None => bail!("trousseau did not answer on {} within 10 s", socket.display()),
    }
}

/// Speaks HTTP/2's preface with an empty SETTINGS, and waits for the other side's first frame.
fn settings(socket: &Path) -> std::io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")?;
    stream.read_exact(&mut [0; 9])
}
