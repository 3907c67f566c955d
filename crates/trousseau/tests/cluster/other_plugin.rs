//! Another KMS plugin, in Go and with no knowledge of Trousseau, as the KMS behind it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use trousseau_cluster::{ApiServer, Etcd, KmsApi, KmsPlugin, wait};
use trousseau_record::{EncryptedObject, Stored};

use crate::plugin::Plugin;
use crate::rig::{PROVIDER, api_server, secret_path};

const PATIENCE: Duration = Duration::from_secs(60);

fn configuration(dir: &Path, admin: u16, socket: &Path, api: &str) -> String {
    format!(
        "cluster: test
socket: {{path: {dir}/kms.sock}}
admin: 127.0.0.1:{admin}
health: {{grace: 5s}}
probe: {{interval: 1s, afterFailure: 1s, promotionDelay: 6s}}
keys:
  - name: behind
    plugin: {{socket: {socket}, api: {api}}}
",
        dir = dir.display(),
        socket = socket.display(),
    )
}

struct Rig {
    api: ApiServer,
    trousseau: Plugin,
    other: KmsPlugin,
    etcd: Etcd,
    _dir: TempDir,
}

impl Rig {
    fn start(api: KmsApi) -> Self {
        let dir = TempDir::with_prefix("trousseau-").unwrap();
        let etcd = Etcd::start(dir.path().join("etcd")).unwrap();
        let other = KmsPlugin::start(dir.path().join("other"), api).unwrap();
        let name = if api == KmsApi::V1 { "v1" } else { "v2" };
        let trousseau = Plugin::start(dir.path(), |dir, admin| configuration(dir, admin, &other.socket(), name));
        trousseau.wait_ready();
        let api = ApiServer::start(&api_server(dir.path(), &etcd, &trousseau.socket())).unwrap();
        Self { api, trousseau, other, etcd, _dir: dir }
    }

    fn create(&self, name: &str) {
        self.api.kubectl_text(&["create", "secret", "generic", name, "--from-literal=password=hunter2"]).unwrap();
    }

    fn is_readable(&self, name: &str) -> bool {
        let encoded = self.api.kubectl_text(&["get", "secret", name, "-o", "jsonpath={.data.password}"]);
        encoded.is_ok_and(|text| text.trim() == "aHVudGVyMg==")
    }

    fn record(&self, name: &str) -> EncryptedObject {
        let value = self.etcd.get(&secret_path(name)).unwrap().expect("the Secret is in etcd");
        assert!(!value.windows(7).any(|window| window == b"hunter2"));
        match Stored::parse(&value) {
            Stored::KmsV2 { provider, object } if provider == PROVIDER => object,
            other => panic!("Secret {name} lies in etcd as {other:?}"),
        }
    }

    fn wait_key_id_other_than(&self, before: &str) -> String {
        wait::until(PATIENCE, "another key_id", || {
            let status = self.trousseau.client().status()?;
            Ok((status.key_id != before).then_some(status.key_id))
        })
        .unwrap()
    }
}

#[test]
fn secrets_are_encrypted_by_another_plugin_of_kms_v2_through_rotation_outage_and_restart() {
    let mut rig = Rig::start(KmsApi::V2);
    rig.create("first");
    let before = rig.record("first");
    assert!(before.encrypted_dek_source.starts_with(&[0xFE, 0x54, 0x01, 1, 7]), "our header, with AAD, kind plugin");
    rig.other.rotate().unwrap();
    let now = rig.wait_key_id_other_than(&before.key_id);
    wait::until(PATIENCE, "a Secret under the new key", || {
        let _ = rig.api.kubectl(&["delete", "secret", "second", "--ignore-not-found"])?;
        rig.create("second");
        Ok((rig.record("second").key_id == now).then_some(()))
    })
    .unwrap();
    rig.other.kill().unwrap();
    rig.trousseau.wait_page("/readyz", 503, PATIENCE);
    let status = rig.trousseau.client().status().unwrap();
    assert!(status.healthz != "ok" && status.key_id == now, "an outage is no lost key: {status:?}");
    rig.other.start_again().unwrap();
    rig.trousseau.wait_ready();
    rig.api.restart().unwrap();
    assert!(rig.is_readable("first") && rig.is_readable("second"), "{}", rig.trousseau.log());
}

#[test]
fn secrets_are_encrypted_by_another_plugin_of_kms_v1() {
    let mut rig = Rig::start(KmsApi::V1);
    rig.create("first");
    assert!(rig.record("first").encrypted_dek_source.starts_with(&[0xFE, 0x54, 0x01, 1, 7, 0, 0, 0, 1]));
    rig.other.rotate().unwrap();
    rig.api.restart().unwrap();
    assert!(rig.is_readable("first"), "the other plugin reads under its older key: {}", rig.trousseau.log());
    assert!(rig.trousseau.log().contains("plugin-v1"), "{}", rig.trousseau.log());
}

/// `bench` drives any plugin: this one is in Go, on grpc-go and k8s.io/kms.
#[test]
fn bench_makes_every_call_of_both_apis_on_a_plugin_in_go() {
    for (api, flag) in [(KmsApi::V1, "v1"), (KmsApi::V2, "v2")] {
        let dir = TempDir::with_prefix("trousseau-").unwrap();
        let other = KmsPlugin::start(dir.path(), api).unwrap();
        let socket = other.socket().display().to_string();
        for call in ["encrypt", "decrypt", "status"] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_trousseau"));
            command.args(["bench", "--socket", &socket, "--api", flag, "--call", call, "--calls", "500"]);
            let output = command.args(["-c", "8", "--output", "json"]).output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr);
            let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect(&error);
            assert_eq!((&report["calls"], &report["failed"]), (&500.into(), &0.into()), "{api:?} {report}\n{error}");
        }
    }
}

/// The key behind the plugin is another one suddenly: nothing is encrypted any more, and it is said.
#[test]
fn a_key_that_is_replaced_behind_another_plugin_stops_encryption() {
    let rig = Rig::start(KmsApi::V1);
    rig.create("first");
    rig.other.replace().unwrap();
    let stopped = wait::until(PATIENCE, "Status c", || Ok(rig.trousseau.client().status().err()));
    let error = stopped.unwrap();
    assert_eq!(error.code(), tonic::Code::FailedPrecondition, "{error:?}");
    assert!(rig.trousseau.client().encrypt(&[7; 32]).is_err());
}
