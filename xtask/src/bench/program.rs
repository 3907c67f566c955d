//! The release build, a plugin that serves, and a load on a socket.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use trousseau_cluster::{Process, Vault, free_port, wait};

use crate::cargo::{cargo, root};

/// The built programs' folder.
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// Builds what is measured, with these features of the program, and what it is held against.
    pub(crate) fn build(features: &str) -> Result<Self> {
        let mut command = cargo("build --quiet --release --package trousseau --package trousseau-bench --bins");
        let features: Vec<_> = features.split(',').map(|feature| format!("trousseau/{feature}")).collect();
        command.args(["--no-default-features", "--features", &features.join(",")]);
        let status = command.status().context("cargo cannot be started")?;
        if !status.success() {
            bail!("the release build failed ({status}); see cargo's output above");
        }
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new(root()).join("target"), PathBuf::from);
        Ok(Self(target.join("release")))
    }

    /// One of the programs.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// One of them, without variables that would change what it does.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.path(name));
        for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("VAULT_")) {
            command.env_remove(variable);
        }
        command
    }

    /// Starts `serve` with a local key of its own.
    pub(crate) fn serve_local(&self, dir: &Path) -> Result<Plugin> {
        let plugin = Plugin::spawn(self, dir, &self.local_key(dir)?)?;
        plugin.wait_ready()?;
        Ok(plugin)
    }

    /// Makes a key; the key's section.
    pub(crate) fn local_key(&self, dir: &Path) -> Result<String> {
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        let file = dir.join("local.key");
        let status = self.command("trousseau").args(["keygen", "--file"]).arg(&file).stdout(Stdio::null()).status();
        if !status.context("run trousseau keygen")?.success() {
            bail!("trousseau keygen made no key in {}", file.display());
        }
        Ok(format!("local: {{file: {}}}", file.display()))
    }

    /// Starts `serve` with a transit key, under the policy of `identity: metadata`.
    pub(crate) fn serve_vault(&self, dir: &Path, vault: &Vault, address: &str) -> Result<Plugin> {
        let key = vault_key(dir, vault, address)?;
        let plugin = Plugin::spawn(self, dir, &key)?;
        plugin.wait_ready()?;
        Ok(plugin)
    }

    /// `trousseau bench` on a socket.
    pub(crate) fn load(&self, socket: &Path, call: &str, concurrency: u16, extra: &[&str]) -> Result<Value> {
        let mut command = self.command("trousseau");
        command.args(["bench", "--output", "json", "--call", call, "-c", &concurrency.to_string()]);
        figures(command.arg("--socket").arg(socket).args(extra))
    }
}

/// Runs a program that prints its figures as JSON.
pub(crate) fn figures(command: &mut Command) -> Result<Value> {
    let program = Path::new(command.get_program()).display().to_string();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("run {program}"))?;
    if !output.status.success() {
        bail!("{program}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("{program} printed no JSON"))
}

/// A token for the plugin in `dir/token`; the key's section. Vault must have the key `bench` in `transit`.
pub(crate) fn vault_key(dir: &Path, vault: &Vault, address: &str) -> Result<String> {
    fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    vault.policy("trousseau", POLICY)?;
    let file = dir.join("token");
    fs::write(&file, vault.token(&["trousseau"], "4h", true)?).with_context(|| file.display().to_string())?;
    Ok(format!(
        "vault: {{address: '{address}', allowHttp: true, transit: {{key: {KEY}}}, auth: {{token: {{file: {}}}}}}}",
        file.display()
    ))
}

/// The transit key that is measured.
pub(crate) const KEY: &str = "bench";
/// What `identity: metadata` needs.
const POLICY: &str = r#"
path "transit/encrypt/bench" { capabilities = ["update"] }
path "transit/decrypt/bench" { capabilities = ["update"] }
path "transit/keys/bench" { capabilities = ["read"] }
"#;

/// A real Vault with the key that is measured.
pub(crate) fn vault(dir: &Path) -> Result<Vault> {
    let vault = Vault::start(dir)?;
    vault.enable_transit("transit")?;
    vault.create_key("transit", KEY, "aes256-gcm96")?;
    Ok(vault)
}

/// A running `serve`.
pub(crate) struct Plugin {
    process: Process,
    dir: PathBuf,
    admin: u16,
}

impl Plugin {
    /// Starts it with one key in a folder, and does not wait.
    pub(crate) fn spawn(programs: &Programs, dir: &Path, key: &str) -> Result<Self> {
        let admin = free_port()?;
        let text = format!(
            "cluster: bench\nsocket: {{path: {}/kms.sock}}\nadmin: 127.0.0.1:{admin}\nkeys:\n  - name: bench\n    {key}\n",
            dir.display()
        );
        let file = dir.join("config.yaml");
        fs::write(&file, text).with_context(|| file.display().to_string())?;
        let mut command = programs.command("trousseau");
        command.arg("serve").arg("--config").arg(&file);
        let process = Process::spawn("trousseau", &mut command, &dir.join("trousseau.log"))?;
        Ok(Self { process, dir: dir.to_owned(), admin })
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join("kms.sock")
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until the key is proven: 60 s at most.
    pub(crate) fn wait_ready(&self) -> Result<()> {
        wait::until(Duration::from_secs(60), "the plugin to be ready", || {
            Ok(get(self.admin, "/readyz").ok().filter(|(code, _)| *code == 200))
        })
        .with_context(|| self.process.log_tail())
        .map(drop)
    }

    /// The metrics page.
    pub(crate) fn metrics(&self) -> Result<String> {
        let (code, page) = get(self.admin, "/metrics").context("the plugin's /metrics")?;
        if code == 200 { Ok(page) } else { bail!("the plugin's /metrics answered {code}") }
    }

    /// Resident memory now, in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        resident(self.process.id())
    }
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    let file = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&file).with_context(|| file.clone())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).with_context(|| file.clone())?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().with_context(|| file.clone())?;
    Ok(kilobytes * 1024)
}

/// One GET on loopback.
fn get(port: u16, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no HTTP status")?;
    Ok((code, body.to_owned()))
}
