//! Old and new API servers, KMS v1 and v2, over one file socket (I11).

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use trousseau_cluster::{ApiServer, ApiServerConfig, Etcd, Release, Server, Vault};
use trousseau_record::Stored;

use crate::plugin::Plugin;
use crate::rig::{configuration, secret_path, vault};

/// What stands in one EncryptionConfiguration, first to last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Provider {
    V1,
    V2,
}

/// One control plane of a release.
struct Plane {
    api: ApiServer,
    plugin: Plugin,
    _vault: Vault,
    etcd: Etcd,
    _dir: TempDir,
}

fn encryption(plugin: &Plugin, providers: &[Provider]) -> String {
    let mut text = String::from(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n  - resources: [secrets]\n    providers:\n",
    );
    let socket = plugin.socket().display().to_string();
    for provider in providers {
        let line = match provider {
            Provider::V1 => {
                format!("      - kms: {{apiVersion: v1, name: old, endpoint: 'unix://{socket}', cachesize: 10}}\n")
            }
            Provider::V2 => format!("      - kms: {{apiVersion: v2, name: new, endpoint: 'unix://{socket}'}}\n"),
        };
        text.push_str(&line);
    }
    text + "      - identity: {}\n"
}

impl Plane {
    /// `more` goes into the plugin's configuration.
    fn start(release: Release, providers: &[Provider], more: &str) -> Self {
        let mut plane = Self::spawn(release, providers, more);
        plane.api.wait_ready(Duration::from_secs(120)).unwrap();
        plane
    }

    fn spawn(release: Release, providers: &[Provider], more: &str) -> Self {
        let dir = TempDir::with_prefix("trousseau-").unwrap();
        let etcd = Etcd::start(dir.path().join("etcd")).unwrap();
        let vault = vault(dir.path());
        let plugin = Plugin::start(dir.path(), |dir, admin| configuration(dir, admin, &vault.address()) + more);
        plugin.wait_ready();
        // Off by default since 1.29.
        let gate = release == Release::Newest && providers.contains(&Provider::V1);
        let config = ApiServerConfig {
            etcd: etcd.endpoint(),
            encryption: Some(encryption(&plugin, providers)),
            feature_gates: if gate { vec!["KMSv1=true".into()] } else { Vec::new() },
            dir: dir.path().join("api"),
            release,
            ..ApiServerConfig::default()
        };
        Self { api: ApiServer::spawn(&config).unwrap(), plugin, _vault: vault, etcd, _dir: dir }
    }

