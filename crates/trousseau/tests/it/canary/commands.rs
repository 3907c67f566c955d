//! Commands that end by themselves: keygen, demo, help, completions, and usage errors, with secrets in the environment.

use std::process::Output;

use tempfile::TempDir;

use super::search::{Canary, Outputs, Search};
use super::stage::files;
use crate::process::{run, run_with};

fn said(output: Output) -> Vec<u8> {
    [output.stdout, output.stderr].concat()
}

#[test]
fn i9_no_command_shows_the_environment() {
    let token = Canary::text("VAULT_TOKEN", "hvs.");
    let password = Canary::text("a proxy's password", "pw");
    let proxy = format!("http://user:{}@proxy.example:3128", password.as_str());
    let address = format!("https://user:{}@vault.example:8200", password.as_str());
    let variables = [
        ("VAULT_TOKEN", token.as_str()),
        ("VAULT_ADDR", &address),
        ("HTTPS_PROXY", &proxy),
        ("VAULT_PROXY_ADDR", &proxy),
        ("VAULT_CLIENT_KEY", token.as_str()),
    ];
    let mut outputs = Outputs::default();
    for args in [
        &["--help"][..],
        &["help", "serve"],
        &["serve", "--help"],
        &["serve"],
        &["serve", "--nonsense"],
        &["serve", "--transit-key", "k", "--admin", "off", "--socket", "/nonexistent/kms.sock"],
        &["serve", "--transit-key", "k", "--admin", "nonsense"],
        &["serve", "--transit-key", "k", "--vault-address", "https://127.0.0.1:1", "--socket", "/nonexistent/s"],
        &["demo", "--help"],
        &["keygen", "--help"],
        &["config", "check", "/nonexistent"],
        &["config", "show", "/nonexistent"],
        &["bench", "--socket", "/nonexistent/kms.sock"],
        &["bench", "--help"],
        &["providers"],
        &["providers", "--output", "json"],
        &["completions", "bash"],
        &["man"],
        &["--version"],
        &["nonsense"],
    ] {
        outputs.add(format!("{args:?}"), said(run_with(args, &variables)));
    }
    assert!(outputs.contain("Usage") && outputs.contain("vault.example"), "{}", outputs.count("Usage"));
    outputs.assert_clean(&Search::new(&[token, password]));
}

#[test]
fn i9_keygen_shows_no_key() {
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let file = dir.path().join("local.key");
    let path = file.to_str().unwrap();
    let mut outputs = Outputs::default();
    for args in [
        &["keygen", "--file", path][..],
        &["keygen", "--file", path],
        &["keygen", "--file", path, "--add"],
        &["keygen", "--file", path, "--add", "--active-in", "900000y"],
        &["keygen", "--file", "/nonexistent/local.key"],
    ] {
        outputs.add(format!("{args:?}"), said(run(args)));
    }
    files(dir.path(), &mut outputs, &["local.key"]);
    let keys = keys(&std::fs::read_to_string(&file).unwrap());
    assert_eq!(keys.len(), 2, "one made, one added");
    assert!(outputs.contain("version 2 in") && outputs.contain("exists already"));
    outputs.assert_clean(&Search::new(&keys));
}

#[test]
fn i9_demo_shows_no_token_and_gives_none_to_its_plugin() {
    let token = Canary::text("VAULT_TOKEN", "hvs.");
    let mut outputs = Outputs::default();
    let output = run_with(&["demo"], &[("VAULT_TOKEN", token.as_str())]);
    assert!(output.status.success());
    outputs.add("demo", said(output));
    assert!(outputs.contain("healthz: ok"));
    outputs.assert_clean(&Search::new(&[token]));
}

/// The keys that stand in a key file.
fn keys(text: &str) -> Vec<Canary> {
    use base64::Engine as _;
    let base64 = text.lines().filter_map(|line| line.trim().strip_prefix("key: \"")?.strip_suffix('"'));
    let decoded = base64.map(|text| base64::engine::general_purpose::STANDARD.decode(text).unwrap());
    decoded.map(|bytes| Canary { name: "local key material", bytes }).collect()
}
