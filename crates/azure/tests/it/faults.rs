//! A vault that lies, breaks off, or says nothing.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use trousseau_core::{ErrorKind, Provider, ProviderError};
use trousseau_testkit::https::Reply;

use super::{AAD, Fixture, Request, call, newest, seed, unwrap, wrap};

/// What comes of a whole round trip where one kind of request is answered falsely.
async fn with_lie(fixture: Fixture, part: &'static str, reply: Reply) -> ProviderError {
    let version = newest(&fixture.provider()).await;
    let fixture = fixture.lying(move |request: &Request| {
        let asked = request.path.contains(part) && request.header("authorization").is_some();
        asked.then(|| reply.clone())
    });
    let provider = fixture.provider();
    let round: Result<(), ProviderError> = async {
        let wrapped = provider.wrap(&version, &seed(), AAD, &call()).await?;
        let opened = unwrap(&provider, &wrapped).await?;
        assert!(!opened.plaintext.same_as(&seed()), "the lie was not told");
        Err(ProviderError::new(ErrorKind::BadAnswer, "the core compares, and finds it"))
    }
    .await;
    round.unwrap_err()
}

fn done(fixture: &Fixture, value: &str) -> Value {
    json!({"kid": format!("{}/keys/k/{}", fixture.server.url(), "0".repeat(32)), "value": value})
}

#[tokio::test]
async fn an_answer_about_another_version_or_key_is_refused() {
    let good = BASE64_URL_SAFE_NO_PAD.encode([7; 32]);
    for (part, key) in [("/decrypt", "k"), ("/sign?", "s")] {
        let fixture = Fixture::vault();
        let url = fixture.server.url();
        for (kid, kind) in [
            (format!("{url}/keys/{key}/{}", "0".repeat(32)), ErrorKind::WrongVersion),
            (format!("{url}/keys/other/{}", "0".repeat(32)), ErrorKind::BadAnswer),
            (format!("{url}/keys/{key}"), ErrorKind::BadAnswer),
            (format!("{url}/secrets/{key}/{}", "0".repeat(32)), ErrorKind::BadAnswer),
            (String::new(), ErrorKind::BadAnswer),
        ] {
            let error = with_lie(Fixture::vault(), part, Reply::json(200, &json!({"kid": kid, "value": good}))).await;
            assert_eq!(error.kind(), kind, "{part} {kid}: {}", error.chain());
        }
        let error = with_lie(Fixture::vault(), part, Reply::json(200, &json!({"value": good}))).await;
        assert_eq!(error.kind(), ErrorKind::BadAnswer, "{part}: no kid");
    }
}

#[tokio::test]
async fn a_version_that_reads_as_another_is_refused() {
    let fixture = Fixture::vault();
    let other = newest(&Fixture::vault().provider()).await;
    let kid = format!("{}/keys/k/{other}", fixture.server.url());
    let key = json!({"key": {"kid": kid, "kty": "RSA"}, "attributes": {"enabled": true, "created": 1}});
    let error = with_lie(fixture, "/keys/k/", Reply::json(200, &key)).await;
    assert_eq!(error.kind(), ErrorKind::WrongVersion, "{}", error.chain());
}

#[tokio::test]
async fn garbage_is_a_bad_answer() {
    for part in ["/sign?", "/decrypt"] {
        for value in ["", "A", "AAA=", "++++", "é", &"A".repeat(200)] {
            let fixture = Fixture::vault();
            let version = newest(&fixture.provider()).await;
            let key = if part == "/sign?" { "s" } else { "k" };
            let named = if key == "k" { version.to_string() } else { signing(&fixture).await };
            let kid = format!("{}/keys/{key}/{named}", fixture.server.url());
            let reply = Reply::json(200, &json!({"kid": kid, "value": value}));
            let error = with_lie(fixture, part, reply).await;
            assert_eq!(error.kind(), ErrorKind::BadAnswer, "{part} `{value}`: {}", error.chain());
        }
        for body in ["", "null", "[]", "{", "<html>", "{\"kid\": 1}"] {
            let error = with_lie(Fixture::vault(), part, Reply::bytes(200, body)).await;
            assert_eq!(error.kind(), ErrorKind::BadAnswer, "{part} `{body}`: {}", error.chain());
        }
        let error = with_lie(Fixture::vault(), part, Reply::enormous(10_000_000)).await;
        assert_eq!(error.kind(), ErrorKind::BadAnswer, "{}", error.chain());
    }
}

