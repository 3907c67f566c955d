//! What AWS's refusals mean: one table by error code, the same for every operation.

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use trousseau_core::{ErrorKind, ProviderError};
use trousseau_http::quote;

/// The longest word of AWS's that is repeated, in bytes.
const MAX_WORD: usize = 250;

/// What was asked, for the error's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Encrypt,
    Decrypt,
    DescribeKey,
}

impl Asked {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "Encrypt",
            Self::Decrypt => "Decrypt",
            Self::DescribeKey => "DescribeKey",
        }
    }
}

/// A call that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: ProviderError,
    pub(crate) blames: Blames,
}

/// What a failure can be mended by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blames {
    /// Nothing that we have.
    Nothing,
    /// The credentials: others may be there by now.
    Credentials,
    /// A right that this role lacks.
    Permission,
}

/// The code, the kind, what to do, and whether AWS's own words are repeated. Those about signatures quote the request
/// with its session token.
const TABLE: &[(&str, ErrorKind, &str, bool)] = {
    use ErrorKind::{Denied, Disabled, Gone, Malformed, Server, Throttled, Unauthentic, Unreachable, Unusable};
    const CREDENTIALS: &str = "the credentials are wrong, expired or revoked; put good ones where they come from";
    const WAIT: &str = "AWS KMS has trouble; it is asked again";
    const SLOWER: &str = "too many calls: raise the account's KMS quota, or wait";
    const CHECK: &str = "check the key and its settings";
    &[
        ("AccessDenied", Denied, "", true),
        ("NotFound", Gone, "it was deleted, which nobody can undo", true),
        ("Disabled", Disabled, "enable it: `aws kms enable-key`", true),
        ("InvalidCiphertext", Unauthentic, "tampered, or of another key, cluster or encryption context", true),
        ("IncorrectKey", Unauthentic, "it was written under another key", true),
        ("InvalidKeyUsage", Unusable, "use a symmetric key (SYMMETRIC_DEFAULT, ENCRYPT_DECRYPT)", true),
        ("InvalidArn", Unusable, "correct `key`", true),
        ("UnsupportedOperation", Unusable, CHECK, true),
        ("Validation", Unusable, CHECK, false),
        ("ValidationError", Unusable, CHECK, false),
        ("MalformedCiphertext", Malformed, "it is damaged", false),
        ("KeyUnavailable", Unreachable, WAIT, true),
        ("DependencyTimeout", Server, WAIT, true),
        ("KMSInternal", Server, WAIT, true),
        ("InternalFailure", Server, WAIT, true),
        ("InternalServerError", Server, WAIT, true),
        ("ServiceUnavailable", Server, WAIT, true),
        ("Throttling", Throttled, SLOWER, true),
        ("Throttled", Throttled, SLOWER, true),
        ("LimitExceeded", Throttled, SLOWER, true),
        ("TooManyRequests", Throttled, SLOWER, true),
        ("RequestLimitExceeded", Throttled, SLOWER, true),
        ("ExpiredToken", Denied, CREDENTIALS, false),
        ("UnrecognizedClient", Denied, CREDENTIALS, false),
        ("InvalidClientTokenId", Denied, CREDENTIALS, false),
        ("MissingAuthenticationToken", Denied, CREDENTIALS, false),
        ("IncompleteSignature", Denied, CREDENTIALS, false),
        ("InvalidSignature", Denied, CREDENTIALS, false),
        ("SignatureDoesNotMatch", Denied, CREDENTIALS, false),
        ("RequestExpired", Denied, CREDENTIALS, false),
        ("OptInRequired", Denied, "the region or KMS is not enabled for this account", true),
    ]
};

/// Codes that blame the credentials.
const CREDENTIALS: &[&str] = &[
    "ExpiredToken",
    "UnrecognizedClient",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "IncompleteSignature",
    "InvalidSignature",
    "SignatureDoesNotMatch",
    "RequestExpired",
];

