//! A Vault that is broken or lies: the right kind, a text that helps, and nothing handed out.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;
use trousseau_core::{ErrorKind, Observation, Provider, ProviderError};
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::https::{Front, Reply, ScriptedServer};
use trousseau_vault::{Environment, VaultProvider};

use super::{DECRYPT, ENCRYPT, Fake, call, config, data, good, seed, unwrap, wrap};

async fn refused(path: &'static str, reply: Reply) -> (ErrorKind, String) {
    let fake = Fake::answering(path, reply);
    let provider = fake.provider();
    let error = if path == ENCRYPT { wrap(&provider).await.unwrap_err() } else { unwrap(&provider).await.unwrap_err() };
    (error.kind(), error.chain())
}

#[tokio::test]
async fn ciphertexts_that_are_none_are_not_handed_out() {
    let odd = [
        json!({"ciphertext": "", "key_version": 1}),
        json!({"ciphertext": null}),
        json!({"key_version": 1}),
        json!({"ciphertext": "vault:v1:"}),
        json!({"ciphertext": "vault:v1:!!!!"}),
        json!({"ciphertext": "vault:1:AAAA"}),
        json!({"ciphertext": "AAAA"}),
        json!({"ciphertext": 7}),
        json!({"ciphertext": ["vault:v1:AAAA"]}),
        json!({"ciphertext": "vault:v1:AAAA", "key_version": "many"}),
        json!({}),
        json!(null),
        json!([]),
    ];
    for answer in odd {
        let (kind, text) = refused(ENCRYPT, data(&answer)).await;
        assert_eq!(kind, ErrorKind::BadAnswer, "{answer}: {text}");
        assert!(text.contains("/v1/transit/encrypt/k") && text.contains("is this address Vault's"), "{text}");
    }
}

#[tokio::test]
async fn another_version_than_the_one_asked_for_is_refused() {
    for answer in [
        json!({"ciphertext": "vault:v2:AAAA", "key_version": 2}),
        json!({"ciphertext": "vault:v2:AAAA"}),
        json!({"ciphertext": "vault:v1:AAAA", "key_version": 2}),
        json!({"ciphertext": "vault:v2:AAAA", "key_version": 1}),
    ] {
        let (kind, text) = refused(ENCRYPT, data(&answer)).await;
        assert_eq!(kind, ErrorKind::WrongVersion, "{answer}: {text}");
        assert!(text.contains("asked for key version 1, got 2"), "{text}");
    }
}

