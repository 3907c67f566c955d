//! Vault's JSON. What holds a seed is built and read in buffers that are wiped; an answer is read in place, so that
//! its plaintext is never copied into a plain string.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use trousseau_core::Secret;
use trousseau_http::Zeroizing;

/// What a good answer carries.
#[derive(Deserialize)]
pub(crate) struct Data<T> {
    pub(crate) data: Option<T>,
}

/// `encrypt`'s answer.
#[derive(Deserialize)]
pub(crate) struct Encrypted<'a> {
    pub(crate) ciphertext: Option<&'a str>,
    pub(crate) key_version: Option<u32>,
}

/// `decrypt`'s answer.
#[derive(Deserialize)]
pub(crate) struct Decrypted<'a> {
    pub(crate) plaintext: Option<&'a str>,
}

/// What Vault says of a key.
#[derive(Deserialize)]
pub(crate) struct KeyInfo {
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) derived: bool,
    /// OpenBao only.
    #[serde(default)]
    pub(crate) soft_deleted: bool,
    pub(crate) supports_encryption: Option<bool>,
    /// 0 = no limit.
    #[serde(default)]
    pub(crate) min_encryption_version: u32,
    /// From `min_decryption_version` on. Absent for key types whose versions Vault doesn't list.
    pub(crate) keys: Option<BTreeMap<u32, Created>>,
}

/// When a version was made.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Created {
    /// Unix seconds: symmetric types.
    Unix(u64),
    /// RFC 3339: asymmetric types.
    Asymmetric { creation_time: String },
}

/// What Vault says of the token that asks.
#[derive(Deserialize)]
pub(crate) struct TokenInfo {
    #[serde(default)]
    pub(crate) ttl: u64,
    #[serde(default)]
    pub(crate) creation_ttl: u64,
    #[serde(default)]
    pub(crate) renewable: bool,
    /// Null for a token that never expires.
    pub(crate) expire_time: Option<String>,
}

/// `renew-self`'s answer.
#[derive(Deserialize)]
pub(crate) struct Renewed {
    pub(crate) auth: Option<RenewedAuth>,
}

#[derive(Deserialize)]
pub(crate) struct RenewedAuth {
    pub(crate) lease_duration: u64,
}

#[derive(Deserialize)]
struct Refused {
    errors: Vec<String>,
}

/// Reads an answer. Why it can't be read stays unsaid: serde's text may quote what it found.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

/// The texts of an answer with an error status; `None` if it isn't one of Vault's.
pub(crate) fn errors(body: &[u8]) -> Option<Vec<String>> {
    parse::<Refused>(body).map(|refused| refused.errors)
}

/// The body of `encrypt`. `None` for the version = the newest one.
pub(crate) fn encrypt(plaintext: &Secret, aad: Option<&[u8]>, version: Option<u32>) -> Zeroizing<Vec<u8>> {
    let mut body = Body::begin(r#"{"plaintext":""#, plaintext.len() + aad.map_or(0, <[u8]>::len));
    body.base64(plaintext.expose());
    body.aad(aad);
    let version = version.map_or_else(String::new, |version| format!(",\"key_version\":{version}"));
    body.end(&format!("\"{version}}}"))
}

/// The body of `decrypt`.
pub(crate) fn decrypt(version: u32, wrap: &[u8], aad: Option<&[u8]>) -> Zeroizing<Vec<u8>> {
    let begin = format!(r#"{{"ciphertext":"vault:v{version}:"#);
    let mut body = Body::begin(&begin, wrap.len() + aad.map_or(0, <[u8]>::len));
    body.base64(wrap);
    body.aad(aad);
    body.end("\"}")
}

/// Takes `vault:vN:BASE64` apart.
pub(crate) fn ciphertext(text: &str) -> Option<(u32, Vec<u8>)> {
    let (version, wrap) = text.strip_prefix("vault:v")?.split_once(':')?;
    let wrap = BASE64_STANDARD.decode(wrap).ok().filter(|wrap| !wrap.is_empty())?;
    Some((version.parse().ok()?, wrap))
}

/// Base64 of a plaintext, decoded without leaving a copy.
pub(crate) fn secret(text: &str) -> Option<Secret> {
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
    let length = BASE64_STANDARD.decode_slice(text, &mut bytes).ok()?;
    bytes.truncate(length);
    Some(Secret::new(std::mem::take(&mut *bytes)))
}

/// A JSON object that is written in a buffer large enough from the start: growing would leave an unwiped copy.
struct Body(Zeroizing<Vec<u8>>);

impl Body {
    /// Room for the fixed parts: names, quotes, a version.
    const FRAME: usize = 128;

    fn begin(text: &str, bytes: usize) -> Self {
        let mut buffer = Zeroizing::new(Vec::with_capacity(Self::FRAME + bytes.div_ceil(3) * 4 + 8));
        buffer.extend_from_slice(text.as_bytes());
        Self(buffer)
    }

    fn base64(&mut self, bytes: &[u8]) {
        let start = self.0.len();
        self.0.resize(start + bytes.len().div_ceil(3) * 4, 0);
        // The room is exactly what standard base64 with padding takes.
        let written = BASE64_STANDARD.encode_slice(bytes, &mut self.0[start..]);
        debug_assert_eq!(written.ok(), Some(self.0.len() - start));
    }

    fn aad(&mut self, aad: Option<&[u8]>) {
        if let Some(aad) = aad {
            self.0.extend_from_slice(br#"","associated_data":""#);
            self.base64(aad);
        }
    }

    fn end(mut self, text: &str) -> Zeroizing<Vec<u8>> {
        self.0.extend_from_slice(text.as_bytes());
        self.0
    }
}

#[cfg(test)]
mod tests {
    use trousseau_core::Secret;

    use super::{ciphertext, decrypt, encrypt, secret};

    #[test]
    fn bodies_are_json_and_never_outgrow_their_buffer() {
        for length in [0, 1, 2, 3, 32, 100, 512] {
            for aad in [None, Some(vec![0xFE; length])] {
                let seed = Secret::new(vec![7; length]);
                let body = encrypt(&seed, aad.as_deref(), Some(u32::MAX));
                let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
                assert_eq!(json["key_version"], u32::MAX);
                assert_eq!(json.get("associated_data").is_some(), aad.is_some());
                assert!(secret(json["plaintext"].as_str().unwrap()).unwrap().same_as(&seed));
                let room = 128 + (length + aad.as_ref().map_or(0, Vec::len)).div_ceil(3) * 4 + 8;
                assert!(body.capacity() == room, "it grew from {room} to {}", body.capacity());

                let body = decrypt(u32::MAX, &vec![7; length], aad.as_deref());
                assert!(body.capacity() == room);
                let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
                let found = ciphertext(json["ciphertext"].as_str().unwrap());
                assert_eq!(found, (length > 0).then(|| (u32::MAX, vec![7; length])));
            }
        }
        let newest = encrypt(&Secret::new(vec![0; 3]), None, None);
        assert_eq!(&**newest, br#"{"plaintext":"AAAA"}"#);
    }

    #[test]
    fn odd_ciphertexts_are_refused() {
        for text in
            ["", "vault:v1:", "vault:v1", "vault:vx:AAAA", "vault:v1:A", "vault:v-1:AAAA", "v1:AAAA", "vault:v1:AB=="]
        {
            assert_eq!(ciphertext(text), None, "{text}");
        }
        assert_eq!(ciphertext("vault:v12:AAAA"), Some((12, vec![0; 3])));
    }
}
