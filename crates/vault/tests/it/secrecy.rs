//! I9: nothing secret in any error, `Debug` or log line, whatever the server does.

use std::io;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use trousseau_core::{Provider, SecretText};
use trousseau_testkit::https::{Reply, Request};
use trousseau_vault::{Auth, Environment, TokenAuth};

use super::{Fake, LOOKUP, RENEW, SEED, TOKEN, call, data, unwrap, wrap};

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

/// Repeats what it was sent, in each place where an answer has room for text.
fn echo(request: &Request) -> Vec<Reply> {
    let token = request.header("x-vault-token").unwrap_or_default().to_owned();
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let all = format!("{token} {body}");
    let mut replies = Vec::new();
    for status in [200, 307, 400, 403, 404, 429, 500, 503] {
        for text in [&token, &body, &all] {
            let refused = json!({"errors": [format!("unexpected `{text}`"), text]});
            replies.push(Reply::json(status, &refused));
            replies.push(Reply::bytes(status, text.as_str()));
        }
    }
    for value in [&token, &body, &all] {
        replies.push(data(
            &json!({"ciphertext": value, "plaintext": [value], "keys": value, "type": value, "ttl": value}),
        ));
        replies.push(data(&json!({"ciphertext": 1, "plaintext": value, "keys": {value.as_str(): value}, "type": 1})));
        replies.push(data(&json!({"type": value, "supports_encryption": false})).header("x-echo", "1"));
        replies.push(Reply::raw(format!("HTTP/1.1 {value} 200\r\n\r\n")));
        replies.push(Reply::new(307).header("Location", &format!("https://elsewhere/{value}")));
    }
    replies
}

#[tokio::test]
async fn i9_no_secret_leaves_by_an_error_a_debug_dump_or_a_log() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let turn = Arc::new(Mutex::new(0_usize));
    let inside = Arc::clone(&turn);
    let fake = Fake::start(move |request| {
        let replies = echo(request);
        // A token about to end, so that its renewal is driven too.
        if request.path == LOOKUP && inside.lock().unwrap().is_multiple_of(2) {
            return data(&json!({"ttl": 1, "creation_ttl": 100, "renewable": true, "expire_time": "soon"}));
        }
        let turn = *inside.lock().unwrap() % replies.len();
        replies[turn].clone()
    });
    let mut config = fake.config();
    let inline = Some(SecretText::new(TOKEN.to_owned()));
    config.auth = Auth::Token(TokenAuth { inline, renew: true, file: None });
    config.proxy = Some("none".into());
    let mut shown = Vec::new();
    let turns = echo(&Request {
        method: String::new(),
        path: String::new(),
        headers: Vec::new(),
        body: Vec::new(),
        connection: 0,
        number: 0,
    })
    .len();
    for round in 0..turns {
        *turn.lock().unwrap() = round;
        let provider = config.build(&Environment::default()).unwrap();
        shown.extend(wrap(&provider).await.err());
        shown.extend(unwrap(&provider).await.err());
        shown.extend(provider.presence(&call()).await.err());
        shown.extend(provider.observe(&call()).await.err());
    }
    assert!(shown.len() > 3 * turns, "most of it fails");
    assert!(fake.count(RENEW) > 0);

    let mut texts: Vec<String> = shown.iter().map(|error| format!("{error} {error:?} {}", error.chain())).collect();
    let environment = Environment::from_variables(|name| Some(format!("{TOKEN} {name}")));
    config.address = format!("https://{TOKEN}@vault");
    config.proxy = Some(format!("http://{TOKEN}@proxy"));
    texts.push(format!("{config:?} {environment:?} {:?}", fake.provider()));
    texts.push(config.build(&environment).unwrap_err().to_string());
    texts.push(String::from_utf8(log.0.lock().unwrap().clone()).unwrap());
    assert!(texts.last().unwrap().contains("could not be renewed"), "the log was captured");

    let canaries = [TOKEN.to_owned(), String::from_utf8(SEED.to_vec()).unwrap(), BASE64_STANDARD.encode(SEED)];
    for text in &texts {
        for canary in &canaries {
            assert!(!text.contains(canary.as_str()), "{canary} in {text}");
        }
    }
}
