//! A server's own words, fit for an error text and a log line.

/// The longest text of a server that is repeated, in bytes.
const MAX_TEXT: usize = 300;

/// One line, no control characters, at most about 300 bytes.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        let separator = if line.is_empty() { "" } else { " " };
        let word: String = word.chars().flat_map(escaped).collect();
        if line.len() + separator.len() + word.len() > MAX_TEXT {
            let room = MAX_TEXT.saturating_sub(line.len() + separator.len());
            let cut = word.char_indices().map(|(at, _)| at).take_while(|at| *at <= room).last().unwrap_or(0);
            return format!("{line}{separator}{}...", &word[..cut]);
        }
        line.push_str(separator);
        line.push_str(&word);
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

fn escaped(letter: char) -> impl Iterator<Item = char> {
    let plain = !letter.is_control();
    plain.then_some(letter).into_iter().chain((!plain).then(|| letter.escape_default()).into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::{quote, repeats};

    #[test]
    fn a_servers_text_becomes_one_bounded_line() {
        assert_eq!(quote("1 error occurred:\n\t* permission denied\n\n"), "1 error occurred: * permission denied");
        assert_eq!(quote("a\u{1b}[31mb\0"), "a\\u{1b}[31mb\\u{0}");
        let long = quote(&"é".repeat(400));
        assert!(long.len() <= 304 && long.ends_with("..."), "{}", long.len());
        assert!(quote(&"word ".repeat(200)).len() <= 304);
    }

    #[test]
    fn a_text_that_repeats_the_request_is_noticed() {
        let body = br#"{"plaintext":"c2VjcmV0IHNlZWQgdGhhdCBub2JvZHkgc2VlcyE="}"#;
        assert!(repeats("bad value c2VjcmV0IHNlZWQgdGhhdCBub2JvZHk", body));
        assert!(!repeats("message authentication failed: '[0].associated_data' provided", body));
    }
}
