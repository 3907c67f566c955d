//! I9: nothing secret in any error, `Debug` or log line, whatever the server does.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;
use trousseau_core::Provider;
use trousseau_testkit::https::{Reply, Request};

use super::{AAD, CLIENT_SECRET, Fixture, SEED, call, newest, seed, unwrap, wrap};

/// What is long enough to be a part of a secret. Even the header of a token counts.
const PIECE: usize = 16;

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
fn echoes(request: &Request) -> Vec<Reply> {
    let token = request.header("authorization").unwrap_or_default().to_owned();
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let mut replies = Vec::new();
    for text in [&token, &body, &format!("{token} {body}")] {
        for status in [200, 302, 400, 401, 403, 404, 409, 429, 500, 503] {
            let inner = json!({"code": text, "message": text});
            let error =
                json!({"error": {"code": text, "message": format!("unexpected `{text}`"), "innererror": inner}});
            replies.push(Reply::json(status, &error));
            replies.push(Reply::json(status, &json!({"error": text, "error_description": text, "error_codes": [1]})));
            replies.push(Reply::bytes(status, text.as_str()));
        }
        let challenge = format!("Bearer authorization=\"https://l/{text}\", resource=\"{text}\"");
        replies.push(Reply::new(401).header("WWW-Authenticate", &challenge.replace(['\r', '\n'], "")));
        replies.push(Reply::json(
            200,
            &json!({"kid": text, "value": text, "iv": text, "key": {"kid": text, "kty": text}}),
        ));
        replies.push(Reply::json(200, &json!({"value": [{"kid": text}], "nextLink": text, "access_token": [text]})));
        replies.push(Reply::raw(format!("HTTP/1.1 {text} 200\r\n\r\n")));
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
    let mut seen = String::new();
    let secrets = Arc::new(Mutex::new(vec![
        CLIENT_SECRET.to_owned(),
        String::from_utf8_lossy(SEED).into_owned(),
        BASE64_URL_SAFE_NO_PAD.encode(SEED),
    ]));
    for fixture in [Fixture::vault(), Fixture::hsm()] {
        let provider = fixture.provider();
        let version = newest(&provider).await;
        let wrapped = wrap(&provider).await.unwrap();
        let parts = ["/oauth2/", "/keys/k?", "/versions?", "/sign?", "/encrypt?", "/decrypt?"];
        let lie = Arc::new(Mutex::new((parts[0], 0_usize)));
        let (inside, tokens) = (Arc::clone(&lie), Arc::clone(&secrets));
        let many = echoes(&Request {
            method: String::new(),
            path: String::new(),
            headers: Vec::new(),
            body: Vec::new(),
            connection: 0,
            number: 0,
        })
        .len();
        let fixture = fixture.lying(move |request: &Request| {
            if let Some(token) = request.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) {
                let mut known = tokens.lock().unwrap();
                if !known.iter().any(|it| it == token) {
                    known.push(token.to_owned());
                }
            }
            let (part, number) = *inside.lock().unwrap();
            request.path.contains(part).then(|| echoes(request).swap_remove(number))
        });
        for part in parts {
            for number in 0..many {
                *lie.lock().unwrap() = (part, number);
                let provider = fixture.provider();
                let mut errors = vec![provider.presence(&call()).await.err(), provider.observe(&call()).await.err()];
                errors.push(provider.wrap(&version, &seed(), AAD, &call()).await.err());
                errors.push(unwrap(&provider, &wrapped).await.err());
                for error in errors.into_iter().flatten() {
                    seen.push_str(&format!("{} {error:?}\n", error.chain()));
                }
                seen.push_str(&format!("{provider:?}\n"));
            }
        }
    }
    assert!(seen.lines().count() > 1000, "the lies were told");
    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    let secrets = secrets.lock().unwrap();
    assert!(secrets.len() > 5, "tokens were sent");
    let pieces: HashSet<&[u8]> = secrets.iter().flat_map(|secret| secret.as_bytes().windows(PIECE)).collect();
    for line in seen.lines().chain(logged.lines()) {
        let found = line.as_bytes().windows(PIECE).find(|piece| pieces.contains(piece));
        assert!(found.is_none(), "a part of a secret in: {line}");
    }
}
