//! HashiCorp Vault: one node with raft storage, which survives a restart (a dev server would not).

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::artifact::Server;
use crate::process::{Process, folder, without_variables};
use crate::{http, port, wait};

mod admin;
pub use admin::AppRole;

const START: Duration = Duration::from_secs(60);

/// What a Vault is started with.
#[derive(Clone, Debug, Default)]
pub struct VaultConfig {
    /// Folder for data, configuration and log; made if missing, never removed.
    pub dir: PathBuf,
    /// PEM files of a certificate and its key: opens a second listener, with TLS ([`Vault::tls_address`]).
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// A running Vault, initialised with one key share. Dropping it ends the process; its folder stays.
///
/// The unseal key and the root token are kept in memory only.
#[derive(Debug)]
pub struct Vault {
    process: Process,
    config: VaultConfig,
    ports: [u16; 4],
    unseal_key: String,
    root_token: String,
}

impl Vault {
    /// Starts it with data and log in `dir`, initialises and unseals it, and waits until it is active: 60 s at most
    /// for each step. `dir` must not hold an earlier Vault's data.
    pub fn start(dir: impl AsRef<Path>) -> Result<Self> {
        Self::start_with(&VaultConfig { dir: dir.as_ref().to_owned(), tls: None })
    }

    /// The same with a listener for TLS.
    pub fn start_with(config: &VaultConfig) -> Result<Self> {
        let config = VaultConfig { dir: folder(&config.dir)?, ..config.clone() };
        port::retry(|ports| {
            let process = spawn(&config, ports)?;
            let (unseal_key, root_token) = (String::new(), String::new());
            let mut vault = Self { process, config: config.clone(), ports, unseal_key, root_token };
            vault.initialise()?;
            vault.unseal()?;
            Ok(vault)
        })
    }

    /// The process ID; of another process after a restart.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The URL without TLS, `http://127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("http://{}", socket(self.ports[0]))
    }

    /// The URL with TLS, if a certificate was given.
    pub fn tls_address(&self) -> Option<String> {
        self.config.tls.is_some().then(|| format!("https://{}", socket(self.ports[1])))
    }

    /// The root token.
    pub fn root_token(&self) -> &str {
        &self.root_token
    }

    /// The log file; it goes on over restarts.
    pub fn log(&self) -> &Path {
        self.process.log()
    }

