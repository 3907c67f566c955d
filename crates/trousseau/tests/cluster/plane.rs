//! A whole control plane on any KMS: etcd, the plugin with the keys that a test names, kube-apiserver.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use trousseau_cluster::{ApiServer, AwsKms, Etcd, wait};
use trousseau_record::{EncryptedObject, Stored};

use crate::plugin::Plugin;
use crate::rig::{PROVIDER, api_server, secret_path};

/// Its Secrets all have the password `hunter2`.
pub(crate) struct Plane {
    pub(crate) api: ApiServer,
    pub(crate) plugin: Plugin,
    pub(crate) etcd: Etcd,
    pub(crate) dir: TempDir,
    admin: u16,
}

fn configuration(dir: &Path, admin: u16, keys: &[&str]) -> String {
    let keys: String = keys.iter().map(|key| format!("  - {key}\n")).collect();
    format!(
        "cluster: test
socket: {{path: {dir}/kms.sock}}
admin: 127.0.0.1:{admin}
health: {{grace: 6s}}
probe: {{interval: 1s, afterFailure: 1s, promotionDelay: 6s}}
keys:
{keys}",
        dir = dir.display(),
    )
}

/// A key in AWS KMS, for a configuration; its credentials are written into the folder.
pub(crate) fn in_aws(name: &str, kms: &AwsKms, arn: &str, dir: &Path) -> String {
    let file = dir.join("credentials");
    fs::write(&file, "[default]\naws_access_key_id = AKIATEST\naws_secret_access_key = secret\n").unwrap();
    let (endpoint, file) = (kms.url(), file.display());
    format!(
        "{{name: {name}, awsKms: {{key: '{arn}', endpoint: '{endpoint}', allowHttp: true, credentialsFile: {file}, \
         encryptionContext: {{team: platform}}}}}}"
    )
}

impl Plane {
    /// All of it, ready. Each key is one element of `keys`, in YAML's flow style.
    pub(crate) fn start(dir: TempDir, keys: &[&str]) -> Self {
        let etcd = Etcd::start(dir.path().join("etcd")).unwrap();
        let mut port = 0;
        let plugin = Plugin::start(dir.path(), |dir, admin| {
            port = admin;
            configuration(dir, admin, keys)
        });
        plugin.wait_ready();
        let api = ApiServer::start(&api_server(dir.path(), &etcd, &plugin.socket())).unwrap();
        Self { api, plugin, etcd, dir, admin: port }
    }

    /// Other keys by a new file, which must be taken.
    pub(crate) fn reconfigure(&self, keys: &[&str]) {
        let applied = "trousseau_config_reloads_total{outcome=\"applied\"}";
        let before = self.plugin.metric(applied);
        fs::write(self.dir.path().join("new"), configuration(self.dir.path(), self.admin, keys)).unwrap();
        fs::rename(self.dir.path().join("new"), self.dir.path().join("config.yaml")).unwrap();
        let waited = wait::until(Duration::from_secs(30), "the new configuration in use", || {
            Ok((self.plugin.metric(applied) > before).then_some(()))
        });
        assert!(waited.is_ok(), "it was not taken:\n{}", self.plugin.log());
    }

    pub(crate) fn create(&self, name: &str) -> bool {
        let output = self.api.kubectl(&["create", "secret", "generic", name, "--from-literal=password=hunter2"]);
        output.unwrap().status.success()
    }

    /// Through the API server.
    pub(crate) fn is_readable(&self, name: &str) -> bool {
        let encoded = self.api.kubectl_text(&["get", "secret", name, "-o", "jsonpath={.data.password}"]);
        encoded.is_ok_and(|text| text.trim() == "aHVudGVyMg==")
    }

    /// The Secret's record in etcd; it must be one of ours.
    pub(crate) fn record(&self, name: &str) -> EncryptedObject {
        let value = self.etcd.get(&secret_path(name)).unwrap().expect("the Secret is in etcd");
        assert!(!value.windows(7).any(|window| window == b"hunter2"), "it lies there in clear");
        match Stored::parse(&value) {
            Stored::KmsV2 { provider, object } if provider == PROVIDER => object,
            other => panic!("Secret {name} lies in etcd as {other:?}"),
        }
    }

    /// The plugin opens the record, as it would for an API server that has just started.
    pub(crate) fn opens(&self, name: &str) -> Result<(), String> {
        let opened = self.plugin.client().decrypt(&self.record(name)).map_err(|status| status.to_string())?;
        if opened.len() == 32 { Ok(()) } else { Err(format!("{} bytes", opened.len())) }
    }

    pub(crate) fn key_id(&self) -> String {
        self.plugin.client().status().expect("Status answers").key_id
    }

    /// Status's key_id once it is another than this one.
    pub(crate) fn wait_another_key_id(&self, than: &str) -> String {
        wait::until(Duration::from_secs(60), "another key_id", || {
            let id = self.key_id();
            Ok((id != than).then_some(id))
        })
        .unwrap_or_else(|error| panic!("{error}; log:\n{}", self.plugin.log()))
    }

    /// Rewrites all Secrets, as a storage migration does, until each one in etcd is under this key_id.
    pub(crate) fn rewrite_all_under(&self, key_id: &str) {
        wait::until(Duration::from_secs(120), "every Secret under the new key_id", || {
            self.api.readyz()?;
            let all = self.api.kubectl_text(&["get", "secrets", "-A", "-o", "json"])?;
            self.api.kubectl_stdin(&["replace", "-f", "-"], &all)?;
            let stored = self.etcd.range("/registry/secrets/")?;
            let under =
                |value: &[u8]| matches!(Stored::parse(value), Stored::KmsV2 { object, .. } if object.key_id == key_id);
            Ok((!stored.is_empty() && stored.iter().all(|(_, value)| under(value))).then_some(()))
        })
        .unwrap_or_else(|error| panic!("{error}; log:\n{}", self.plugin.log()));
    }
}
