//! The plugin as a process of its own, and kube-apiserver's side of its socket.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use trousseau_kms_api::v2;
use trousseau_kms_api::v2::key_management_service_client::KeyManagementServiceClient;
use trousseau_record::EncryptedObject;

use tonic::transport::{Channel, Endpoint};

use crate::wire::keygen;

pub(super) struct Plugin {
    folder: TempDir,
    socket: PathBuf,
    process: Child,
    client: KeyManagementServiceClient<Channel>,
}

/// The longest wait for anything that the plugin should do at once.
const PATIENCE: Duration = Duration::from_secs(10);

impl Plugin {
    /// Makes a key and a configuration in a temporary folder and starts `serve` with them.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("trousseau-").context("can't make a temporary folder")?;
        let socket = folder.path().join("kms.sock");
        keygen(&folder.path().join("local.key"), false, None)?;
        fs::write(folder.path().join("config.yaml"), configuration(folder.path()))?;
        let log = File::create(folder.path().join("log"))?;
        let process = Command::new(std::env::current_exe().context("where is this program?")?)
            .args(["serve", "--config"])
            .arg(folder.path().join("config.yaml"))
            // It needs none of the shell's credentials, and its environment can be read in /proc.
            .env_remove("VAULT_TOKEN")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("can't start `trousseau serve`")?;
        let client = connect(&socket, folder.path()).await?;
        let mut plugin = Self { folder, socket, process, client };
        plugin.wait_for_another_key_id("").await?;
        Ok(plugin)
    }

    pub(super) fn configuration(&self) -> String {
        configuration(self.folder.path())
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(super) fn key_file(&self) -> PathBuf {
        self.folder.path().join("local.key")
    }

    pub(super) async fn status(&mut self) -> anyhow::Result<v2::StatusResponse> {
        Ok(self.client.status(v2::StatusRequest {}).await.context("Status")?.into_inner())
    }

    pub(super) async fn encrypt(&mut self, seed: &[u8]) -> anyhow::Result<v2::EncryptResponse> {
        let request = v2::EncryptRequest { plaintext: seed.to_vec(), uid: "demo-encrypt".into() };
        Ok(self.client.encrypt(request).await.context("Encrypt")?.into_inner())
    }

    pub(super) async fn decrypt(&mut self, record: &EncryptedObject) -> anyhow::Result<Vec<u8>> {
        let request = v2::DecryptRequest {
            ciphertext: record.encrypted_dek_source.clone(),
            uid: "demo-decrypt".into(),
            key_id: record.key_id.clone(),
            annotations: record.annotations.clone(),
        };
        Ok(self.client.decrypt(request).await.context("Decrypt")?.into_inner().plaintext)
    }

    /// Polls Status until it is good and names another key_id than this one.
    pub(super) async fn wait_for_another_key_id(&mut self, known: &str) -> anyhow::Result<String> {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.status().await {
                Ok(status) if status.healthz == "ok" && status.key_id != known => return Ok(status.key_id),
                last if Instant::now() >= end => bail!("the plugin announced no new key_id within 10 s: {last:?}"),
                _ => sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// SIGTERM, and a bounded wait for a good end.
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(pid) = self.process.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).context("SIGTERM")?;
        }
        let status = timeout(PATIENCE, self.process.wait()).await.context("the plugin did not stop within 10 s")??;
        if !status.success() {
            bail!("the plugin ended with {status}");
        }
        Ok(())
    }
}

/// Short times, so that the demo turns the key in a second.
fn configuration(folder: &Path) -> String {
    format!(
        "cluster: demo
socket: {{path: {0}/kms.sock}}
admin: off
health: {{grace: 2s}}
probe: {{interval: 250ms, promotionDelay: 500ms}}
keys:
  - name: demo
    local: {{file: {0}/local.key}}
",
        folder.display()
    )
}

async fn connect(socket: &Path, folder: &Path) -> anyhow::Result<KeyManagementServiceClient<Channel>> {
    let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display()))?.timeout(Duration::from_secs(3));
    let end = Instant::now() + PATIENCE;
    loop {
        match endpoint.connect().await {
            Ok(channel) => return Ok(KeyManagementServiceClient::new(channel)),
            Err(error) if Instant::now() >= end => {
                let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
                return Err(error).with_context(|| format!("the plugin's socket does not answer; its log:\n{log}"));
            }
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}
