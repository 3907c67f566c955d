//! A configuration that was read, and whose key could not be proven yet.

use std::fs;

use tempfile::TempDir;
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::https::{Front, ScriptedServer};

use crate::honest_vault::honest;
use crate::process::{Client, Serve, free_port, get, wait_for};

/// The way to the key that runs fails while another way to it is being proven: that one is used, as it was read. What it
/// names may be gone again by now.
#[test]
fn i10_a_pending_way_to_the_same_key_is_used_when_the_running_one_fails() {
    let vault = ScriptedServer::start(Front::Plain, honest);
    let (dir, admin, ca) = (TempDir::with_prefix("trousseau-").unwrap(), free_port(), TestCa::new());
    let (file, token, trust) = (dir.path().join("config.yaml"), dir.path().join("token"), dir.path().join("ca.pem"));
    fs::write(&token, "s.token").unwrap();
    let text = |address: &str, more: &str| {
        format!(
            "admin: 127.0.0.1:{admin}\nsocket: {{path: {}/kms.sock}}\nprobe: {{interval: 1s, afterFailure: 1s}}\nkeys:\n  - name: primary\n    vault:\n      address: {address}\n      {more}\n      transit: {{key: k}}\n      auth: {{token: {{file: {}}}}}\n",
            dir.path().display(),
            token.display()
        )
    };
    let serve = Serve::configured(dir.path(), &text(&vault.url(), "allowHttp: true"));
    let mut client = Client::connect(&dir.path().join("kms.sock"));
    client.wait_ok(&serve);
    let made = client.encrypt(&[7; 32]).unwrap();

    fs::copy(ca.file(), &trust).unwrap();
    fs::write(&file, text("https://127.0.0.1:1", &format!("tls: {{ca: {}}}", trust.display()))).unwrap();
    wait_for("it to be pending", 10, || get(admin, "/readyz?verbose").contains("configuration: pending"));
    assert_eq!(client.status().unwrap().healthz, "ok");
    fs::remove_file(&trust).unwrap();
    drop(vault);
    wait_for("it to be in use", 20, || get(admin, "/readyz?verbose").contains("configuration: in use"));
    assert!(!serve.log().contains("given up"), "{}", serve.log());
    wait_for("its failure", 10, || get(admin, "/readyz?verbose").contains("https://127.0.0.1:1"));
    assert_eq!(client.status().unwrap().key_id, made.key_id);
}
