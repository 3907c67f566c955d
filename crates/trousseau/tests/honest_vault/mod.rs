//! What a Vault with one key answers, as a script: for tests that then change one of the answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use trousseau_testkit::https::{Reply, Request};

/// Transit that wraps by turning bytes round: enough to be opened again.
pub(crate) fn honest(request: &Request) -> Reply {
    let body = || request.json();
    let text = |value: &Value| STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default();
    match (request.method.as_str(), request.path.as_str()) {
        (_, "/v1/sys/health") => Reply::json(200, &json!({"sealed": false, "standby": false, "initialized": true})),
        ("GET", "/v1/auth/token/lookup-self") => {
            Reply::json(200, &json!({"data": {"ttl": 3600, "creation_ttl": 3600}}))
        }
        ("GET", "/v1/transit/keys/k") => Reply::json(
            200,
            &json!({"data": {"type": "aes256-gcm96", "keys": {"1": 1_700_000_000}, "latest_version": 1,
                "min_decryption_version": 1, "min_encryption_version": 0, "derived": false}}),
        ),
        ("POST", "/v1/transit/encrypt/k") => {
            let mut wrap = text(&body()["plaintext"]);
            wrap.reverse();
            let aad = text(&body()["associated_data"]);
            let made = [wrap.as_slice(), b"|", &aad].concat();
            let ciphertext = format!("vault:v1:{}", STANDARD.encode(made));
            Reply::json(200, &json!({"data": {"ciphertext": ciphertext, "key_version": 1}}))
        }
        ("POST", "/v1/transit/decrypt/k") => {
            let sent = body()["ciphertext"].as_str().unwrap_or_default().to_owned();
            let made = STANDARD.decode(sent.strip_prefix("vault:v1:").unwrap_or_default()).unwrap_or_default();
            let aad = text(&body()["associated_data"]);
            match made.strip_suffix([b"|", aad.as_slice()].concat().as_slice()) {
                Some(wrap) if !aad.is_empty() => {
                    let plain: Vec<u8> = wrap.iter().rev().copied().collect();
                    Reply::json(200, &json!({"data": {"plaintext": STANDARD.encode(plain)}}))
                }
                _ => Reply::json(400, &json!({"errors": ["cipher: message authentication failed"]})),
            }
        }
        _ => Reply::json(404, &json!({"errors": []})),
    }
}
