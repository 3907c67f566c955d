//! KMS v1 from a real API server: the same socket, its path as `:authority`, no key_id.

use tempfile::TempDir;
use trousseau_cluster::{ApiServer, ApiServerConfig, Etcd};
use trousseau_record::Stored;

use crate::plugin::Plugin;
use crate::rig::{configuration, secret_path, vault};

#[test]
fn i11_kms_v1_over_a_file_socket_survives_a_restart() {
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let etcd = Etcd::start(dir.path().join("etcd")).unwrap();
    let vault = vault(dir.path());
    let plugin = Plugin::start(dir.path(), |dir, admin| configuration(dir, admin, &vault.address()));
    plugin.wait_ready();
    let encryption = format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n  - resources: [secrets]\n    providers:\n      - kms: {{apiVersion: v1, name: old, endpoint: 'unix://{}', cachesize: 10}}\n      - identity: {{}}\n",
        plugin.socket().display()
    );
    let config = ApiServerConfig {
        etcd: etcd.endpoint(),
        encryption: Some(encryption),
        feature_gates: vec!["KMSv1=true".into()],
        dir: dir.path().join("api"),
        ..ApiServerConfig::default()
    };
    let mut api = ApiServer::start(&config).unwrap();
    for number in 0..20 {
        let name = format!("v1-{number}");
        api.kubectl_text(&["create", "secret", "generic", &name, &format!("--from-literal=password={number}")])
            .unwrap();
    }
    let stored = Stored::parse(&etcd.get(&secret_path("v1-0")).unwrap().expect("it is in etcd"));
    let (cipher, _) = stored.kms_v1("old").expect("a KMS v1 record");
    assert!(cipher.starts_with(&[0xFE, 0x54, 1]), "the ciphertext describes itself");

    api.restart().unwrap();
    let listed = api.kubectl_text(&["get", "secrets", "-o", "jsonpath={.items[*].metadata.name}"]).unwrap();
    assert_eq!(listed.split_whitespace().count(), 20, "more than its cache holds: {listed}");
    assert!(plugin.metric("trousseau_rpcs_total{api=\"v1\",operation=\"Decrypt\",code=\"OK\"}") >= 20.0);
}
