//! The key file's text: strict, and with errors that show where, but nothing of what stands there.

use std::path::Path;
use std::time::UNIX_EPOCH;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_saphyr::{Error as YamlError, Spanned};
use trousseau_core::SecretText;
use zeroize::Zeroizing;

use crate::error::LocalError;
use crate::material::{KEY_BYTES, Material};

const FIELDS: &str = "`version`, `created`, `activeFrom` and `key`";

/// The versions of a file, and what it looked like.
pub(crate) struct KeyFile {
    /// At least one; each number one more than the one before.
    pub(crate) versions: Vec<Version>,
    /// SHA-256 of the text, to see whether it changed.
    pub(crate) digest: [u8; 32],
}

pub(crate) struct Version {
    pub(crate) number: u32,
    /// Unix seconds.
    pub(crate) active_from: u64,
    pub(crate) material: Material,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    versions: Spanned<Vec<Row>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Row {
    version: Spanned<u32>,
    created: Spanned<String>,
    active_from: Spanned<String>,
    key: Spanned<KeyText>,
}

#[derive(Deserialize)]
#[serde(from = "String")]
struct KeyText(SecretText);

impl From<String> for KeyText {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

pub(crate) fn digest_of(text: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text).as_ref());
    bytes
}

impl KeyFile {
    /// Reads the text of the file at `path`, which serves the errors only.
    pub(crate) fn parse(path: &Path, text: &[u8]) -> Result<Self, LocalError> {
        let content = |line, problem| LocalError::Content { path: path.to_owned(), line, problem };
        let document: Document =
            std::str::from_utf8(text).map_err(|_| content(0, "is no UTF-8 text".to_owned())).and_then(|text| {
                serde_saphyr::from_str_with_options(text, serde_saphyr::options! { with_snippet: false }).map_err(
                    // The error itself is dropped: its text can quote the file.
                    |error| content(error.location().map_or(0, |at| at.line()), problem(&error)),
                )
            })?;
        let mut versions: Vec<Version> = Vec::with_capacity(document.versions.value.len());
        for row in document.versions.value {
            let last = versions.last().map(|version| version.number);
            let line = row.version.defined.line();
            check_number(row.version.value, last).map_err(|problem| content(line, problem))?;
            time(&row.created, "created").map_err(|problem| content(row.created.defined.line(), problem))?;
            let active_from = time(&row.active_from, "activeFrom")
                .map_err(|problem| content(row.active_from.defined.line(), problem))?;
            let key = key_bytes(&row.key.value.0).map_err(|problem| content(row.key.defined.line(), problem))?;
            versions.push(Version { number: row.version.value, active_from, material: Material::new(&key)? });
        }
        if versions.is_empty() {
            let line = document.versions.defined.line();
            return Err(content(line, "has no version; make a key file with `trousseau keygen`".to_owned()));
        }
        Ok(Self { versions, digest: digest_of(text) })
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Version> {
        let at = number.checked_sub(self.versions.first()?.number)?;
        self.versions.get(usize::try_from(at).ok()?)
    }
}

fn check_number(number: u32, last: Option<u32>) -> Result<(), String> {
    match last {
        _ if number == 0 => Err("version 0 is none; versions count from 1".to_owned()),
        Some(last) if last.checked_add(1) != Some(number) => Err(format!(
            "version {number} stands behind version {last}; each is one more than the one before, and only the \
             oldest may be taken out"
        )),
        _ => Ok(()),
    }
}

fn time(text: &Spanned<String>, field: &str) -> Result<u64, String> {
    humantime::parse_rfc3339(&text.value)
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map(|since| since.as_secs())
        .ok_or_else(|| format!("`{field}` is no time in UTC as RFC 3339 has it, like 2026-11-22T10:00:00Z"))
}

fn key_bytes(text: &SecretText) -> Result<Zeroizing<[u8; KEY_BYTES]>, String> {
    let mut decoded = Zeroizing::new(vec![0; text.expose().len()]);
    let length = STANDARD
        .decode_slice(text.expose(), &mut decoded)
        .map_err(|_| format!("`key` is no base64; it must be that of {KEY_BYTES} bytes"))?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    if length != KEY_BYTES {
        return Err(format!("`key` has {length} bytes; it must have {KEY_BYTES}"));
    }
    key.copy_from_slice(&decoded[..length]);
    Ok(key)
}

/// What a parser's error says, without what it quotes.
fn problem(error: &YamlError) -> String {
    match error.without_snippet() {
        YamlError::Eof { .. } => "is empty; make a key file with `trousseau keygen`".to_owned(),
        YamlError::MultipleDocuments { .. } => "a second YAML document begins; keep one".to_owned(),
        YamlError::SerdeMissingField { field, .. } => format!("`{field}` is missing"),
        YamlError::SerdeUnknownField { .. } => {
            format!("an unknown field; there is `versions`, a list of entries with {FIELDS}")
        }
        YamlError::DuplicateMappingKey { .. } => "a field stands twice; keep one".to_owned(),
        _ => format!("is not what a key file looks like: `versions:`, a list of entries with {FIELDS}"),
    }
}

#[cfg(test)]
mod tests;
