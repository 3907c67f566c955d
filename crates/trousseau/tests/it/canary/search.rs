//! The search for what must not get out: each secret in every form that a program is likely to print it in, and any
//! piece of it that is long enough to matter.

use std::collections::HashMap;
use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// The shortest piece of a secret that counts as a leak, in bytes of the secret.
pub(crate) const PIECE: usize = 12;

/// All forms have at least as many bytes; the index is by these.
const INDEX: usize = 8;

/// A planted secret.
#[derive(Clone)]
pub(crate) struct Canary {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
}

impl Canary {
    /// 32 bytes that look like a key or a seed, the same ones for the same name.
    pub(crate) fn bytes(name: &'static str) -> Self {
        Self { name, bytes: digest(&SHA256, name.as_bytes()).as_ref().to_vec() }
    }

    /// A text that looks like a token or a password.
    pub(crate) fn text(name: &'static str, prefix: &str) -> Self {
        let random = URL_SAFE_NO_PAD.encode(digest(&SHA256, name.as_bytes()));
        Self { name, bytes: format!("{prefix}{random}").into_bytes() }
    }

    /// The text of one that is a text.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    /// In standard base64.
    pub(crate) fn base64(&self) -> String {
        STANDARD.encode(&self.bytes)
    }
}

/// A form: its name, and a piece of a secret in it.
type Form = (&'static str, fn(&[u8]) -> Option<Vec<u8>>);

/// Forms in which a piece looks the same wherever in the secret it stands. Base64 is none of them.
const FORMS: &[Form] = &[
    ("raw", |piece| Some(piece.to_vec())),
    ("hex", |piece| Some(each(piece, |byte| format!("{byte:02x}")))),
    ("HEX", |piece| Some(each(piece, |byte| format!("{byte:02X}")))),
    ("hex with spaces", |piece| Some(joined(piece, " ", |byte| format!("{byte:02x}")))),
    ("hex with colons", |piece| Some(joined(piece, ":", |byte| format!("{byte:02x}")))),
    ("percent", |piece| Some(each(piece, |byte| percent(byte, false)))),
    ("percent, lower case", |piece| Some(each(piece, |byte| percent(byte, true)))),
    ("JSON", |piece| {
        let text = serde_json::to_string(std::str::from_utf8(piece).ok()?).ok()?;
        Some(text[1..text.len() - 1].into())
    }),
    ("JSON in JSON", |piece| {
        let once = serde_json::to_string(std::str::from_utf8(piece).ok()?).ok()?;
        let twice = serde_json::to_string(&once[1..once.len() - 1]).ok()?;
        Some(twice[1..twice.len() - 1].into())
    }),
    ("\\u escapes", |piece| Some(each(piece, |byte| format!("\\u{byte:04x}")))),
    ("\\x escapes", |piece| Some(piece.escape_ascii().to_string().into())),
    ("Latin-1", |piece| Some(piece.iter().map(|byte| char::from(*byte)).collect::<String>().into())),
    ("Rust's list", |piece| Some(joined(piece, ", ", |byte| byte.to_string()))),
    ("Go's or JSON's list", |piece| Some(joined(piece, ",", |byte| byte.to_string()))),
    ("Go's list", |piece| Some(joined(piece, " ", |byte| byte.to_string()))),
];

fn each(piece: &[u8], form: impl Fn(u8) -> String) -> Vec<u8> {
    piece.iter().map(|byte| form(*byte)).collect::<String>().into()
}

fn joined(piece: &[u8], between: &str, form: impl Fn(u8) -> String) -> Vec<u8> {
    piece.iter().map(|byte| form(*byte)).collect::<Vec<_>>().join(between).into()
}

fn percent(byte: u8, lower: bool) -> String {
    match byte {
        b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
        _ if lower => format!("%{byte:02x}"),
        _ => format!("%{byte:02X}"),
    }
}

/// The letters of base64 that depend on nothing but the piece, when `before` bytes (0 to 2) stand before it in its
/// group of three.
fn aligned(piece: &[u8], before: usize) -> String {
    let text = STANDARD_NO_PAD.encode([&[0; 2][..before], piece].concat());
    let whole = (before + piece.len()) * 8 / 6;
    let mixed = [0, 2, 3][before];
    text[mixed..whole].to_owned()
}

/// Where a piece of a secret was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Leak {
    pub(crate) canary: &'static str,
    pub(crate) form: &'static str,
    pub(crate) at: usize,
}

struct Pattern {
    text: Vec<u8>,
    canary: &'static str,
    form: &'static str,
}

/// What is searched for.
pub(crate) struct Search(HashMap<[u8; INDEX], Vec<Pattern>>);