/// The failure that an error of the SDK is. `repeats` tells whether a text quotes what was to be wrapped.
pub(crate) fn failure<E>(
    asked: Asked,
    arn: &str,
    error: &SdkError<E, HttpResponse>,
    repeats: impl Fn(&str) -> bool,
) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let Some(cause) = find::<CredentialsError>(error) {
        return credentials(cause);
    }
    let on = format!("AWS KMS: {} with {arn}", asked.name());
    let plain = |kind: ErrorKind, text: String| Failure {
        error: ProviderError::new(kind, format!("{on}: {text}")),
        blames: Blames::Nothing,
    };
    match error {
        SdkError::ServiceError(refused) => {
            let status = refused.raw().status().as_u16();
            let said = Said { asked, on: &on, status, code: refused.err().code(), text: refused.err().message() };
            let mut failure = said.failure(&repeats);
            failure.error = failure.error.with_retry_after(retry_after(refused.raw()));
            failure
        }
        SdkError::TimeoutError(_) => {
            plain(ErrorKind::Unreachable, "no answer in time; is the endpoint right, and open?".into())
        }
        SdkError::DispatchFailure(failed) if failed.is_timeout() => {
            plain(ErrorKind::Unreachable, "no connection or no answer in time; is the endpoint right, and open?".into())
        }
        SdkError::DispatchFailure(failed) => {
            let cause = failed.as_connector_error().map(|error| causes(error)).unwrap_or_default();
            plain(ErrorKind::Unreachable, format!("no connection: {cause}"))
        }
        SdkError::ResponseError(broken) => match broken.raw().status().as_u16() {
            429 => plain(ErrorKind::Throttled, "answered 429".into()),
            status @ 500.. => plain(ErrorKind::Server, format!("answered {status}")),
            status => {
                plain(ErrorKind::BadAnswer, format!("answered {status} with what can't be read; is this AWS KMS?"))
            }
        },
        SdkError::ConstructionFailure(_) => {
            plain(ErrorKind::Unusable, "the request can't be made; check region and endpoint".into())
        }
        _ => plain(ErrorKind::Server, "failed in a way that is not known".into()),
    }
}

/// An answer with an error status.
struct Said<'a> {
    asked: Asked,
    on: &'a str,
    status: u16,
    code: Option<&'a str>,
    text: Option<&'a str>,
}

impl Said<'_> {
    fn failure(&self, repeats: &impl Fn(&str) -> bool) -> Failure {
        // `AccessDeniedException`, and without the last word where it came through STS or a gateway.
        let code = self.code.unwrap_or_default();
        let stem = code.strip_suffix("Exception").unwrap_or(code);
        let text = self.text.unwrap_or_default();
        let (kind, remedy, repeat) = self.meaning(stem, text);
        let said = match text {
            "" => String::new(),
            // A session token is one long word; an ARN is not that long.
            _ if !repeat || repeats(text) || text.split_whitespace().any(|word| word.len() > MAX_WORD) => String::new(),
            text => format!(": {}", quote(text)),
        };
        let code = if is_code(code) { Cow::Borrowed(code) } else { Cow::Owned(format!("status {}", self.status)) };
        let remedy = if remedy.is_empty() { String::new() } else { format!("; {remedy}") };
        let blames = match stem {
            "AccessDenied" => Blames::Permission,
            stem if CREDENTIALS.contains(&stem) => Blames::Credentials,
            _ => Blames::Nothing,
        };
        Failure { error: ProviderError::new(kind, format!("{}: {code}{said}{remedy}", self.on)), blames }
    }

    /// Kind, remedy, and whether AWS's words may be repeated.
    fn meaning(&self, stem: &str, text: &str) -> (ErrorKind, Cow<'static, str>, bool) {
        let skewed = ["Signature expired", "Signature not yet current", "not yet valid", "RequestTimeTooSkewed"];
        match stem {
            // NotFound for a key in another region than the endpoint's.
            "NotFound" if text.starts_with("Invalid arn") => {
                let remedy = "the endpoint is of another region than the key; correct `endpoint` or `key`";
                return (ErrorKind::Unusable, remedy.into(), true);
            }
            "KMSInvalidState" => return invalid_state(text),
            "AccessDenied" => {
                let remedy = format!(
                    "allow kms:{} on the key for this role, in its IAM policy or the key's policy, and look for \
                     conditions there on the encryption context",
                    self.asked.name()
                );
                return (ErrorKind::Denied, remedy.into(), true);
            }
            _ if CREDENTIALS.contains(&stem) && skewed.iter().any(|words| text.contains(words))
                || stem == "RequestTimeTooSkewed" =>
            {
                let remedy = "this machine's clock differs from AWS's by more than five minutes; set it (NTP)";
                return (ErrorKind::Denied, remedy.into(), false);
            }
            _ => {}
        }
        if let Some((_, kind, remedy, repeat)) = TABLE.iter().find(|(known, ..)| *known == stem) {
            return (*kind, Cow::Borrowed(*remedy), *repeat);
        }
        let kind = match self.status {
            status if status < 400 => {
                return (ErrorKind::BadAnswer, "it can't be read; is this AWS KMS?".into(), false);
            }
            429 => ErrorKind::Throttled,
            401 | 403 => ErrorKind::Denied,
            500.. => ErrorKind::Server,
            _ => ErrorKind::Unusable,
        };
        (kind, Cow::Borrowed("what this means is not known here"), false)
    }
}