#[tokio::test]
async fn plaintexts_that_are_none_are_refused() {
    for answer in [json!({"plaintext": null}), json!({"plaintext": "?"}), json!({"plaintext": 1}), json!({}), json!(1)]
    {
        assert_eq!(refused(DECRYPT, data(&answer)).await.0, ErrorKind::BadAnswer);
    }
    // Nothing at all is what was stored if Vault says so; the core tells the loss.
    let fake = Fake::answering(DECRYPT, data(&json!({"plaintext": ""})));
    assert!(unwrap(&fake.provider()).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_opens_anything_is_no_vault() {
    let fake = Fake::answering(DECRYPT, data(&json!({"plaintext": "AAAA"})));
    let error = fake.provider().presence(&call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadAnswer);
}

#[tokio::test]
async fn answers_that_are_no_json_or_too_long_are_refused() {
    for body in ["", "<html>login</html>", "{", "{\"data\":", "null", "\u{feff}{}"] {
        assert_eq!(refused(ENCRYPT, Reply::bytes(200, body)).await.0, ErrorKind::BadAnswer, "{body}");
    }
    let (kind, text) = refused(ENCRYPT, Reply::enormous(100_000_000)).await;
    assert_eq!(kind, ErrorKind::BadAnswer);
    assert!(text.contains("more than 1000000 bytes"), "{text}");
    assert_eq!(refused(ENCRYPT, Reply::enormous(100_000_000).chunked()).await.0, ErrorKind::BadAnswer);
}

#[tokio::test]
async fn answers_that_end_early_or_never_came_are_unreachable() {
    let whole = data(&json!({"ciphertext": "vault:v1:AAAA", "key_version": 1}));
    assert_eq!(refused(ENCRYPT, whole.cut_at(20)).await.0, ErrorKind::Unreachable);
    assert_eq!(refused(ENCRYPT, Reply::close()).await.0, ErrorKind::Unreachable);
    assert_eq!(refused(ENCRYPT, Reply::raw("SSH-2.0-OpenSSH_9.9\r\n")).await.0, ErrorKind::Unreachable);
}

#[tokio::test]
async fn slow_answers_end_by_their_phase() {
    let slow = [Reply::never(), data(&json!({"ciphertext": "vault:v1:AAAA"})).drip(1, Duration::from_millis(200))];
    for reply in slow {
        let fake = Fake::answering(ENCRYPT, reply);
        let mut config = fake.config();
        config.timeouts.first_byte = Duration::from_millis(400);
        config.timeouts.whole = Duration::from_millis(800);
        let provider = config.build(&Environment::default()).unwrap();
        let began = Instant::now();
        let error = wrap(&provider).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Deadline, "{}", error.chain());
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn waits_that_the_server_asks_for_are_told() {
    for status in [429, 503] {
        let fake = Fake::answering(ENCRYPT, Reply::new(status).header("Retry-After", "7"));
        let error = wrap(&fake.provider()).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    }
}

#[tokio::test]
async fn a_standby_that_redirects_is_not_followed() {
    let elsewhere = Fake::start(good);
    let to = format!("{}{ENCRYPT}", elsewhere.server.url());
    let (kind, text) = refused(ENCRYPT, Reply::new(307).header("Location", &to)).await;
    assert_eq!(kind, ErrorKind::Unreachable);
    assert!(text.contains("standby that redirects") && text.contains(&to), "{text}");
    assert!(elsewhere.server.requests().is_empty(), "the token would go wherever the answer points");
}

/// What a round does at its beginning and its end.
async fn probe(provider: &VaultProvider) -> Result<Observation, ProviderError> {
    provider.upkeep(&call()).await;
    provider.observe(&call()).await
}

#[tokio::test]
async fn renewed_certificates_are_read_by_the_next_probe() {
    let (ca, before) = (TestCa::new(), TestCa::new());
    let server = ScriptedServer::start(Front::tls(&ca.server(&["127.0.0.1"])), good);
    let mut config = config(&server.url());
    let file = ca.folder().join("bundle.pem");
    fs::copy(before.file(), &file).unwrap();
    config.tls.ca = Some(file.clone());
    let provider = config.build(&Environment::default()).unwrap();
    assert_eq!(provider.observe(&call()).await.unwrap_err().kind(), ErrorKind::Unreachable);
    fs::copy(ca.file(), &file).unwrap();
    probe(&provider).await.unwrap();
    let connections = server.connections();
    fs::write(&file, "half a fi").unwrap();
    probe(&provider).await.unwrap();
    fs::remove_file(&file).unwrap();
    probe(&provider).await.unwrap();
    assert_eq!(server.connections(), connections, "the client before stays in use, with its connections");
}

#[tokio::test]
async fn a_certificate_of_somebody_else_gets_no_request() {
    let stranger = TestCa::new();
    let server = ScriptedServer::start(Front::tls(&stranger.server(&["127.0.0.1"])), good);
    let mut config = config(&server.url());
    config.tls.ca = Some(TestCa::new().file());
    // The folder of that CA is gone with it.
    assert!(config.build(&Environment::default()).unwrap_err().what.contains("tls"));
    let trusted = TestCa::new();
    config.tls.ca = Some(trusted.file());
    let provider = config.build(&Environment::default()).unwrap();
    let error = provider.wrap(&1.into(), &seed(), None, &call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.chain().contains("TLS"), "{}", error.chain());
    assert!(server.requests().is_empty());
}
