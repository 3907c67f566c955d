//! A configuration that was read, and whose key could not be proven yet.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::https::{Front, Reply, ScriptedServer};

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

/// What the KMS refuses now it will refuse when it is back: a hiccup of the running way must not put the refused one in
/// its place.
#[test]
fn i10_a_pending_way_that_the_kms_refuses_does_not_win_by_an_outage() {
    let down = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&down);
    let vault = ScriptedServer::start(Front::Plain, move |request| match request.header("x-vault-token") {
        _ if switch.load(Ordering::SeqCst) => Reply::new(503),
        Some("s.bad") => Reply::json(403, &serde_json::json!({"errors": ["permission denied", "invalid token"]})),
        _ => honest(request),
    });
    let (dir, admin) = (TempDir::with_prefix("trousseau-").unwrap(), free_port());
    for token in ["good", "bad"] {
        fs::write(dir.path().join(token), format!("s.{token}")).unwrap();
    }
    let text = |token: &str| {
        format!(
            "admin: 127.0.0.1:{admin}\nsocket: {{path: {0}/kms.sock}}\nprobe: {{interval: 1s, afterFailure: 1s}}\nkeys:\n  - name: primary\n    vault:\n      address: {1}\n      allowHttp: true\n      transit: {{key: k}}\n      auth: {{token: {{file: {0}/{token}}}}}\n",
            dir.path().display(),
            vault.url()
        )
    };
    let serve = Serve::configured(dir.path(), &text("good"));
    let mut client = Client::connect(&dir.path().join("kms.sock"));
    client.wait_ok(&serve);
    let made = client.encrypt(&[7; 32]).unwrap();
    fs::write(dir.path().join("config.yaml"), text("bad")).unwrap();
    let page = || get(admin, "/readyz?verbose");
    wait_for("it to be pending", 10, || page().contains("configuration: pending"));
    let refused = || vault.requests().iter().any(|request| request.header("x-vault-token") == Some("s.bad"));
    wait_for("the refusal", 10, refused);
    // It is looked at once a second.
    pause(2_500);
    down.store(true, Ordering::SeqCst);
    wait_for("the running one to fail", 20, || page().contains("last probe failed"));
    pause(2_500);
    assert!(page().contains("configuration: pending"), "{}", serve.log());
    down.store(false, Ordering::SeqCst);
    wait_for("the running one", 20, || client.decrypt(&made).is_ok_and(|opened| opened == [7; 32]));
    assert!(client.encrypt(&[8; 32]).is_ok(), "{}", serve.log());
}
