//! What of a server's text may be repeated in an error and a log (I9).
//!
//! A server that fails may put anything into its text: what it was sent, or what it should have sent. So only what is
//! written like words, numbers, paths and addresses is repeated. Keys, tokens and seeds are random, and random bytes
//! look like none of these in any encoding: hex, base64, percent signs, escapes, lists of numbers, or as they are.

/// The longest text that is repeated, in bytes.
const MAX_TEXT: usize = 300;

/// What stands in the place of what isn't repeated.
const MASK: &str = "***";

/// The shortest word that is looked at by itself. A shorter one can't hold 12 bytes of a secret.
const LONG: usize = 12;

/// So many bytes in a row, each written as a number of its own, are a list of bytes.
const LIST: usize = 6;

/// A server's text fit for an error and a log: one line, bounded, without control characters, and `***` for every word
/// that may be a secret or a part of one.
///
/// What is known to be secret must be looked for by the caller: a password of plain words passes here.
#[must_use]
pub fn quote(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut line = String::new();
    let mut rest = words.as_slice();
    while let Some(first) = rest.first() {
        let listed = rest.iter().take_while(|word| is_byte(word.trim_matches(is_separator))).count();
        let (shown, taken) = if listed >= LIST { (MASK, listed) } else { (masked(first), 1) };
        rest = &rest[taken..];
        if shown == MASK && line.ends_with(MASK) {
            continue;
        }
        let separator = if line.is_empty() { "" } else { " " };
        if line.len() + separator.len() + shown.len() > MAX_TEXT {
            line.push_str(separator);
            line.push_str("...");
            break;
        }
        line.push_str(separator);
        line.push_str(shown);
    }
    line
}

/// Whether a text repeats a piece of what was sent, long enough to be part of a secret in base64: then it must not be
/// quoted.
#[must_use]
pub fn repeats(text: &str, sent: &[u8]) -> bool {
    const PIECE: usize = 16;
    text.as_bytes().windows(PIECE).any(|piece| sent.windows(PIECE).any(|other| other == piece))
}

fn masked(word: &str) -> &str {
    let unsafe_letters = !word.bytes().all(|byte| byte.is_ascii_graphic());
    if unsafe_letters || word.len() >= LONG && !is_plain(word) { MASK } else { word }
}

/// True for what consists of words, numbers, paths, host names and addresses.
fn is_plain(word: &str) -> bool {
    let mut row = 0;
    word.len() <= MAX_TEXT
        && word.split(is_separator).all(|piece| {
            row = if is_byte(piece) { row + 1 } else { 0 };
            row < LIST && is_word_or_number(piece)
        })
}

fn is_separator(letter: char) -> bool {
    letter.is_ascii_punctuation() && !matches!(letter, '%' | '+' | '\\' | '$' | '^' | '~')
}

/// `transit`, `Vault`, `TLS`, `v1`, `poly1305`, `8200`; nothing that goes up and down in kind.
fn is_word_or_number(piece: &str) -> bool {
    let letters = piece.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let digits = piece.len() - letters.len();
    let small = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase());
    let word = small(letters.get(1..).unwrap_or_default())
        && letters.bytes().next().is_none_or(|byte| byte.is_ascii_alphabetic());
    let shout = letters.len() <= 10 && letters.bytes().all(|byte| byte.is_ascii_uppercase());
    digits <= 5 && letters.len() <= 20 && (word || shout)
}

/// One byte in decimal or hex.
fn is_byte(piece: &str) -> bool {
    let piece = piece.strip_prefix("0x").unwrap_or(piece);
    (1..=3).contains(&piece.len()) && piece.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn what_servers_really_say_is_repeated() {
        for text in [
            "cipher: message authentication failed",
            "requested version for encryption is higher than the latest key version",
            "ciphertext or signature version is disallowed by policy (too old)",
            "'[0].associated_data' provided for non-AEAD cipher suite rsa-2048",
            "message encryption not supported for key type chacha20-poly1305",
            "no handler for route \"nomount/encrypt/k\". route entry not found.",
            "failed to RSA decrypt the ciphertext: crypto/rsa: decryption error",
            "error performing token check: dial tcp 127.0.0.1:8200: connect: connection refused",
            "failed to persist lease entry: write /opt/vault/data/raft.db: no space left on device",
            "unsupported path https://vault-0.vault.svc:8200/v1/transit/encrypt/kubernetes",
        ] {
            assert_eq!(quote(text), text);
        }
        assert_eq!(quote("1 error occurred:\n\t* permission denied\n\n"), "1 error occurred: * permission denied");
    }

    #[test]
    fn what_may_be_a_secret_is_not() {
        for secret in [
            "hvs.CAESIJ5SQ3G8mUQzLzn4Yy0FaUX6",
            "c2VjcmV0IHNlZWQgdGhhdCBub2JvZHkgc2VlcyE=",
            "3a7bd3e2360a3d29eea436fcfb7e44c7",
            "3A7BD3E2360A3D29EEA436FCFB7E44C7",
            "3a:7b:d3:e2:36:0a:3d:29:ee:a4",
            "[1,22,133,4,5,66,7,8,9]",
            "[1 22 133 4 5 66 7 8 9]",
            "01 22 33 44 55 66 77 88 ab cd",
            "0x01 0x22 0x33 0x44 0x55 0x66 0x77",
            "%3a%7b%d3%e2%36%0a",
            "\\x3a\\x7b\\xd3\\xe2",
            "\\u003a\\u007b\\u00d3",
            "é\u{1b}[31m",
            "\u{fffd}K\u{fffd}x",
            "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        ] {
            assert_eq!(quote(&format!("bad value {secret} given")), "bad value *** given");
        }
        assert_eq!(quote("https://gate/x?token=hvs.CAESIJ5SQ3G8mUQz"), "***");
    }

    #[test]
    fn a_long_text_is_cut() {
        let long = quote(&"word ".repeat(200));
        assert!(long.len() <= 304 && long.ends_with(" ..."), "{long}");
        assert_eq!(quote(&"é".repeat(400)), "***");
        assert_eq!(quote(""), "");
    }
}
