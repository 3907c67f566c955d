//! From the API server's own encryption (RKE2's and k3s's default) to the plugin: the pages' files on a real API server.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;
use trousseau_cluster::{ApiServer, ApiServerConfig, Etcd};
use trousseau_local::{KeygenOptions, keygen};

use crate::document::block;
use crate::plugin::Plugin;

#[test]
fn secrets_under_aescbc_stay_readable_and_move_to_the_plugin() {
    let folder = TempDir::with_prefix("trousseau-").unwrap();
    let dir = folder.path();
    let key = dir.join("key.yaml");
    keygen(&key, &KeygenOptions::default()).unwrap();
    let plugin = Plugin::start(dir, |dir, admin| {
        format!(
            "cluster: test\nsocket: {{path: {}/kms.sock}}\nadmin: 127.0.0.1:{admin}\nkeys:\n  - name: primary\n    local: {{file: {}}}\n",
            dir.display(),
            key.display()
        )
    });
    plugin.wait_ready();
    let page = block("docs/install/rke2.md", "encryption")
        .replace("/run/trousseau", dir.to_str().unwrap())
        .replace("copied from encryption-config.json", &STANDARD.encode([7; 32]));
    let kms = page.lines().find(|line| line.contains("- kms:")).unwrap();
    let before = page.replace(&format!("{kms}\n"), "");
    let etcd = Etcd::start(dir.join("etcd")).unwrap();
    let config = ApiServerConfig {
        etcd: etcd.endpoint(),
        encryption: Some(before),
        dir: dir.join("api"),
        ..ApiServerConfig::default()
    };
    let mut api = ApiServer::start(&config).unwrap();
    let path = "/registry/secrets/default/old";
    api.kubectl_text(&["create", "secret", "generic", "old", "--from-literal=password=hunter2"]).unwrap();
    assert!(etcd.get(path).unwrap().unwrap().starts_with(b"k8s:enc:aescbc:v1:aescbckey:"));

    api.set_encryption(&page).unwrap();
    api.restart().unwrap();
    let read =
        |api: &ApiServer| api.kubectl_text(&["get", "secret", "old", "-o", "jsonpath={.data.password}"]).unwrap();
    assert_eq!(read(&api), "aHVudGVyMg==");
    let secrets = api.kubectl_text(&["get", "secrets", "--all-namespaces", "-o", "json"]).unwrap();
    let file = dir.join("secrets.json");
    fs::write(&file, secrets).unwrap();
    api.kubectl_text(&["replace", "-f", file.to_str().unwrap()]).unwrap();
    assert!(etcd.get(path).unwrap().unwrap().starts_with(b"k8s:enc:kms:v2:trousseau:"));

    let alone: String = page
        .lines()
        .filter(|line| !line.contains("aescbc") && !line.contains("identity"))
        .map(|line| format!("{line}\n"))
        .collect();
    api.set_encryption(&alone).unwrap();
    api.restart().unwrap();
    assert_eq!(read(&api), "aHVudGVyMg==");
}
