//! A KMS plugin of another make.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use aws_lc_rs::rand;

use crate::artifact::Server;
use crate::process::Process;

const START: Duration = Duration::from_secs(30);

/// Which API it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "Kubernetes' names")]
pub enum KmsApi {
    V1,
    V2,
}

/// A small KMS plugin in Go (`modules/kms-plugin`) on the modules that plugin authors use: AES-256-GCM under keys in a
/// file. It knows nothing of Trousseau. Dropping it ends it.
#[derive(Debug)]
pub struct KmsPlugin {
    process: Process,
    api: KmsApi,
    folder: PathBuf,
}

impl KmsPlugin {
    /// Starts one with one key; `folder` is made, and holds its socket and its keys. Returns when it listens.
    pub fn start(folder: impl Into<PathBuf>, api: KmsApi) -> Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder).with_context(|| format!("folder {}", folder.display()))?;
        fs::write(folder.join("keys"), key()?).context("the plugin's keys")?;
        let process = spawn(&folder, api)?;
        Ok(Self { process, api, folder })
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("kms.sock")
    }

    /// Adds a key, which writes from now on.
    pub fn rotate(&self) -> Result<()> {
        let keys = fs::read_to_string(self.folder.join("keys")).context("the plugin's keys")?;
        self.keys(&(keys + &key()?))
    }

    /// Puts another key in the place of all.
    pub fn replace(&self) -> Result<()> {
        self.keys(&key()?)
    }

    /// What Status says of its health from now on; `None` = `ok`.
    pub fn healthz(&self, text: Option<&str>) -> Result<()> {
        self.file("healthz", text)
    }

    /// What every Encrypt and Decrypt fails with from now on: `CODE:text` with a number of a gRPC code, or a text that
    /// becomes UNKNOWN; `None` = nothing.
    pub fn fail(&self, text: Option<&str>) -> Result<()> {
        self.file("fail", text)
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill().map(drop)
    }

    /// Starts it again after [`kill`](Self::kill), with the same keys.
    pub fn start_again(&mut self) -> Result<()> {
        self.process = spawn(&self.folder, self.api)?;
        Ok(())
    }

    fn file(&self, name: &str, text: Option<&str>) -> Result<()> {
        let path = self.folder.join(name);
        match text {
            Some(text) => swap(&path, text),
            None if path.exists() => fs::remove_file(&path).with_context(|| format!("{}", path.display())),
            None => Ok(()),
        }
    }

    fn keys(&self, text: &str) -> Result<()> {
        swap(&self.folder.join("keys"), text)
    }
}

/// By rename: the plugin reads at each call.
fn swap(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text).and_then(|()| fs::rename(&new, path)).with_context(|| format!("{}", path.display()))
}

fn spawn(folder: &Path, api: KmsApi) -> Result<Process> {
    let socket = folder.join("kms.sock");
    let mut command = Command::new(Server::KmsPlugin.path()?);
    command.arg(if api == KmsApi::V1 { "v1" } else { "v2" }).arg(&socket).arg(folder);
    let mut process = Process::spawn("kms-plugin", &mut command, &folder.join("kms-plugin.log"))?;
    process.wait_until_serving(START, || UnixStream::connect(&socket).is_ok())?;
    Ok(process)
}

fn key() -> Result<String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).ok().context("no random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n")
}
