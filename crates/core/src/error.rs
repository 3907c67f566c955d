//! One error type for all providers: what failed, whether it may be tried again, how long to wait, and why.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::version::KeyVersion;

/// What failed. Each kind maps, exhaustively, to a gRPC code, a metric label and a retry rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The KMS key takes no additional authenticated data.
    AadUnsupported,
    /// An answer that can't be used: empty, oversized, not the expected shape, or a wrap that opens to something else.
    BadAnswer,
    /// The circuit breaker is open: the KMS failed several times in a row just now.
    BreakerOpen,
    /// The caller's time was up.
    Deadline,
    /// Policy, token or role forbids it.
    Denied,
    /// The key exists but is switched off or about to be deleted.
    Disabled,
    /// The KMS says that there is no such key.
    Gone,
    /// The node that answered is behind its peers.
    Lagging,
    /// The record can never be read: it was stored empty.
    Lost,
    /// The ciphertext isn't of a form that this KMS, or this plugin, writes.
    Malformed,
    /// Too many calls at once, here.
    QueueFull,
    /// The KMS is sealed or not initialised.
    Sealed,
    /// The KMS answered with a server error.
    Server,
    /// The writing key is gone or was replaced, or nothing is known of it yet; nothing is encrypted.
    Stopped,
    /// The KMS asked for fewer calls.
    Throttled,
    /// The ciphertext's key version is newer than any that the KMS has.
    TooNew,
    /// The ciphertext's key version is below what the KMS still decrypts.
    TooOld,
    /// Authentication failed: tampered, another key's, or another cluster's.
    Unauthentic,
    /// The key_id is none of ours.
    UnknownKeyId,
    /// No connection: name resolution, refused, TLS, cut short.
    Unreachable,
    /// The key, mount or request can't do what is asked of it; configuration has to change.
    Unusable,
    /// The KMS refuses to encrypt with the version that was named.
    VersionRefused,
    /// The answer was made with another key version than the one asked for.
    WrongVersion,
}

/// The gRPC status codes that the plugin answers with (google.rpc.Code).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named and documented by google.rpc.Code")]
pub enum Code {
    DataLoss,
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
}

/// How a failed call may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Never: the same call gives the same answer.
    No,
    /// After a pause that grows, or the one that the KMS asked for.
    Backoff,
    /// At once, and only once, on the KMS's active node.
    ActiveNode,
}

impl ErrorKind {
    /// The gRPC code for this kind (design: kinds and codes).
    pub fn code(self) -> Code {
        match self {
            Self::Denied => Code::PermissionDenied,
            Self::AadUnsupported | Self::Disabled | Self::Gone | Self::Stopped | Self::Unusable => {
                Code::FailedPrecondition
            }
            Self::BreakerOpen
            | Self::Lagging
            | Self::Sealed
            | Self::Server
            | Self::Unreachable
            | Self::VersionRefused
            | Self::WrongVersion => Code::Unavailable,
            Self::Malformed | Self::TooNew | Self::TooOld | Self::Unauthentic | Self::UnknownKeyId => {
                Code::InvalidArgument
            }
            Self::QueueFull | Self::Throttled => Code::ResourceExhausted,
            Self::Deadline => Code::DeadlineExceeded,
            Self::BadAnswer => Code::Internal,
            Self::Lost => Code::DataLoss,
        }
    }

    /// The label for metrics and logs: lower case, stable.
    pub fn label(self) -> &'static str {
        match self {
            Self::AadUnsupported => "aad_unsupported",
            Self::BadAnswer => "bad_answer",
            Self::BreakerOpen => "breaker_open",
            Self::Deadline => "deadline",
            Self::Denied => "denied",
            Self::Disabled => "disabled",
            Self::Gone => "gone",
            Self::Lagging => "lagging",
            Self::Lost => "lost",
            Self::Malformed => "malformed",
            Self::QueueFull => "queue_full",
            Self::Sealed => "sealed",
            Self::Server => "server",
            Self::Stopped => "stopped",
            Self::Throttled => "throttled",
            Self::TooNew => "too_new",
            Self::TooOld => "too_old",
            Self::Unauthentic => "unauthentic",
            Self::UnknownKeyId => "unknown_key_id",
            Self::Unreachable => "unreachable",
            Self::Unusable => "unusable",
            Self::VersionRefused => "version_refused",
            Self::WrongVersion => "wrong_version",
        }
    }

    /// Whether and how the guard tries again.
    pub fn retry(self) -> Retry {
        match self {
            Self::Sealed | Self::Server | Self::Throttled | Self::Unreachable | Self::WrongVersion => Retry::Backoff,
            Self::Lagging | Self::TooNew => Retry::ActiveNode,
            Self::AadUnsupported
            | Self::BadAnswer
            | Self::BreakerOpen
            | Self::Deadline
            | Self::Denied
            | Self::Disabled
            | Self::Gone
            | Self::Lost
            | Self::Malformed
            | Self::QueueFull
            | Self::Stopped
            | Self::TooOld
            | Self::Unauthentic
            | Self::UnknownKeyId
            | Self::Unusable
            | Self::VersionRefused => Retry::No,
        }
    }

    /// Whether it counts for the breaker. A tampered record must not shut Decrypt for everyone.
    pub fn trips_breaker(self) -> bool {
        matches!(self, Self::Deadline | Self::Server | Self::Throttled | Self::Unreachable)
    }

    /// Whether the KMS said nothing about the key: it could not be reached, or could not work. It may say it later.
    pub fn is_silence(self) -> bool {
        self == Self::Sealed || self.trips_breaker()
    }

    /// Whether, of several configured keys, the next one may be asked after this answer.
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::Gone | Self::Malformed | Self::TooNew | Self::TooOld | Self::Unauthentic)
    }
}

/// A failure of a provider or of what wraps it. The text says what failed, on what, and what to do next; it never
/// holds key material or credentials, which have types that can't be printed.
///
/// ```
/// use std::time::Duration;
/// use trousseau_core::error::{Code, ErrorKind, ProviderError, Retry};
///
/// let said = std::io::Error::other("503 slow down");
/// let error = ProviderError::new(ErrorKind::Throttled, "https://kms.example/v1/keys/k")
///     .with_retry_after(Some(Duration::from_secs(2)))
///     .with_source(said);
/// assert_eq!(error.chain(), "https://kms.example/v1/keys/k: 503 slow down");
/// // All the rest follows from the kind.
/// assert_eq!(error.kind().code(), Code::ResourceExhausted);
/// assert_eq!(error.kind().retry(), Retry::Backoff);
/// assert!(error.kind().trips_breaker());
/// assert_eq!(error.kind().label(), "throttled");
/// ```
#[derive(Debug)]
pub struct ProviderError {
    kind: ErrorKind,
    text: String,
    retry_after: Option<Duration>,
    used: Option<KeyVersion>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ProviderError {
    /// An error of this kind with this text.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), retry_after: None, used: None, source: None }
    }

    /// The cause below; its text is not repeated in this one's.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// How long the KMS asked to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// The key version that the KMS turned out to have used.
    #[must_use]
    pub(crate) fn with_used(mut self, version: KeyVersion) -> Self {
        self.used = Some(version);
        self
    }

    /// The key version that the KMS used instead of the one asked for, where opening a fresh wrap told.
    pub(crate) fn used(&self) -> Option<&KeyVersion> {
        self.used.as_ref()
    }

    /// What failed.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// How long the KMS asked to wait, if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The text with the texts of all causes, for a log line or a gRPC status.
    pub fn chain(&self) -> String {
        let mut text = self.text.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for ProviderError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
