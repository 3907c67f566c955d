//! What Vault's and OpenBao's refusals mean. They have no error codes: their texts are matched before the status code,
//! from one table whose every row is checked against a real server.

use std::borrow::Cow;
use std::time::Duration;

use trousseau_core::{ErrorKind, ProviderError};
use trousseau_http::quote;

use crate::wire;

/// An answer with an error status, and what its error text needs.
pub(crate) struct Answered<'a> {
    pub(crate) purpose: Purpose,
    /// Scheme, host and path.
    pub(crate) url: &'a str,
    /// The path behind `/v1/`.
    pub(crate) path: &'a str,
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    pub(crate) retry_after: Option<Duration>,
    pub(crate) location: Option<&'a str>,
    /// Whether a text repeats the token or the request.
    pub(crate) repeats: &'a dyn Fn(&str) -> bool,
    /// Where the token comes from.
    pub(crate) token_from: &'a str,
    pub(crate) hint: Hint,
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Encrypt,
    Decrypt,
    ReadKey,
    /// The token's own affairs, or the server's health.
    Other,
}

/// What is known beside the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// Nothing.
    None,
    /// Vault refuses the token itself, whatever it asks for.
    TokenRefused,
}

/// The first row whose text is found in the answer counts.
const TABLE: &[(&str, ErrorKind, &str)] = &[
    ("is sealed", ErrorKind::Sealed, "unseal it, or find out why it was sealed"),
    ("not initialized", ErrorKind::Sealed, "initialise and unseal it"),
    ("has been locked by an administrator", ErrorKind::Sealed, "unlock the API of the namespace"),
    ("version is too new", ErrorKind::TooNew, "the node lags, an older backup was restored, or it is another key"),
    ("message authentication failed", ErrorKind::Unauthentic, "tampered, or of another key or cluster"),
    ("failed to RSA decrypt", ErrorKind::Unauthentic, "tampered, or of another key"),
    (
        "disallowed by policy (too old)",
        ErrorKind::TooOld,
        "lower the key's min_decryption_version, or it stays unreadable",
    ),
    ("invalid ciphertext", ErrorKind::Malformed, "it is damaged, or transit did not write it"),
    ("missing ciphertext", ErrorKind::Malformed, "the record is empty"),
    ("requested version for encryption", ErrorKind::VersionRefused, "another version is chosen by the next probe"),
    ("no such key version", ErrorKind::VersionRefused, "another version is chosen by the next probe"),
    ("for non-AEAD cipher suite", ErrorKind::AadUnsupported, "set `aad: off`, or use a key of type aes256-gcm96"),
    ("missing 'context' for key derivation", ErrorKind::Unusable, "use a key without derivation (`derived=false`)"),
    ("not supported for key type", ErrorKind::Unusable, "use a key of type aes256-gcm96"),
    ("encryption key not found", ErrorKind::Gone, "restore it from Vault's backup; a new one can't read old data"),
    ("soft deleted", ErrorKind::Disabled, "restore the key in OpenBao"),
    ("soft-deleted", ErrorKind::Disabled, "restore the key in OpenBao"),
    ("no handler for route", ErrorKind::Unusable, "correct transit.mount and namespace, or mount transit there"),
    ("unsupported path", ErrorKind::Unusable, "correct transit.mount or transit.key: transit does not serve that path"),
    ("rate limit quota exceeded", ErrorKind::Throttled, "raise the quota, or wait"),
    ("lease count quota exceeded", ErrorKind::Throttled, "raise the quota, or wait"),
    ("overloaded", ErrorKind::Throttled, "wait, or give Vault more resources"),
    ("required index state not present", ErrorKind::Lagging, "the node lags behind the active one"),
    ("in standby mode", ErrorKind::Unreachable, "address the active node, or a load balancer that finds it"),
    ("DR secondary", ErrorKind::Unreachable, "address the primary cluster"),
];