    /// One API call: `path` without `/v1/`, `body` [`Value::Null`] for none, `token` empty for none. Answers status
    /// code and JSON (`Null` when the body is empty); fails only when there is no answer.
    pub fn api(&self, method: &str, path: &str, body: &Value, token: &str) -> Result<(u16, Value)> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, answer) = self.raw(method, path, body.as_bytes(), token)?;
        if answer.is_empty() {
            return Ok((status, Value::Null));
        }
        let json =
            serde_json::from_slice(&answer).with_context(|| format!("vault: {method} {path} answered no JSON"))?;
        Ok((status, json))
    }

    /// One API call as root; a status code of 400 or more is an error.
    pub fn root(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let (status, answer) = self.api(method, path, body, &self.root_token)?;
        if status >= 400 {
            bail!("vault: {method} {path} answered {status}: {answer}");
        }
        Ok(answer)
    }

    /// Seals it: every call but health, seal status and unseal is refused with 503.
    pub fn seal(&self) -> Result<()> {
        self.root("PUT", "sys/seal", &Value::Null).map(drop)
    }

    /// Unseals it and waits until it is active: 60 s at most.
    pub fn unseal(&self) -> Result<()> {
        let (status, answer) = self.api("PUT", "sys/unseal", &json!({"key": self.unseal_key}), "")?;
        if status != 200 {
            bail!("vault: unseal answered {status}: {answer}");
        }
        self.wait_active()
    }

    /// SIGTERM, after 10 s SIGKILL; returns when the process is gone.
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop().map(drop)
    }

    /// SIGKILL; returns when the process is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill().map(drop)
    }

    /// Stops it if it runs and starts it with the same data and ports. It comes back sealed: see [`Vault::unseal`].
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.process = spawn(&self.config, self.ports)?;
        Ok(())
    }

    /// A backup of everything: raft's snapshot.
    pub fn snapshot(&self) -> Result<Vec<u8>> {
        let (status, answer) = self.raw("GET", "sys/storage/raft/snapshot", b"", &self.root_token)?;
        if status != 200 {
            bail!("vault: snapshot answered {status}: {}", String::from_utf8_lossy(&answer));
        }
        Ok(answer)
    }

    /// Puts a backup of this same Vault back, and waits until it is active: 60 s at most.
    pub fn restore_snapshot(&self, snapshot: &[u8]) -> Result<()> {
        let (status, answer) = self.raw("POST", "sys/storage/raft/snapshot-force", snapshot, &self.root_token)?;
        if status >= 300 {
            bail!("vault: restoring a snapshot answered {status}: {}", String::from_utf8_lossy(&answer));
        }
        self.wait_active()
    }

    fn raw(&self, method: &str, path: &str, body: &[u8], token: &str) -> Result<(u16, Vec<u8>)> {
        let token = ("X-Vault-Token", token);
        let headers = if token.1.is_empty() { &[][..] } else { std::slice::from_ref(&token) };
        http::request(socket(self.ports[0]), method, &format!("/v1/{path}"), headers, body)
    }

    fn initialise(&mut self) -> Result<()> {
        let body = json!({"secret_shares": 1, "secret_threshold": 1});
        let (status, answer) = self.api("PUT", "sys/init", &body, "")?;
        let (Some(key), Some(token)) = (answer["keys_base64"][0].as_str(), answer["root_token"].as_str()) else {
            bail!("vault: init answered {status}: {answer}; is {} an earlier Vault's?", self.config.dir.display());
        };
        (self.unseal_key, self.root_token) = (key.to_owned(), token.to_owned());
        Ok(())
    }

    fn wait_active(&self) -> Result<()> {
        wait::until(START, "vault to be active", || {
            let (status, _) = self.api("GET", "sys/health", &Value::Null, "")?;
            Ok((status == 200).then_some(()))
        })
        .with_context(|| format!("{} ends with:\n{}", self.log().display(), self.process.log_tail()))
    }
}

fn socket(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn spawn(config: &VaultConfig, ports: [u16; 4]) -> Result<Process> {
    // Every listener also opens a port for the cluster, by default the next one: name it, as it may be taken.
    let [plain, tls, cluster, tls_cluster] = ports.map(socket);
    let (data, plugins) = (config.dir.join("data"), config.dir.join("plugins"));
    for folder in [&data, &plugins] {
        fs::create_dir_all(folder).with_context(|| format!("vault: create {}", folder.display()))?;
    }
    let mut listeners = vec![json!({"tcp": {"address": plain, "cluster_address": cluster, "tls_disable": true}})];
    if let Some((certificate, key)) = &config.tls {
        listeners.push(json!({"tcp": {
            "address": tls, "cluster_address": tls_cluster, "tls_cert_file": certificate, "tls_key_file": key,
        }}));
    }
    let settings = json!({
        "storage": {"raft": {"path": data, "node_id": "one", "performance_multiplier": 1}},
        "listener": listeners,
        "api_addr": format!("http://{plain}"),
        "cluster_addr": format!("http://{cluster}"),
        "disable_mlock": true,
        "plugin_directory": plugins,
    });
    let file = config.dir.join("vault.json");
    fs::write(&file, settings.to_string()).with_context(|| format!("vault: write {}", file.display()))?;
    let mut command = Command::new(Server::Vault.path()?);
    without_variables(&mut command, "VAULT_").arg("server").arg("-config").arg(&file);
    let mut process = Process::spawn("vault", &mut command, &config.dir.join("vault.log"))?;
    // Any answer will do: it is sealed or not initialised yet.
    process.wait_until_serving(START, || http::request(plain, "GET", "/v1/sys/seal-status", &[], b"").is_ok())?;
    Ok(process)
}