    /// Creates Secrets `NAME-0..count`, whose value is their number, in one call of kubectl.
    fn create(&self, name: &str, count: usize) {
        let mut list = String::new();
        for number in 0..count {
            write!(
                list,
                "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}-{number}}}\nstringData: {{password: '{number}'}}\n"
            )
            .unwrap();
        }
        let output = self.api.kubectl_stdin(&["create", "-f", "-"], &list).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// All of them, with their values.
    fn assert_readable(&self, name: &str, count: usize) {
        use base64::Engine as _;
        let format = "jsonpath={range .items[*]}{.metadata.name} {.data.password}{\"\\n\"}{end}";
        let text = self.api.kubectl_text(&["get", "secrets", "-o", format]).unwrap();
        let mut found = 0;
        for line in text.lines() {
            let (listed, value) = line.split_once(' ').unwrap();
            let Some(number) = listed.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')) else { continue };
            let value = base64::engine::general_purpose::STANDARD.decode(value).unwrap();
            assert_eq!(String::from_utf8_lossy(&value), number, "{listed}");
            found += 1;
        }
        assert_eq!(found, count, "Secrets {name}-*");
    }

    fn stored(&self, name: &str) -> Vec<u8> {
        self.etcd.get(&secret_path(name)).unwrap().expect("it is in etcd")
    }

    fn calls(&self, api: &str, operation: &str) -> f64 {
        self.plugin.metric(&format!("trousseau_rpcs_total{{api=\"{api}\",operation=\"{operation}\",code=\"OK\"}}"))
    }

    fn restart_with(&mut self, providers: &[Provider]) {
        self.api.set_encryption(&encryption(&self.plugin, providers)).unwrap();
        self.api.restart().unwrap();
    }

    /// What a storage migration does: every Secret is written again as it is.
    fn rewrite(&self) {
        let all = self.api.kubectl_text(&["get", "secrets", "-o", "json"]).unwrap();
        let output = self.api.kubectl_stdin(&["replace", "-f", "-"], &all).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// How many Secrets lie in etcd as KMS v1 and as v2.
    fn forms(&self) -> (usize, usize) {
        let values: Vec<Vec<u8>> =
            self.etcd.range("/registry/secrets/").unwrap().into_iter().map(|(_, value)| value).collect();
        let count = |prefix: &[u8]| values.iter().filter(|value| value.starts_with(prefix)).count();
        (count(b"k8s:enc:kms:v1:old:"), count(b"k8s:enc:kms:v2:new:"))
    }
}

/// 500 Secrets under KMS v1, a cache for 10, and a restart: one Decrypt for each.
fn five_hundred(release: Release) {
    let mut plane = Plane::start(release, &[Provider::V1], "");
    plane.create("v1", 500);
    assert!(plane.calls("v1", "Encrypt") >= 500.0, "one for each write");
    let value = plane.stored("v1-0");
    let stored = Stored::parse(&value);
    let (cipher, _) = stored.kms_v1("old").expect("a KMS v1 record");
    assert!(cipher.starts_with(&[0xFE, 0x54, 1]), "the ciphertext describes itself");
    plane.assert_readable("v1", 500);
    let before = plane.calls("v1", "Decrypt");
    plane.api.restart().unwrap();
    plane.assert_readable("v1", 500);
    assert!(plane.calls("v1", "Decrypt") - before >= 500.0, "the API server's cache was empty");
}

#[test]
fn test_kms_provider_v1_by_1_28_with_500_secrets_and_a_restart() {
    five_hundred(Release::V1_28);
}

#[test]
fn test_kms_provider_v1_by_the_newest_with_500_secrets_and_a_restart() {
    five_hundred(Release::Newest);
}

/// 1.28 sends the raw path as `:authority`, and takes `v2beta1` alone.
#[test]
fn test_kms_v2_provider_by_1_28_and_a_restart() {
    let mut plane = Plane::start(Release::V1_28, &[Provider::V2], "");
    plane.create("v2", 50);
    assert!(plane.stored("v2-0").starts_with(b"k8s:enc:kms:v2:new:"));
    plane.api.restart().unwrap();
    plane.assert_readable("v2", 50);
    assert!(plane.calls("v2", "Decrypt") >= 1.0);
}

/// Why `v2beta1` is the default.
#[test]
fn test_kms_v2_provider_by_1_28_refuses_status_version_v2() {
    let mut plane = Plane::spawn(Release::V1_28, &[Provider::V2], "statusVersion: v2\n");
    let waited = plane.api.wait_ready(Duration::from_secs(25));
    let error = format!("{:#}", waited.expect_err("1.28 takes v2beta1 only"));
    assert!(error.contains("kms-providers failed"), "{error}");
}

/// One cluster, one Trousseau, one socket: v1, then both, then v2 alone.
fn v1_to_v2(release: Release) {
    let mut plane = Plane::start(release, &[Provider::V1], "");
    plane.create("moved", 40);
    plane.restart_with(&[Provider::V2, Provider::V1]);
    plane.create("new", 10);
    assert_eq!(plane.forms(), (40, 10), "old ones stay until they are written");
    plane.assert_readable("moved", 40);
    plane.rewrite();
    assert_eq!(plane.forms(), (0, 50), "none is left under v1");
    plane.restart_with(&[Provider::V2]);
    plane.assert_readable("moved", 40);
    plane.assert_readable("new", 10);
}

#[test]
fn i11_kms_v1_to_v2_on_one_cluster_of_1_28() {
    v1_to_v2(Release::V1_28);
}

#[test]
fn i11_kms_v1_to_v2_on_one_cluster_of_the_newest() {
    v1_to_v2(Release::Newest);
}

/// Kubernetes 1.29 to 1.31 send the percent-encoded path; a client on their grpc-go, over paths of all kinds.
#[test]
fn i11_a_client_on_grpc_go_1_58_over_odd_paths() {
    let client = Server::GrpcClient158.path().unwrap();
    let vault_dir = TempDir::with_prefix("trousseau-").unwrap();
    let vault = vault(vault_dir.path());
    for folder in ["plain", "cl\u{e9} {1}~$", "kms@localhost", "a%2Fb"] {
        let dir = vault_dir.path().join(folder);
        let plugin = Plugin::start(&dir, |dir, admin| {
            let token = format!("file: {}/token", vault_dir.path().display());
            let text = configuration(dir, admin, &vault.address());
            text.replace(&format!("file: {}/token", dir.display()), &token)
                .replace(&format!("path: {}/kms.sock", dir.display()), &format!("path: '{}/kms.sock'", dir.display()))
        });
        plugin.wait_ready();
        for api in ["v1", "v2"] {
            let output = Command::new(&client)
                .args([api, &format!("unix://{}", plugin.socket().display()), "20"])
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{folder} {api}: {errors}");
            assert_eq!(text.trim(), "grpc-go 1.58.3: 20 round trips", "{folder} {api}");
        }
    }
}
