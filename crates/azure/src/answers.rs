//! What Key Vault's refusals mean: by the codes that it documents, by its texts where one code says several things,
//! then by the status (learn.microsoft.com/azure/key-vault/general/rest-error-codes).

use trousseau_core::{ErrorKind, ProviderError};
use trousseau_http::{Response, quote};

use crate::ask::{Ask, Purpose};
use crate::wire::{self, Refusal};

/// The first row of which code and text are found in the answer counts. A code is the inner one where there is one.
const TABLE: &[(&str, &str, Meaning)] = &[
    ("KeyDisabled", "", Meaning::Disabled),
    ("", "on a disabled key", Meaning::Disabled),
    ("ObjectIsDeletedButRecoverable", "", Meaning::SoftDeleted),
    ("ObjectIsBeingDeleted", "", Meaning::SoftDeleted),
    ("ObjectIsBeingRecovered", "", Meaning::SoftDeleted),
    ("KeyExpired", "", Meaning::NotValid),
    ("KeyNotYetValid", "", Meaning::NotValid),
    ("", "expired key", Meaning::NotValid),
    ("", "not yet valid", Meaning::NotValid),
    ("KeyOperationForbidden", "", Meaning::KeyOps),
    ("", "is not permitted on this key", Meaning::KeyOps),
    ("ForbiddenByFirewall", "", Meaning::Firewall),
    ("ForbiddenByConnection", "", Meaning::Firewall),
    ("", "address is not authorized", Meaning::Firewall),
    ("", "public network access is disabled", Meaning::Firewall),
    ("VaultNotFound", "", Meaning::NoVault),
    ("KeyNotFound", "", Meaning::NotFound),
    ("Throttled", "", Meaning::Throttled),
    ("TooManyRequests", "", Meaning::Throttled),
];

#[derive(Clone, Copy)]
enum Meaning {
    Disabled,
    SoftDeleted,
    NotValid,
    KeyOps,
    Firewall,
    NoVault,
    NotFound,
    Throttled,
}

/// The error that an answer with an error status is. `secret` tells a text that repeats the token.
pub(crate) fn error(url: &str, ask: &Ask<'_>, answer: &Response, secret: &dyn Fn(&str) -> bool) -> ProviderError {
    let refused = wire::parse::<wire::Refused>(&answer.body).map(|refused| refused.error);
    let status = answer.status.as_u16();
    let row = refused.as_ref().and_then(|refusal| {
        let fits = |(code, text, _): &&(&str, &str, Meaning)| {
            (code.is_empty() || refusal.codes().any(|said| said.eq_ignore_ascii_case(code)))
                && refusal.message.to_ascii_lowercase().contains(text)
        };
        TABLE.iter().find(fits).map(|(.., meaning)| *meaning)
    });
    let (kind, remedy) = match row {
        Some(meaning) => meaning.verdict(ask),
        None => by_status(status, ask, refused.is_some()),
    };
    let said = match &refused {
        Some(refusal) => {
            let code = refusal.codes().last().unwrap_or_default();
            let text = format!("{code}: {}", refusal.message);
            let repeated = secret(&text) || ask.body.is_some_and(|body| trousseau_http::repeats(&text, body));
            if repeated {
                ": (its text repeats the request and is left out)".to_owned()
            } else {
                format!(": {}", quote(&text))
            }
        }
        None => ": (not in Key Vault's words)".to_owned(),
    };
    let text = format!("{url} answered {status}{said}; {remedy}");
    ProviderError::new(kind, text).with_retry_after(answer.retry_after())
}

impl Refusal {
    /// The outer code, then the inner ones.
    fn codes(&self) -> impl Iterator<Item = &str> {
        let mut next = Some(self);
        std::iter::from_fn(move || {
            let refusal = next?;
            next = refusal.innererror.as_deref();
            Some(refusal.code.as_str())
        })
        .filter(|code| !code.is_empty())
    }
}

impl Meaning {
    fn verdict(self, ask: &Ask<'_>) -> (ErrorKind, String) {
        let Ask { purpose, key, .. } = ask;
        let word = purpose.word();
        match self {
            Self::Disabled => (ErrorKind::Disabled, format!("enable the version of `{key}` again")),
            Self::SoftDeleted => {
                (ErrorKind::Disabled, format!("recover it: `az keyvault key recover --name {key}`; don't purge it"))
            }
            // It still decrypts; a probe looks for a version that may encrypt.
            Self::NotValid => {
                let remedy =
                    format!("the next probe looks for another version; extend the dates of `{key}`, or rotate it");
                (ErrorKind::VersionRefused, remedy)
            }
            Self::KeyOps => (ErrorKind::Unusable, format!("add `{word}` to the permitted operations of `{key}`")),
            Self::Firewall => {
                (ErrorKind::Denied, "allow this machine in the vault's networking, or use its private endpoint".into())
            }
            Self::NoVault => (ErrorKind::Unusable, "there is no such vault; check `vault`, or recover it".into()),
            Self::NotFound => not_found(key),
            Self::Throttled => (ErrorKind::Throttled, "wait, or spread the load over several vaults".into()),
        }
    }
}

fn not_found(key: &str) -> (ErrorKind, String) {
    let remedy = format!(
        "recover it (`az keyvault key recover --name {key}`) or restore its backup: a new key can't read old data"
    );
    (ErrorKind::Gone, remedy)
}

fn by_status(status: u16, ask: &Ask<'_>, in_its_words: bool) -> (ErrorKind, String) {
    let Ask { purpose, key, .. } = ask;
    let word = purpose.word();
    match status {
        // Which field is wrong stands in the text at best: of a decryption it is the ciphertext, as all else is ours.
        400 if *purpose == Purpose::Decrypt && in_its_words => {
            (ErrorKind::Unauthentic, "the record is damaged, or of another key or cluster".into())
        }
        401 => (ErrorKind::Denied, "the token was refused: check tenant, `resource` and the machine's clock".into()),
        403 => {
            let remedy = format!(
                "give this identity the role `Key Vault Crypto User` (of an HSM: `Managed HSM Crypto User`) on `{key}`, or \
                 the permission `{word}` in the vault's access policy; that takes some minutes to count"
            );
            (ErrorKind::Denied, remedy)
        }
        404 if in_its_words => not_found(key),
        404 => (ErrorKind::Unusable, "check `vault`: no Key Vault answers there".into()),
        408 | 409 => (ErrorKind::Server, "it is tried again".into()),
        429 => (ErrorKind::Throttled, "wait, or spread the load over several vaults".into()),
        400..500 => (ErrorKind::Unusable, "check the type of the key, `algorithm` and this section".into()),
        500.. => (ErrorKind::Server, "look at Azure's status page and at whatever stands in between".into()),
        _ => (ErrorKind::BadAnswer, "is this address a vault's?".into()),
    }
}
