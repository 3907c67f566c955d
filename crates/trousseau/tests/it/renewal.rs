//! Files that are renewed while the KMS can't be asked.

use std::fs;

use tempfile::TempDir;
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::https::{Front, ScriptedServer};

use crate::honest_vault::honest;
use crate::process::{Client, Serve, wait_for};

/// Nobody sends a signal: the plugin would stay dead on every node though all is right.
#[test]
fn i6_a_ca_that_comes_after_the_servers_new_certificate_is_taken_without_a_restart() {
    let (ca, before) = (TestCa::new(), TestCa::new());
    let vault = ScriptedServer::start(Front::tls(&ca.server(&["127.0.0.1"])), honest);
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let (trust, token) = (dir.path().join("ca.pem"), dir.path().join("token"));
    fs::write(&token, "s.token").unwrap();
    fs::copy(before.file(), &trust).unwrap();
    let text = format!(
        "admin: off\nsocket: {{path: {}/kms.sock}}\nprobe: {{interval: 1s, afterFailure: 1s}}\nkeys:\n  - name: primary\n    vault:\n      address: {}\n      tls: {{ca: {}}}\n      transit: {{key: k}}\n      auth: {{token: {{file: {}}}}}\n",
        dir.path().display(),
        vault.url(),
        trust.display(),
        token.display()
    );
    let serve = Serve::configured(dir.path(), &text);
    let mut client = Client::connect(&dir.path().join("kms.sock"));
    wait_for("a failed probe", 20, || serve.log().contains("probe failed"));
    assert!(client.status().is_err());
    fs::copy(ca.file(), &trust).unwrap();
    client.wait_ok(&serve);
}
