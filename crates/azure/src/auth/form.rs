//! A form as a login's body: percent-encoded, in a buffer that is wiped.

use trousseau_http::Zeroizing;

/// `name=value&...`, in a buffer large enough from the start (growing would leave an unwiped copy).
pub(super) fn form(fields: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    let room = fields.iter().map(|(name, value)| name.len() + 2 + 3 * value.len()).sum();
    let mut body = Zeroizing::new(Vec::with_capacity(room));
    for (name, value) in fields {
        if !body.is_empty() {
            body.push(b'&');
        }
        body.extend_from_slice(name.as_bytes());
        body.push(b'=');
        encode(value, &mut body);
    }
    body
}

/// Percent-encodes a value for a query.
pub(super) fn encoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(3 * value.len());
    encode(value, &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// RFC 3986: unreserved letters stay.
fn encode(value: &str, to: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            to.push(byte);
        } else {
            to.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::form;

    #[test]
    fn forms_are_encoded_and_never_outgrow_their_buffer() {
        let body = form(&[("a", "x~Y.9"), ("client_secret", "é&=+% /")]);
        assert_eq!(&**body, b"a=x~Y.9&client_secret=%C3%A9%26%3D%2B%25%20%2F");
        assert_eq!(body.capacity(), 3 + 15 + 15 + 24);
    }
}