/// The error that an answer is.
pub(crate) fn error(answered: &Answered<'_>) -> ProviderError {
    let texts = wire::errors(answered.body);
    let reason = texts.as_ref().map(|texts| texts.join("; "));
    let row = reason.as_deref().and_then(|reason| TABLE.iter().find(|(text, ..)| reason.contains(text)));
    let (kind, remedy) = match row {
        // What can't be encrypted with is `refused`; what can't be decrypted with is gone for good.
        Some(("no such key version", ..)) if answered.purpose == Purpose::Decrypt => {
            (ErrorKind::TooOld, "the version was trimmed from the key; restore it from Vault's backup".into())
        }
        Some((_, kind, remedy)) => (*kind, Cow::Borrowed(*remedy)),
        None => by_status(answered, reason.as_deref()),
    };
    let said = match &reason {
        Some(text) if text.is_empty() => String::new(),
        Some(text) if (answered.repeats)(text) => ": (its text repeats the request and is left out)".to_owned(),
        Some(text) => format!(": {}", quote(text)),
        None => ": (not in Vault's words)".to_owned(),
    };
    let text = format!("{} answered {}{said}; {remedy}", answered.url, answered.status);
    ProviderError::new(kind, text).with_retry_after(answered.retry_after)
}

/// Whether a 403 says itself that the token is at fault. OpenBao never does.
pub(crate) fn blames_token(body: &[u8]) -> bool {
    said(body, "invalid token")
}

/// Whether a 400 means that requests may not ask for the active node.
pub(crate) fn refuses_forwarding(body: &[u8]) -> bool {
    said(body, "forwarding via header")
}

fn said(body: &[u8], what: &str) -> bool {
    wire::errors(body).is_some_and(|texts| texts.iter().any(|text| text.contains(what)))
}

fn by_status(answered: &Answered<'_>, reason: Option<&str>) -> (ErrorKind, Cow<'static, str>) {
    use ErrorKind::{BadAnswer, Denied, Gone, Lagging, Sealed, Server, Throttled, Unreachable, Unusable};
    let (kind, remedy) = match answered.status {
        300..400 => {
            let to = answered.location.filter(|location| !(answered.repeats)(location));
            let to = to.map(|location| format!(" to {}", quote(location))).unwrap_or_default();
            let remedy = format!(
                "the node is a standby that redirects{to} instead of forwarding, and redirects are not followed; address \
                 the active node, or a load balancer that finds it"
            );
            return (Unreachable, remedy.into());
        }
        401 | 403 => return (Denied, denied(answered, reason).into()),
        404 if reason == Some("") && answered.purpose == Purpose::ReadKey => {
            (Gone, "there is no such key; restore it from Vault's backup: a new one can't read old data")
        }
        404 => (Unusable, "check `address`, `namespace` and `transit.mount`"),
        412 => (Lagging, "the node lags behind the active one"),
        429 => (Throttled, "wait, or raise the quota"),
        472 => (Unreachable, "the cluster is a disaster-recovery secondary; address the primary one"),
        473 | 474 => (Unreachable, "the node is a standby; address the active one"),
        501 => (Sealed, "Vault is not initialised; initialise and unseal it"),
        400..500 => (Unusable, "the request can't be served as it is; check the key, its mount and this section"),
        500.. => (Server, "look at Vault's log and at whatever stands in front of it"),
        _ => (BadAnswer, "is this address Vault's?"),
    };
    (kind, remedy.into())
}

/// Which policy line is missing, or that it is the token.
fn denied(answered: &Answered<'_>, reason: Option<&str>) -> String {
    let Answered { purpose, path, token_from, .. } = answered;
    if reason.is_some_and(|reason| reason.contains("invalid token")) {
        return format!("{token_from} is wrong, expired or revoked; put a new one there");
    }
    let right = if *purpose == Purpose::ReadKey { "read" } else { "update" };
    let line = format!("`path \"{path}\" {{ capabilities = [\"{right}\"] }}`");
    if answered.hint == Hint::TokenRefused {
        return format!(
            "Vault refuses lookup-self too, so {token_from} is probably wrong, expired or revoked: put a new one there. If \
             it is good, its policy lacks {line}"
        );
    }
    let add = format!("add {line} to the token's policy");
    match purpose {
        Purpose::ReadKey => format!("{add}, or set `identity: version`"),
        Purpose::Encrypt => format!("{add}; or the key does not exist: Vault answers the same then"),
        Purpose::Decrypt | Purpose::Other => add,
    }
}
