//! The token: where it comes from, what happens when it is refused, and who renews it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use trousseau_core::{ErrorKind, Provider};
use trousseau_testkit::https::{Reply, Request};

use super::{ENCRYPT, Fake, LOOKUP, RENEW, call, data, good, refusal, wrap};

const BAD: &str = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n";

struct TokenFile(TempDir);

impl TokenFile {
    fn new(text: &str) -> Self {
        let file = Self(tempfile::tempdir().unwrap());
        file.write(text);
        file
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("token")
    }

    fn write(&self, text: &str) {
        fs::write(self.path(), text).unwrap();
    }
}

/// Takes the token `good` only.
fn strict(request: &Request) -> Reply {
    match request.header("X-Vault-Token") {
        Some("good") | None => good(request),
        Some(_) => refusal(403, BAD),
    }
}

fn lookup(ttl: u64, creation_ttl: u64, renewable: bool) -> Value {
    json!({"ttl": ttl, "creation_ttl": creation_ttl, "renewable": renewable, "expire_time": "2026-11-23T10:00:00Z"})
}

#[tokio::test]
async fn a_replaced_file_is_read_after_a_refusal_and_the_call_goes_on() {
    let fake = Fake::start(strict);
    let file = TokenFile::new("old\n");
    let provider = fake.provider_by_file(&file.path(), false);
    let error = wrap(&provider).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.chain().contains(&format!("the token file {}", file.path().display())), "{error}");
    assert_eq!(fake.count(ENCRYPT), 1, "the same token is not tried again");
    file.write("  good\r\n");
    wrap(&provider).await.unwrap();
    assert_eq!(fake.count(ENCRYPT), 3, "the old token once more, then the new one");
    wrap(&provider).await.unwrap();
    assert_eq!(fake.count(ENCRYPT), 4);
    assert_eq!(fake.count(LOOKUP), 0, "Vault said itself that it was the token");
}

#[tokio::test]
async fn a_replaced_file_is_seen_by_the_next_probe() {
    let fake = Fake::start(strict);
    let file = TokenFile::new("old");
    let provider = fake.provider_by_file(&file.path(), false);
    assert_eq!(provider.observe(&call()).await.unwrap_err().kind(), ErrorKind::Denied);
    file.write("good");
    provider.observe(&call()).await.unwrap();
    let refused =
        fake.server.requests().iter().filter(|request| request.header("X-Vault-Token") == Some("old")).count();
    wrap(&provider).await.unwrap();
    let after = fake.server.requests().iter().filter(|request| request.header("X-Vault-Token") == Some("old")).count();
    assert_eq!(refused, after);
}

#[tokio::test]
async fn many_refused_calls_get_the_new_token_each_with_one_retry() {
    let fake = Fake::start(strict);
    let file = TokenFile::new("old");
    let provider = Arc::new(fake.provider_by_file(&file.path(), false));
    wrap(&provider).await.unwrap_err();
    file.write("good");
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let provider = Arc::clone(&provider);
            tokio::spawn(async move { wrap(&provider).await.map(drop) })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert!(fake.count(ENCRYPT) <= 1 + 2 * 20);
}

#[tokio::test]
async fn files_without_a_token_are_named_with_what_is_wrong() {
    let fake = Fake::start(strict);
    let long = "x".repeat(20_000);
    let rows = [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("<no value>\n", "is `<no value>`: the KV secret lacks the field"),
        ("to\nken", "holds something else than a token"),
        ("tok\u{e9}\0n", "holds something else than a token"),
        (long.as_str(), "holds something else than a token"),
    ];
    for (text, expected) in rows {
        let file = TokenFile::new(text);
        let provider = fake.provider_by_file(&file.path(), false);
        for error in [wrap(&provider).await.unwrap_err(), provider.observe(&call()).await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Denied);
            assert!(error.chain().contains(expected), "{}", error.chain());
        }
        file.write("good");
        wrap(&provider).await.unwrap();
    }
    for path in ["/no/such/file", "/", "/dev/zero"] {
        let provider = fake.provider_by_file(Path::new(path), false);
        let error = wrap(&provider).await.unwrap_err();
        assert!(error.chain().contains(&format!("the token file {path}")), "{}", error.chain());
    }
}

