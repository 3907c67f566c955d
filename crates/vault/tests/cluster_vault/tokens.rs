//! Tokens that end, are replaced, or are renewed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use trousseau_core::{ErrorKind, Provider};
use trousseau_vault::{Auth, TokenAuth, VaultProvider};

use super::{Fixture, built, call, wrap};

const HCL: &str = r#"path "transit/+/k" { capabilities = ["read", "update"] }"#;

fn by_file(fixture: &Fixture, file: &Path, renew: bool) -> VaultProvider {
    let mut config = fixture.config("k", "");
    config.auth = Auth::Token(TokenAuth { file: Some(file.to_owned()), renew, inline: None });
    built(&config)
}

#[tokio::test]
async fn after_a_revocation_the_file_is_read_again() {
    let fixture = Fixture::start();
    fixture.create("k");
    let file = fixture.folder.path().join("token");
    let first = fixture.token("use", HCL);
    fs::write(&file, format!("{first}\n")).unwrap();
    let key = by_file(&fixture, &file, false);
    wrap(&key, 1).await.unwrap();
    fixture.vault.revoke(&first).unwrap();
    let error = wrap(&key, 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.chain().contains("is wrong, expired or revoked; put a new one there"), "{error}");
    assert!(!error.chain().contains(&first));
    fs::write(&file, fixture.token("use", HCL)).unwrap();
    wrap(&key, 1).await.unwrap();
}

#[tokio::test]
async fn the_life_of_a_token_is_observed() {
    let fixture = Fixture::start();
    fixture.create("k");
    let key = built(&fixture.config("k", &fixture.token("use", HCL)));
    let ttl = key.observe(&call()).await.unwrap().credential_ttl.unwrap();
    assert!((Duration::from_secs(3500)..=Duration::from_secs(3600)).contains(&ttl), "{ttl:?}");
}

/// Probes twice a second, as long as that works.
async fn probe_for(key: &VaultProvider, time: Duration) -> bool {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if key.observe(&call()).await.is_err() {
            return false;
        }
        sleep(Duration::from_millis(500)).await;
    }
    true
}

#[tokio::test]
async fn a_short_token_outlives_itself_only_if_it_is_renewed() {
    let fixture = Fixture::start();
    fixture.create("k");
    fixture.vault.policy("use", HCL).unwrap();
    let audit = fixture.folder.path().join("audit.log");
    fixture.vault.audit(&audit).unwrap();
    let renewals = || {
        let log = fs::read_to_string(&audit).unwrap();
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["type"] == "request" && line["request"]["path"] == "auth/token/renew-self").count()
    };
    let body = json!({"policies": ["use"], "ttl": "4s", "renewable": true, "no_parent": true});
    let short = || {
        let answer = fixture.vault.root("POST", "auth/token/create", &body).unwrap();
        let file = fixture.folder.path().join("short");
        fs::write(&file, answer["auth"]["client_token"].as_str().unwrap()).unwrap();
        file
    };
    assert!(!probe_for(&by_file(&fixture, &short(), false), Duration::from_secs(8)).await, "nobody renewed it");
    assert_eq!(renewals(), 0);
    assert!(probe_for(&by_file(&fixture, &short(), true), Duration::from_secs(8)).await, "it was renewed");
    assert!(renewals() >= 2, "{}", renewals());
}

#[tokio::test]
async fn a_batch_token_works_and_is_never_renewed() {
    let fixture = Fixture::start();
    fixture.create("k");
    fixture.vault.policy("use", HCL).unwrap();
    let body = json!({"policies": ["use"], "ttl": "1h", "type": "batch", "no_parent": true});
    let answer = fixture.vault.root("POST", "auth/token/create", &body).unwrap();
    let key = built(&fixture.config("k", answer["auth"]["client_token"].as_str().unwrap()));
    wrap(&key, 1).await.unwrap();
    assert!(key.observe(&call()).await.unwrap().credential_ttl.is_some());
}
