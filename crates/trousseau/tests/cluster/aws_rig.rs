//! A whole control plane on an emulator of AWS KMS: etcd, the emulator, the plugin, kube-apiserver.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use trousseau_cluster::{ApiServer, AwsKms, Emulator, Etcd};
use trousseau_record::{EncryptedObject, Stored};

use crate::plugin::Plugin;
use crate::rig::{PROVIDER, api_server, secret_path};

pub(crate) struct AwsRig {
    pub(crate) api: ApiServer,
    pub(crate) plugin: Plugin,
    pub(crate) kms: AwsKms,
    pub(crate) arn: String,
    etcd: Etcd,
    _dir: TempDir,
}

fn configuration(dir: &Path, admin: u16, kms: &str, arn: &str) -> String {
    format!(
        "cluster: test
socket: {{path: {dir}/kms.sock}}
admin: 127.0.0.1:{admin}
health: {{grace: 5s}}
probe: {{interval: 1s, afterFailure: 1s, promotionDelay: 6s}}
keys:
  - name: primary
    awsKms:
      key: {arn}
      endpoint: '{kms}'
      allowHttp: true
      credentialsFile: {dir}/credentials
      encryptionContext: {{team: platform}}
",
        dir = dir.display(),
    )
}

impl AwsRig {
    /// All of it, ready.
    pub(crate) fn start(emulator: Emulator) -> Self {
        let dir = TempDir::with_prefix("trousseau-").unwrap();
        let etcd = Etcd::start(dir.path().join("etcd")).unwrap();
        let kms = AwsKms::start(emulator, dir.path().join("kms")).unwrap();
        let arn = kms.create_key("eu-west-1", false).unwrap();
        let text = "[default]\naws_access_key_id = AKIATEST\naws_secret_access_key = secret\n";
        fs::write(dir.path().join("credentials"), text).unwrap();
        let plugin = Plugin::start(dir.path(), |dir, admin| configuration(dir, admin, &kms.url(), &arn));
        plugin.wait_ready();
        let api = ApiServer::start(&api_server(dir.path(), &etcd, &plugin.socket())).unwrap();
        Self { api, plugin, kms, arn, etcd, _dir: dir }
    }

    pub(crate) fn create(&self, name: &str) -> bool {
        let output = self.api.kubectl(&["create", "secret", "generic", name, "--from-literal=password=hunter2"]);
        output.unwrap().status.success()
    }

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

    pub(crate) fn key_id(&self) -> String {
        self.plugin.client().status().expect("Status answers").key_id
    }
}
