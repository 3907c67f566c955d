//! Key Vault's JSON. What holds a seed is built and read in buffers that are wiped; an answer is read in place, so that
//! its plaintext is never copied into a plain string.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use trousseau_core::Secret;
use trousseau_http::Zeroizing;

/// What `encrypt`, `decrypt` and `sign` answer.
#[derive(Deserialize)]
pub(crate) struct Done<'a> {
    pub(crate) kid: Option<&'a str>,
    pub(crate) value: Option<&'a str>,
    pub(crate) iv: Option<&'a str>,
    #[serde(alias = "authentication_tag")]
    pub(crate) tag: Option<&'a str>,
}

/// One version of a key, with its public half.
#[derive(Deserialize)]
pub(crate) struct KeyBundle<'a> {
    #[serde(borrow)]
    pub(crate) key: Jwk<'a>,
    #[serde(default)]
    pub(crate) attributes: Attributes,
}

/// A key as a JSON Web Key.
#[derive(Deserialize)]
pub(crate) struct Jwk<'a> {
    pub(crate) kid: Option<&'a str>,
    pub(crate) kty: Option<&'a str>,
    pub(crate) n: Option<&'a str>,
    pub(crate) e: Option<&'a str>,
    pub(crate) crv: Option<&'a str>,
    pub(crate) x: Option<&'a str>,
    pub(crate) y: Option<&'a str>,
}

/// A page of a key's versions.
#[derive(Deserialize)]
pub(crate) struct Page {
    pub(crate) value: Option<Vec<Item>>,
    #[serde(rename = "nextLink")]
    pub(crate) next: Option<String>,
}

/// One version in a list.
#[derive(Deserialize)]
pub(crate) struct Item {
    pub(crate) kid: String,
    #[serde(default)]
    pub(crate) attributes: Attributes,
}

/// When a version may be used. Times are Unix seconds.
#[derive(Clone, Copy, Default, Deserialize)]
pub(crate) struct Attributes {
    pub(crate) enabled: Option<bool>,
    pub(crate) nbf: Option<u64>,
    pub(crate) exp: Option<u64>,
    pub(crate) created: Option<u64>,
}

/// An answer with an error status.
#[derive(Deserialize)]
pub(crate) struct Refused {
    pub(crate) error: Refusal,
}

/// Why it has one.
#[derive(Deserialize)]
pub(crate) struct Refusal {
    #[serde(default)]
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(alias = "innerError")]
    pub(crate) innererror: Option<Box<Self>>,
}

/// Reads an answer. Why it can't be read stays unsaid: serde's text may quote what it found.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

/// Bytes of a field; `None` where it is absent, empty, or no base64url.
pub(crate) fn bytes(field: Option<&str>) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(field?).ok().filter(|bytes| !bytes.is_empty())
}

/// A plaintext, decoded without leaving a copy.
pub(crate) fn secret(field: Option<&str>) -> Option<Secret> {
    let text = field?;
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
    let length = BASE64_URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    bytes.truncate(length);
    Some(Secret::new(std::mem::take(&mut *bytes)))
}

/// The body of an operation: its algorithm and its fields, in a buffer large enough from the start (growing would
/// leave an unwiped copy).
pub(crate) fn operation(algorithm: &str, fields: &[(&str, &[u8])]) -> Zeroizing<Vec<u8>> {
    let room = |(name, bytes): &(&str, &[u8])| name.len() + 6 + bytes.len().div_ceil(3) * 4;
    let mut body = Zeroizing::new(Vec::with_capacity(16 + algorithm.len() + fields.iter().map(room).sum::<usize>()));
    body.extend_from_slice(b"{\"alg\":\"");
    body.extend_from_slice(algorithm.as_bytes());
    body.push(b'"');
    for (name, bytes) in fields {
        body.extend_from_slice(b",\"");
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(b"\":\"");
        let start = body.len();
        body.resize(start + bytes.len().div_ceil(3) * 4, 0);
        // The room is what base64 takes with padding, so it is enough without.
        let length = BASE64_URL_SAFE_NO_PAD.encode_slice(bytes, &mut body[start..]).unwrap_or_default();
        body.truncate(start + length);
        body.push(b'"');
    }
    body.push(b'}');
    body
}

#[cfg(test)]
mod tests {
    use super::{bytes, operation, secret};

    #[test]
    fn bodies_are_json_and_never_outgrow_their_buffer() {
        for length in 0..70 {
            let value = vec![0xFB; length];
            let fields: &[(&str, &[u8])] = &[("value", &value), ("aad", &[0xFE; 45])];
            let body = operation("RSA-OAEP-256", fields);
            let room = 16 + 12 + (5 + 6 + length.div_ceil(3) * 4) + (3 + 6 + 60);
            assert_eq!(body.capacity(), room, "it grew");
            let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(json["alg"], "RSA-OAEP-256");
            assert_eq!(secret(json["value"].as_str()).unwrap().expose(), value);
            assert_eq!(bytes(json["aad"].as_str()).unwrap(), [0xFE; 45]);
        }
    }

    #[test]
    fn what_is_no_base64url_is_none() {
        for text in ["", "A", "AAA=", "AA+A", "AA/A", "AA A", "é"] {
            assert_eq!(bytes(Some(text)), None, "{text}");
        }
        assert!(bytes(None).is_none() && secret(None).is_none() && secret(Some("A")).is_none());
        assert!(secret(Some("")).is_some_and(|it| it.is_empty()));
    }
}
