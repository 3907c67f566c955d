//! Access tokens: JSON Web Tokens under a key that only the double knows.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign, verify};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::keys::random;

/// Who makes tokens, and knows its own again.
pub(crate) struct Issuer {
    key: Key,
    /// In seconds.
    pub(crate) life: u64,
}

impl Issuer {
    pub(crate) fn new() -> Self {
        Self { key: fresh(), life: 3600 }
    }

    /// Refuses all tokens made so far.
    pub(crate) fn revoke(&mut self) {
        self.key = fresh();
    }

    pub(crate) fn token(&self, audience: &str, client: &str, now: u64) -> String {
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({"typ": "JWT", "alg": "HS256"});
        let unique = u64::from_be_bytes(random());
        let claims =
            json!({"aud": audience, "appid": client, "iat": now, "exp": now + self.life, "uti": unique.to_string()});
        let signed = format!("{}.{}", part(&header), part(&claims));
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(sign(&self.key, signed.as_bytes())))
    }

    /// Why a token is not good, as a vault says it.
    pub(crate) fn refused(&self, token: &str, audience: &str, now: u64) -> Option<&'static str> {
        let Some((signed, signature)) = token.rsplit_once('.') else {
            return Some("AKV10002: the token is no JWT.");
        };
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        if verify(&self.key, signed.as_bytes(), &signature).is_err() {
            return Some("AKV10001: the signature of the token is invalid.");
        }
        let claims = signed.split_once('.').and_then(|(_, claims)| BASE64_URL_SAFE_NO_PAD.decode(claims).ok());
        let claims: Value = claims.and_then(|claims| serde_json::from_slice(&claims).ok()).unwrap_or_default();
        if claims["aud"].as_str() != Some(audience) {
            return Some("AKV10022: Invalid audience.");
        }
        if claims["exp"].as_u64().is_none_or(|end| end <= now) {
            return Some("AKV10003: the token has expired.");
        }
        None
    }
}

fn fresh() -> Key {
    Key::new(HMAC_SHA256, &random::<32>())
}