/// A key in a state that allows no such call. In a custom key store it may be any passing trouble too.
fn invalid_state(text: &str) -> (ErrorKind, Cow<'static, str>, bool) {
    let (kind, remedy) = if text.contains("pending deletion") || text.contains("pending replica deletion") {
        (ErrorKind::Disabled, "call the deletion off: `aws kms cancel-key-deletion`, then `aws kms enable-key`")
    } else if text.contains("pending import") {
        (ErrorKind::Disabled, "its imported material is missing or has expired; import the same material again")
    } else if text.contains("disabled") {
        (ErrorKind::Disabled, "enable it: `aws kms enable-key`")
    } else {
        (ErrorKind::Server, "look at the key's state; is its custom key store connected?")
    };
    (kind, remedy.into(), true)
}

/// No credentials, or none that can be had now.
fn credentials(cause: &CredentialsError) -> Failure {
    let refused =
        ["AccessDenied", "InvalidIdentityToken", "ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch"];
    let chain = format!("{cause:?}");
    let code = refused.iter().find(|code| chain.contains(**code));
    let (kind, text) = match (cause, code) {
        (_, Some(code)) => {
            let text = format!(
                "a role can't be assumed: STS answered {code}; look at the role's trust policy (and its external id or \
                 service account), and at the credentials below it"
            );
            (ErrorKind::Denied, text)
        }
        (CredentialsError::CredentialsNotLoaded(_), _) => {
            let text = "no credentials were found: give an instance profile, a service account's role (IRSA or pod \
                        identity), a profile, or AWS_ACCESS_KEY_ID";
            (ErrorKind::Denied, text.to_owned())
        }
        (CredentialsError::InvalidConfiguration(_), _) => {
            let text = format!("the credentials' configuration can't be used: {}", causes(cause));
            (ErrorKind::Denied, text)
        }
        _ => (ErrorKind::Unreachable, format!("credentials can't be had now: {}", causes(cause))),
    };
    Failure { error: ProviderError::new(kind, format!("AWS: {text}")), blames: Blames::Credentials }
}

/// The first cause of this type, the error itself included.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The texts of an error and its causes, without what quotes a request.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        let quotes =
            ["Canonical", "Authorization", "security-token", "Credential="].iter().any(|word| text.contains(word));
        if !quotes && !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
        next = error.source();
    }
    quote(&texts.join(": "))
}

/// A code as an error text may repeat it.
fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte))
}

fn retry_after(response: &HttpResponse) -> Option<Duration> {
    response.headers().get("retry-after")?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::{CREDENTIALS, TABLE};

    #[test]
    fn every_code_stands_there_once_and_those_about_signatures_are_never_quoted() {
        for (at, (code, _, _, repeat)) in TABLE.iter().enumerate() {
            assert!(!TABLE[..at].iter().any(|(other, ..)| other == code), "{code} stands there twice");
            assert!(!(*repeat && CREDENTIALS.contains(code)), "{code}");
        }
        assert!(CREDENTIALS.iter().all(|code| TABLE.iter().any(|(known, ..)| known == code)));
    }
}
