//! Vault Agent: logs in by AppRole and keeps a file rendered from a template.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use crate::artifact::Server;
use crate::process::{Process, folder, without_variables};
use crate::vault::AppRole;

/// The template by which users of the Go Trousseau get their configuration from Vault, byte for byte. It reads
/// `transitkeyname`, `vaultaddress` and `vaulttoken` from `secret/data/trousseau/config`.
pub const SEEDS_TEMPLATE: &str = concat!(
    "{{- with secret \"secret/data/trousseau/config\" }}\n",
    "--- \n",
    "provider: vault\n",
    "vault:\n",
    " keynames:\n",
    " - {{ .Data.data.transitkeyname }} \n",
    " address: {{ .Data.data.vaultaddress }} \n",
    " token: {{ .Data.data.vaulttoken }} \n",
    "{{ end }} \n",
);

/// A running Vault Agent. Dropping it ends the process; its folder and the rendered file stay.
#[derive(Debug)]
pub struct VaultAgent {
    process: Process,
    destination: PathBuf,
}

impl VaultAgent {
    /// Starts it with configuration and log in `dir`, without waiting for the first rendering.
    ///
    /// `destination` is replaced by rename, within about 5 s of a change in Vault. Policies of `role` must allow what
    /// `template` reads.
    pub fn start(
        address: &str,
        role: &AppRole,
        template: &str,
        destination: impl AsRef<Path>,
        dir: impl AsRef<Path>,
    ) -> Result<Self> {
        let (dir, destination) = (folder(dir.as_ref())?, destination.as_ref().to_owned());
        let write = |name: &str, text: &str| {
            let path = dir.join(name);
            fs::write(&path, text).with_context(|| format!("vault agent: write {}", path.display())).map(|()| path)
        };
        let settings = json!({
            "vault": {"address": address},
            "auto_auth": {"method": [{"type": "approle", "config": {
                "role_id_file_path": write("role-id", &role.role_id)?,
                "secret_id_file_path": write("secret-id", &role.secret_id)?,
                "remove_secret_id_file_after_reading": false,
            }}]},
            "template_config": {"static_secret_render_interval": "2s"},
            "template": [{"source": write("template.ctmpl", template)?, "destination": destination}],
        });
        let file = write("agent.json", &settings.to_string())?;
        let mut command = Command::new(Server::Vault.path()?);
        without_variables(&mut command, "VAULT_").arg("agent").arg("-config").arg(&file);
        let process = Process::spawn("vault agent", &mut command, &dir.join("agent.log"))?;
        Ok(Self { process, destination })
    }

    /// Waits until the rendered file satisfies `wanted`, and answers its text. The error contains the log's tail.
    pub fn wait_rendered(&mut self, timeout: Duration, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let mut text = String::new();
        self.process.wait_until_serving(timeout, || {
            text = fs::read_to_string(&self.destination).unwrap_or_default();
            wanted(&text)
        })?;
        Ok(text)
    }

    /// The log file.
    pub fn log(&self) -> &Path {
        self.process.log()
    }

    /// Ends the process; the rendered file stays as it is.
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop().map(drop)
    }
}