/// The version that signs in a fixture's double.
async fn signing(fixture: &Fixture) -> String {
    let wrapped = wrap(&fixture.provider()).await.unwrap();
    wrapped.bytes[1..17].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn parts_of_another_length_are_refused() {
    let text = |length: usize| BASE64_URL_SAFE_NO_PAD.encode(vec![7; length]);
    for (value, iv, tag) in [(31, 12, 16), (33, 12, 16), (32, 16, 16), (32, 12, 12), (32, 0, 16), (0, 12, 16)] {
        let fixture = Fixture::hsm();
        let version = newest(&fixture.provider()).await;
        let kid = format!("{}/keys/k/{version}", fixture.server.url());
        let reply = json!({"kid": kid, "value": text(value), "iv": text(iv), "tag": text(tag)});
        let error = with_lie(fixture, "/encrypt", Reply::json(200, &reply)).await;
        assert_eq!(error.kind(), ErrorKind::BadAnswer, "{value} {iv} {tag}: {}", error.chain());
    }
}

#[tokio::test]
async fn lists_that_say_nothing_are_bad_answers() {
    let url = "https://h";
    let version = "0".repeat(32);
    for body in [
        json!({}),
        json!({"value": []}),
        json!({"value": null}),
        json!({"value": [{"kid": "x"}]}),
        json!({"value": [{"kid": format!("{url}/keys/other/{version}"), "attributes": {"created": 1}}]}),
        json!({"value": [{"kid": format!("{url}/keys/k/{version}"), "attributes": {"enabled": true}}]}),
        json!({"value": 7}),
    ] {
        let reply = Reply::json(200, &body);
        let fixture = Fixture::vault()
            .lying(move |request: &Request| request.path.contains("/keys/k/versions").then(|| reply.clone()));
        let error = fixture.provider().observe(&call()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadAnswer, "{body}: {}", error.chain());
    }
    let endless = Fixture::vault().lying(|request: &Request| {
        let page = json!({"value": [], "nextLink": "https://h/keys/k/versions?x=1"});
        request.path.contains("/keys/k/versions").then(|| Reply::json(200, &page))
    });
    let error = endless.provider().observe(&call()).await.unwrap_err();
    assert!(error.chain().contains("more than 40 pages"), "{}", error.chain());
}

#[tokio::test]
async fn public_halves_that_are_none_are_named() {
    let fixture = Fixture::vault();
    let version = newest(&fixture.provider()).await;
    let kid = format!("{}/keys/k/{version}", fixture.server.url());
    let (n, small) = (BASE64_URL_SAFE_NO_PAD.encode([0xFF; 256]), BASE64_URL_SAFE_NO_PAD.encode([0xFF; 128]));
    for (key, part) in [
        (json!({"kid": kid, "kty": "RSA", "n": small, "e": "AQAB"}), "has 1024 bits"),
        (json!({"kid": kid, "kty": "RSA", "n": "+", "e": "AQAB"}), "can't be read"),
        (json!({"kid": kid, "kty": "RSA"}), "can't be read"),
        (json!({"kid": kid, "kty": "EC", "n": n, "e": "AQAB"}), "is no RSA key"),
    ] {
        let body = json!({"key": key, "attributes": {"created": 1}});
        let fixture = Fixture::vault()
            .lying(move |request: &Request| request.path.starts_with("/keys/k/").then(|| Reply::json(200, &body)));
        let error = fixture.provider().wrap(&version, &seed(), AAD, &call()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unusable);
        assert!(error.chain().contains(part), "{}", error.chain());
    }
}

#[tokio::test]
async fn cut_slow_and_silent_answers_are_outages() {
    let fixture = Fixture::vault();
    let body = done(&fixture, "AAAA");
    for (reply, kind) in [
        (Reply::json(200, &body).cut_at(5), ErrorKind::Unreachable),
        (Reply::close(), ErrorKind::Unreachable),
        (Reply::raw("nonsense\r\n\r\n"), ErrorKind::Unreachable),
        (Reply::never(), ErrorKind::Deadline),
        (Reply::json(200, &body).drip(1, Duration::from_secs(1)), ErrorKind::Deadline),
    ] {
        for part in ["/keys/k?", "/oauth2/"] {
            let reply = reply.clone();
            let fixture =
                Fixture::vault().lying(move |request: &Request| request.path.contains(part).then(|| reply.clone()));
            let provider = fixture.with(|section| {
                section["timeouts"] = json!({"connect": "20s", "handshake": "20s", "firstByte": "2s", "whole": "2s"});
            });
            let error = provider.presence(&call()).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{part}: {}", error.chain());
            assert!(error.kind().trips_breaker());
        }
    }
}

#[tokio::test]
async fn a_login_that_answers_nonsense_is_named() {
    for (reply, kind) in [
        (Reply::json(200, &json!({})), ErrorKind::BadAnswer),
        (Reply::bytes(200, "<html>"), ErrorKind::BadAnswer),
        (Reply::json(400, &json!({"error": "invalid_request"})), ErrorKind::Denied),
        (Reply::json(400, &json!({"error": "temporarily_unavailable"})), ErrorKind::Server),
        (Reply::bytes(404, "<html>"), ErrorKind::Unusable),
        (Reply::new(429).header("Retry-After", "7"), ErrorKind::Throttled),
        (Reply::new(503), ErrorKind::Server),
    ] {
        let fixture =
            Fixture::vault().lying(move |request: &Request| request.path.contains("/oauth2/").then(|| reply.clone()));
        let error = fixture.provider().presence(&call()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{}", error.chain());
        assert!(error.kind() != ErrorKind::Throttled || error.retry_after() == Some(Duration::from_secs(7)));
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_nothing() {
    let fixture = Fixture::vault();
    let stranger = trousseau_testkit::ca::TestCa::new();
    let provider = fixture.with(|section| section["tls"]["ca"] = stranger.file().display().to_string().into());
    let error = provider.presence(&call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(fixture.server.requests().is_empty());
}
