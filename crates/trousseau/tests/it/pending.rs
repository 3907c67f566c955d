//! A configuration that was read, and whose key could not be proven yet.

use std::fs;

use tempfile::TempDir;
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::https::{Front, ScriptedServer};

use crate::honest_vault::honest;
use crate::process::{Client, Serve, free_port, get, pause, wait_for};

/// The way to the key that runs fails while another way to it is being proven: that one is used at once. Where what it
/// names is away just then, it stays pending.
#[test]
fn i10_a_pending_way_to_the_same_key_is_used_when_the_running_one_fails_and_never_given_up() {
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
    wait_for("the running one to fail", 20, || get(admin, "/readyz?verbose").contains("last probe failed"));
    pause(2_500);
    assert!(get(admin, "/readyz?verbose").contains("configuration: pending"), "{}", serve.log());
    fs::copy(ca.file(), &trust).unwrap();
    wait_for("it to be in use", 10, || get(admin, "/readyz?verbose").contains("configuration: in use"));
    assert!(!serve.log().contains("given up"), "{}", serve.log());
    wait_for("its failure", 10, || get(admin, "/readyz?verbose").contains("https://127.0.0.1:1"));
    assert_eq!(client.status().unwrap().key_id, made.key_id);
}
