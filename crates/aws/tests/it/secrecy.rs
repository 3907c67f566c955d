//! I9: nothing secret in any error, `Debug` or log line, whatever the server does.

use std::io;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use trousseau_core::Provider;
use trousseau_testkit::https::{Reply, Request};

use crate::credentials::assumed;
use crate::{Fake, SECRET_KEY, SEED, action, build, call, unwrap, wrap};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const CODES: &[&str] = &[
    "AccessDeniedException",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "IncompleteSignatureException",
    "InvalidCiphertextException",
    "KMSInvalidStateException",
    "NotFoundException",
    "ThrottlingException",
    "ValidationException",
    "SomethingNewException",
];

/// Repeats what it was sent, in each place where an answer has room for text.
fn echo(request: &Request) -> Vec<Reply> {
    let header = |name: &str| request.header(name).unwrap_or_default().to_owned();
    let token = header("x-amz-security-token");
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let all = format!("The Canonical String should have been x-amz-security-token:{token} {body}");
    let mut replies = Vec::new();
    for text in [&token, &body, &all] {
        for status in [400, 403, 500] {
            replies.extend(CODES.iter().map(|code| crate::refusal(status, code, text)));
            replies.push(crate::refusal(status, text, text));
            replies.push(Reply::bytes(status, text.as_str()));
        }
        replies.push(Reply::json(200, &json!({"KeyId": text, "CiphertextBlob": text, "Plaintext": text})));
        replies.push(Reply::json(200, &json!({"KeyMetadata": {"KeyId": text, "Arn": text, "KeyState": text}})));
        replies.push(Reply::json(200, &json!({"KeyMetadata": {"KeyId": "k", "CurrentKeyMaterialId": text}})));
        replies.push(Reply::raw(format!("HTTP/1.1 {text} 200\r\n\r\n")));
    }
    replies
}

#[tokio::test]
async fn i9_no_secret_leaves_by_an_error_a_debug_dump_or_a_log() {
    let log = Log::default();
    let writer = log.clone();
    let lines = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
    // As the program filters: our own targets at any level, everybody else's from `info` up.
    let filter = Targets::new().with_target("trousseau", LevelFilter::TRACE).with_default(LevelFilter::INFO);
    let subscriber = tracing_subscriber::registry().with(filter).with(lines);
    let _guard = tracing::subscriber::set_default(subscriber);

    let token = format!("canary-token-{}", "t".repeat(400));
    let (turn, given) = (Arc::new(Mutex::new(0_usize)), token.clone());
    let inside = Arc::clone(&turn);
    let fake = Fake::start(move |request| {
        if action(request).is_empty() {
            return assumed("AssumeRole", &given, "2096-01-01T00:00:00Z");
        }
        let replies = echo(request);
        replies[*inside.lock().unwrap() % replies.len()].clone()
    });
    let mut section = fake.section();
    section["assumeRole"] = json!({"arn": "arn:aws:iam::111122223333:role/r", "endpoint": fake.server.url()});
    let mut shown = Vec::new();
    let turns = 3 * (3 * (CODES.len() + 2) + 4);
    for round in 0..turns {
        *turn.lock().unwrap() = round;
        let provider = build(section.clone());
        shown.extend(wrap(&provider).await.err());
        shown.extend(unwrap(&provider, SEED).await.err());
        shown.extend(provider.presence(&call()).await.err());
        shown.extend(provider.observe(&call()).await.err());
    }
    assert!(shown.len() > 3 * turns, "most of it fails: {} of {turns}", shown.len());

    let mut texts: Vec<String> = shown.iter().map(|error| format!("{error} {error:?} {}", error.chain())).collect();
    texts.push(format!("{:?}", fake.provider()));
    texts.push(String::from_utf8(log.0.lock().unwrap().clone()).unwrap());
    let canaries = [
        "canary-token".to_owned(),
        SECRET_KEY.to_owned(),
        "role-secret".to_owned(),
        String::from_utf8(SEED.to_vec()).unwrap(),
        STANDARD.encode(SEED),
    ];
    for text in &texts {
        for canary in &canaries {
            assert!(!text.contains(canary.as_str()), "{canary} in {text}");
        }
    }
}
