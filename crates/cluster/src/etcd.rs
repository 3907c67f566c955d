//! etcd, one member, on loopback without TLS.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

use crate::artifact::Server;
use crate::process::{Process, folder, without_variables};
use crate::{http, port};

const START: Duration = Duration::from_secs(30);

/// A running etcd with one member. Dropping it ends the process; its folder stays.
///
/// It never calls fsync: its data survive the death of the process, not of the machine.
#[derive(Debug)]
pub struct Etcd {
    process: Process,
    dir: PathBuf,
    ports: [u16; 2],
}

impl Etcd {
    /// Starts etcd with data and log in `dir` (made if missing), and waits until it serves: 30 s at most.
    pub fn start(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = folder(dir.as_ref())?;
        port::retry(|ports| Ok(Self { process: spawn(&dir, ports)?, dir: dir.clone(), ports }))
    }

    /// The client URL, for `--etcd-servers`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", client_address(self.ports))
    }

    /// The log file.
    pub fn log(&self) -> &Path {
        self.process.log()
    }

    /// The value of a key, `None` if there is none.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let answer = self.call("range", &json!({"key": BASE64_STANDARD.encode(key)}))?;
        Ok(key_values(&answer)?.pop().map(|(_, value)| value))
    }

    /// All keys that begin with `prefix`, which must not be empty, and their values, in the order of the keys.
    pub fn range(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let mut end = prefix.as_bytes().to_vec();
        // No byte of UTF-8 is 0xff.
        *end.last_mut().context("etcd: an empty prefix would mean the whole store; give at least \"/\"")? += 1;
        let answer = self
            .call("range", &json!({"key": BASE64_STANDARD.encode(prefix), "range_end": BASE64_STANDARD.encode(end)}))?;
        key_values(&answer)
    }

    /// Writes a key past the API server: to plant damaged, foreign or older records.
    pub fn put(&self, key: &str, value: &[u8]) -> Result<()> {
        let body = json!({"key": BASE64_STANDARD.encode(key), "value": BASE64_STANDARD.encode(value)});
        self.call("put", &body).map(drop)
    }

    /// Ends the process. Calls fail until [`Etcd::restart`].
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop().map(drop)
    }

    /// Ends the process if it runs and starts it again with the same data and port.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.process = spawn(&self.dir, self.ports)?;
        Ok(())
    }

    fn call(&self, method: &str, body: &Value) -> Result<Value> {
        let path = format!("/v3/kv/{method}");
        let (status, answer) =
            http::request(client_address(self.ports), "POST", &path, &[], body.to_string().as_bytes())?;
        if status != 200 {
            bail!("etcd: {path} answered {status}: {}", String::from_utf8_lossy(&answer));
        }
        serde_json::from_slice(&answer).with_context(|| format!("etcd: {path} answered no JSON"))
    }
}

fn client_address([port, _]: [u16; 2]) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn spawn(dir: &Path, ports: [u16; 2]) -> Result<Process> {
    let (client, peer) = (format!("http://{}", client_address(ports)), format!("http://127.0.0.1:{}", ports[1]));
    let mut command = Command::new(Server::Etcd.path()?);
    without_variables(&mut command, "ETCD_")
        .arg("--data-dir")
        .arg(dir.join("data"))
        .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", &format!("default={peer}"), "--unsafe-no-fsync", "--log-level=warn"]);
    let mut process = Process::spawn("etcd", &mut command, &dir.join("etcd.log"))?;
    process.wait_until_serving(START, || {
        matches!(http::request(client_address(ports), "GET", "/health", &[], b""), Ok((200, _)))
    })?;
    Ok(process)
}

fn key_values(answer: &Value) -> Result<Vec<(String, Vec<u8>)>> {
    let decode = |value: &Value| BASE64_STANDARD.decode(value.as_str().unwrap_or_default()).context("etcd: no base64");
    let records = answer["kvs"].as_array().map_or(&[][..], Vec::as_slice);
    records
        .iter()
        .map(|record| Ok((String::from_utf8_lossy(&decode(&record["key"])?).into_owned(), decode(&record["value"])?)))
        .collect()
}