impl Search {
    pub(crate) fn new<'a>(canaries: impl IntoIterator<Item = &'a Canary>) -> Self {
        let mut search = Self(HashMap::new());
        for Canary { name, bytes } in canaries {
            assert!(bytes.len() >= PIECE, "{name} is too short to be searched for");
            for piece in bytes.windows(PIECE) {
                for (form, make) in FORMS {
                    make(piece).into_iter().for_each(|text| search.add(name, form, text));
                }
                for before in 0..3 {
                    let text = aligned(piece, before);
                    search.add(name, "base64url", text.replace('+', "-").replace('/', "_").into());
                    // As JSON and URLs carry it.
                    search.add(name, "base64 in a URL", text.replace('+', "%2B").replace('/', "%2F").into());
                    search.add(name, "base64", text.into());
                }
            }
        }
        search
    }

    fn add(&mut self, canary: &'static str, form: &'static str, text: Vec<u8>) {
        let first = *text.first_chunk().expect("every form is long enough");
        let known = self.0.entry(first).or_default();
        if known.iter().all(|pattern| pattern.text != text) {
            known.push(Pattern { text, canary, form });
        }
    }

    /// The first piece of a secret in there.
    pub(crate) fn find(&self, output: &[u8]) -> Option<Leak> {
        (0..output.len().saturating_sub(INDEX - 1)).find_map(|at| {
            let rest = &output[at..];
            let patterns = self.0.get(rest.first_chunk::<INDEX>()?)?;
            let found = patterns.iter().find(|pattern| rest.starts_with(&pattern.text))?;
            Some(Leak { canary: found.canary, form: found.form, at })
        })
    }
}

/// Everything that got out of the product, by where it got out.
#[derive(Default)]
pub(crate) struct Outputs(Vec<(String, Vec<u8>)>);

impl Outputs {
    pub(crate) fn add(&mut self, place: impl Into<String>, output: impl Into<Vec<u8>>) {
        self.0.push((place.into(), output.into()));
    }

    /// True if a text is in some output: a proof that the path that prints it was driven.
    pub(crate) fn contain(&self, text: &str) -> bool {
        self.count(text) > 0
    }

    /// How many outputs have a text.
    pub(crate) fn count(&self, text: &str) -> usize {
        let has = |output: &[u8]| output.windows(text.len()).any(|window| window == text.as_bytes());
        self.0.iter().filter(|(_, output)| has(output)).count()
    }

    /// Ends the test if a secret is in any of them.
    pub(crate) fn assert_clean(&self, search: &Search) {
        let mut report = String::new();
        for (place, output) in &self.0 {
            if let Some(Leak { canary, form, at }) = search.find(output) {
                let around = &output[at.saturating_sub(200)..output.len().min(at + 120)];
                let around = String::from_utf8_lossy(around);
                writeln!(report, "{canary} ({form}) in {place}, at byte {at}:\n  ...{around}...").unwrap();
            }
        }
        assert!(report.is_empty(), "i9: a secret got out:\n{report}");
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE;

    use super::{Canary, FORMS, PIECE, STANDARD, STANDARD_NO_PAD, Search, URL_SAFE_NO_PAD};
    use base64::Engine as _;

    fn planted(search: &Search, canary: &Canary, form: &str, text: &[u8]) {
        let output = [b"2026-11-23 WARN something failed: ", text, b"; try again\n"].concat();
        let leak = search.find(&output);
        let leak = leak.unwrap_or_else(|| panic!("{} as {form} is not found", canary.name));
        assert_eq!(leak.canary, canary.name, "{form}");
        assert!((20..60).contains(&leak.at) || form.contains("a piece"), "{form}: {leak:?}");
    }

    #[test]
    fn the_search_finds_a_planted_leak_in_each_form() {
        let odd = Canary { name: "odd", bytes: "pass\"w\\rd/+?&=%~ é\u{7}\n-#[]{}".into() };
        let canaries = [Canary::bytes("seed"), Canary::text("token", "hvs."), odd];
        let search = Search::new(&canaries);
        for canary in &canaries {
            for (form, make) in FORMS {
                let Some(whole) = make(&canary.bytes) else { continue };
                planted(&search, canary, form, &whole);
                for at in 0..=canary.bytes.len() - PIECE {
                    // A piece that begins within a letter is no text.
                    let Some(piece) = make(&canary.bytes[at..at + PIECE]) else { continue };
                    planted(&search, canary, form, &piece);
                }
            }
            for before in 0..3 {
                let message = [&b"xy"[..before], &canary.bytes].concat();
                for text in [
                    STANDARD.encode(&message),
                    STANDARD_NO_PAD.encode(&message),
                    URL_SAFE.encode(&message),
                    URL_SAFE_NO_PAD.encode(&message),
                ] {
                    planted(&search, canary, "base64", text.as_bytes());
                }
                let piece = STANDARD.encode([&b"xy"[..before], &canary.bytes[5..5 + PIECE]].concat());
                planted(&search, canary, "base64 of a piece", piece.as_bytes());
            }
        }
    }

    #[test]
    fn the_search_finds_nothing_where_nothing_is() {
        let search = Search::new(&[Canary::bytes("seed"), Canary::text("token", "hvs.")]);
        assert_eq!(search.find(b""), None);
        assert_eq!(search.find(b"hvs."), None);
        let other = Canary::bytes("another");
        for (_, make) in FORMS {
            assert_eq!(search.find(&make(&other.bytes).unwrap_or_default()), None);
        }
        assert_eq!(search.find(other.base64().as_bytes()), None);
        let short = &Canary::bytes("seed").bytes[..PIECE - 1];
        assert_eq!(search.find(short), None, "a piece shorter than {PIECE} bytes is not looked for");
    }
}
