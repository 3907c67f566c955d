//! A whole control plane: etcd, Vault with a transit key, the plugin, kube-apiserver.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use trousseau_cluster::{ApiServer, ApiServerConfig, Etcd, Vault, wait};
use trousseau_record::{EncryptedObject, Stored};

use crate::plugin::Plugin;

pub(crate) const KEY: &str = "kubernetes";
pub(crate) const PROVIDER: &str = "trousseau";

/// What `identity: metadata` needs.
const POLICY: &str = r#"
path "transit/encrypt/kubernetes" { capabilities = ["update"] }
path "transit/decrypt/kubernetes" { capabilities = ["update"] }
path "transit/keys/kubernetes" { capabilities = ["read"] }
"#;

// Dropped in this order: whoever needs another goes first.
pub(crate) struct Rig {
    pub(crate) api: ApiServer,
    pub(crate) plugin: Plugin,
    pub(crate) vault: Vault,
    pub(crate) etcd: Etcd,
    _dir: TempDir,
}

/// Times short enough for a test: outages show after 5 s, a rotation after 6 s.
pub(crate) fn configuration(dir: &Path, admin: u16, vault: &str) -> String {
    format!(
        "cluster: test
socket: {{path: {dir}/kms.sock}}
admin: 127.0.0.1:{admin}
health: {{grace: 5s}}
probe: {{interval: 1s, afterFailure: 1s, promotionDelay: 6s}}
keys:
  - name: primary
    vault:
      address: {vault}
      allowHttp: true
      transit: {{key: {KEY}}}
      auth: {{token: {{file: {dir}/token}}}}
",
        dir = dir.display(),
    )
}

/// For kube-apiserver: Secrets and ConfigMaps by the plugin, identity only to read.
pub(crate) fn encryption(socket: &Path) -> String {
    format!(
        "apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets, configmaps]
    providers:
      - kms: {{apiVersion: v2, name: {PROVIDER}, endpoint: 'unix://{}', timeout: 3s}}
      - identity: {{}}
",
        socket.display()
    )
}

/// Vault with the key, and a token for the plugin in `dir/token`.
pub(crate) fn vault(dir: &Path) -> Vault {
    let vault = Vault::start(dir.join("vault")).unwrap();
    vault.enable_transit("transit").unwrap();
    vault.create_key("transit", KEY, "aes256-gcm96").unwrap();
    vault.policy("trousseau", POLICY).unwrap();
    new_token(&vault, dir);
    vault
}

/// A fresh token for the plugin, by rename.
pub(crate) fn new_token(vault: &Vault, dir: &Path) -> String {
    let token = vault.token(&["trousseau"], "1h", true).unwrap();
    fs::write(dir.join("token.new"), &token).unwrap();
    fs::rename(dir.join("token.new"), dir.join("token")).unwrap();
    token
}

pub(crate) fn api_server(dir: &Path, etcd: &Etcd, socket: &Path) -> ApiServerConfig {
    ApiServerConfig {
        etcd: etcd.endpoint(),
        encryption: Some(encryption(socket)),
        dir: dir.join("api"),
        ..ApiServerConfig::default()
    }
}

impl Rig {
    /// All of it, ready.
    pub(crate) fn start() -> Self {
        Self::start_configured(configuration)
    }

    pub(crate) fn start_configured(configuration: impl FnOnce(&Path, u16, &str) -> String) -> Self {
        let dir = TempDir::with_prefix("trousseau-").unwrap();
        let etcd = Etcd::start(dir.path().join("etcd")).unwrap();
        let vault = vault(dir.path());
        let plugin = Plugin::start(dir.path(), |dir, admin| configuration(dir, admin, &vault.address()));
        plugin.wait_ready();
        let api = ApiServer::start(&api_server(dir.path(), &etcd, &plugin.socket())).unwrap();
        Self { api, plugin, vault, etcd, _dir: dir }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.plugin.dir.clone()
    }

    pub(crate) fn create_secret(&self, name: &str, value: &str) -> Result<(), String> {
        let literal = format!("--from-literal=password={value}");
        let output = self.api.kubectl(&["create", "secret", "generic", name, &literal]).unwrap();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    /// The Secret's password through the API server.
    pub(crate) fn read_secret(&self, name: &str) -> Result<String, String> {
        use base64::Engine as _;
        let output = self.api.kubectl(&["get", "secret", name, "-o", "jsonpath={.data.password}"]).unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let value =
            base64::engine::general_purpose::STANDARD.decode(output.stdout).map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&value).into_owned())
    }

    /// Writes the object again as it is: what a storage migration does.
    pub(crate) fn rewrite_secret(&self, name: &str) -> Result<(), String> {
        let object =
            self.api.kubectl_text(&["get", "secret", name, "-o", "json"]).map_err(|error| error.to_string())?;
        let output = self.api.kubectl_stdin(&["replace", "-f", "-"], &object).unwrap();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    /// The Secret's record in etcd; it must be one of ours.
    pub(crate) fn record(&self, name: &str) -> EncryptedObject {
        let value = self.etcd.get(&secret_path(name)).unwrap().expect("the Secret is in etcd");
        match Stored::parse(&value) {
            Stored::KmsV2 { provider, object } if provider == PROVIDER => object,
            other => panic!("Secret {name} lies in etcd as {other:?}"),
        }
    }

    /// The key_id that Status announces.
    pub(crate) fn key_id(&self) -> String {
        self.plugin.client().status().expect("Status answers").key_id
    }

    /// Polls the API server's readyz, as kubelet does; true if it is ready.
    pub(crate) fn api_ready(&self) -> bool {
        self.api.readyz().unwrap().ready
    }

    /// Polls readyz until it is as wanted.
    pub(crate) fn wait_api(&self, ready: bool, timeout: Duration) {
        let mut last = String::new();
        let waited = wait::until(timeout, "readyz", || {
            let readyz = self.api.readyz()?;
            last = readyz.text;
            Ok((readyz.ready == ready).then_some(()))
        });
        assert!(waited.is_ok(), "readyz did not become {ready}; last:\n{last}\nplugin's log:\n{}", self.plugin.log());
    }

    /// Tries a write under fresh names until one succeeds; how long that took.
    pub(crate) fn wait_for_a_write(&self, prefix: &str, timeout: Duration) -> Duration {
        let began = Instant::now();
        let mut last = Ok(());
        for attempt in 0.. {
            last = self.create_secret(&format!("{prefix}-{attempt}"), "x");
            if last.is_ok() || began.elapsed() > timeout {
                break;
            }
        }
        assert!(last.is_ok(), "no write within {timeout:?}: {last:?}\nplugin's log:\n{}", self.plugin.log());
        began.elapsed()
    }
}

pub(crate) fn secret_path(name: &str) -> String {
    format!("/registry/secrets/default/{name}")
}