#[tokio::test]
async fn a_file_that_vanishes_leaves_the_token_in_use() {
    let fake = Fake::start(strict);
    let file = TokenFile::new("good");
    let provider = fake.provider_by_file(&file.path(), false);
    provider.observe(&call()).await.unwrap();
    for broken in ["", "<no value>"] {
        file.write(broken);
        provider.observe(&call()).await.unwrap();
    }
    fs::remove_file(file.path()).unwrap();
    provider.observe(&call()).await.unwrap();
    wrap(&provider).await.unwrap();
}

#[tokio::test]
async fn an_unexplained_refusal_is_explained_by_looking_the_token_up() {
    let denied = "1 error occurred:\n\t* permission denied\n\n";
    // OpenBao's words for a token that it doesn't know.
    let fake = Fake::start(|_| refusal(403, "permission denied"));
    let provider = fake.provider();
    for _ in 0..3 {
        let error = wrap(&provider).await.unwrap_err();
        assert!(error.chain().contains("probably wrong, expired or revoked"), "{error}");
    }
    assert_eq!(fake.count(LOOKUP), 1, "asked once a minute at most");

    let fake = Fake::start(move |request| if request.path == LOOKUP { good(request) } else { refusal(403, denied) });
    let error = wrap(&fake.provider()).await.unwrap_err();
    assert!(error.chain().contains("add `path \"transit/encrypt/k\"") && !error.chain().contains("revoked"), "{error}");
}

#[tokio::test]
async fn the_life_of_the_token_is_asked_once_a_minute_and_counts_down() {
    let fake = Fake::answering(LOOKUP, data(&lookup(3600, 7200, true)));
    let provider = fake.provider();
    let first = provider.observe(&call()).await.unwrap().credential_ttl.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let second = provider.observe(&call()).await.unwrap().credential_ttl.unwrap();
    assert!(first <= Duration::from_secs(3600) && second < first && second > Duration::from_secs(3500));
    assert_eq!(fake.count(LOOKUP), 1);
    let fake = Fake::start(good);
    assert_eq!(fake.provider().observe(&call()).await.unwrap().credential_ttl, None, "it never expires");
}

#[tokio::test]
async fn nobody_renews_unless_told_to() {
    let fake = Fake::answering(LOOKUP, data(&lookup(10, 7200, true)));
    let file = TokenFile::new("good");
    let provider = fake.provider_by_file(&file.path(), false);
    for _ in 0..3 {
        provider.observe(&call()).await.unwrap();
    }
    assert_eq!((fake.count(RENEW), fake.count(LOOKUP)), (0, 1));
}

#[tokio::test]
async fn a_token_is_renewed_once_half_of_its_life_is_over() {
    for (ttl, renewable, renewals) in [(3600, true, 0), (3599, true, 1), (3599, false, 0)] {
        let fake = Fake::start(move |request| match request.path.as_str() {
            LOOKUP => data(&lookup(ttl, 7200, renewable)),
            RENEW => Reply::json(200, &json!({"auth": {"lease_duration": 7200, "renewable": true}})),
            _ => good(request),
        });
        let file = TokenFile::new("good");
        let provider = fake.provider_by_file(&file.path(), true);
        let mut left = Duration::ZERO;
        for _ in 0..3 {
            left = provider.observe(&call()).await.unwrap().credential_ttl.unwrap();
        }
        assert_eq!(fake.count(RENEW), renewals, "{ttl} {renewable}");
        assert_eq!(left > Duration::from_secs(7000), renewals > 0, "{left:?}");
    }
}

#[tokio::test]
async fn a_renewal_that_fails_fails_no_probe() {
    for reply in [refusal(403, BAD), Reply::close(), Reply::bytes(200, "{}"), refusal(400, "lease is not renewable")] {
        let fake = Fake::start(move |request| match request.path.as_str() {
            LOOKUP => data(&lookup(10, 7200, true)),
            RENEW => reply.clone(),
            _ => good(request),
        });
        let file = TokenFile::new("good");
        let seen = fake.provider_by_file(&file.path(), true).observe(&call()).await.unwrap();
        assert!(seen.credential_ttl.unwrap() <= Duration::from_secs(10));
        assert!(fake.count(RENEW) >= 1);
    }
}
