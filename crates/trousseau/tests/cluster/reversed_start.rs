//! Proof 3: the plugin first, with no Vault; then Vault; then all is well.

use std::time::Duration;

use tempfile::TempDir;
use tonic::Code;
use trousseau_cluster::{ApiServer, Etcd};

use crate::plugin::Plugin;
use crate::rig::{api_server, configuration, vault};

#[test]
fn i6_the_socket_answers_before_there_is_a_vault() {
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let etcd = Etcd::start(dir.path().join("etcd")).unwrap();
    let mut vault = vault(dir.path());
    vault.stop().unwrap();

    let plugin = Plugin::start(dir.path(), |dir, admin| configuration(dir, admin, &vault.address()));
    plugin.wait_page("/livez", 200, Duration::from_secs(5));
    let mut client = plugin.client();
    let status = client.status().unwrap_err();
    assert_ne!(status.code(), Code::Ok, "answer c");
    assert_eq!(client.encrypt(&[7; 32]).unwrap_err().code(), Code::FailedPrecondition);
    assert_eq!(plugin.page("/readyz").0, 503);

    let mut api = ApiServer::spawn(&api_server(dir.path(), &etcd, &plugin.socket())).unwrap();
    assert!(api.wait_ready(Duration::from_secs(15)).is_err(), "not ready without a key");
    assert_eq!(plugin.page("/livez").0, 200, "i7: liveness asks nothing of the KMS");

    vault.restart().unwrap();
    vault.unseal().unwrap();
    plugin.wait_ready();
    api.wait_ready(Duration::from_secs(120)).unwrap();
    api.kubectl_text(&["create", "secret", "generic", "late", "--from-literal=password=x"]).unwrap();
    assert_eq!(api.kubectl_text(&["get", "secret", "late", "-o", "name"]).unwrap().trim(), "secret/late");
}
