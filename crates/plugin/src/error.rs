//! What a gRPC status of the other plugin says of it.

use std::error::Error as _;
use std::path::Path;

use tonic::{Code, Status};
use trousseau_core::{ErrorKind, ProviderError};

/// How much of another plugin's text is repeated, in characters.
const QUOTED: usize = 200;

/// A failed call.
pub(crate) struct Failed {
    /// The code says nothing about whose fault it was: plugins answer so to a tampered record and to an outage alike.
    pub(crate) ambiguous: bool,
    pub(crate) error: ProviderError,
}

impl From<ProviderError> for Failed {
    fn from(error: ProviderError) -> Self {
        Self { ambiguous: false, error }
    }
}

impl From<Failed> for ProviderError {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

/// A status as a failure. `opening` = it answers a Decrypt, which is about one record.
pub(crate) fn failed(socket: &Path, method: &str, opening: bool, status: &Status) -> Failed {
    let unreachable = (ErrorKind::Unreachable, "see that it runs, and that we may connect");
    let (kind, remedy) = match status.code() {
        // Only what was made on this side has a source: a connection refused or lost.
        _ if status.source().is_some() => unreachable,
        Code::InvalidArgument | Code::OutOfRange | Code::DataLoss if opening => {
            (ErrorKind::Unauthentic, "it did not write this record, or it was changed since")
        }
        Code::Unavailable | Code::Cancelled => unreachable,
        Code::DeadlineExceeded => (ErrorKind::Deadline, "see its log, and its KMS"),
        Code::ResourceExhausted => (ErrorKind::Throttled, "it asks for fewer calls"),
        Code::PermissionDenied | Code::Unauthenticated => (ErrorKind::Denied, "see what its KMS lets it do"),
        Code::NotFound => (ErrorKind::Gone, "see its key in its KMS"),
        Code::Unimplemented => (ErrorKind::Unusable, "it speaks the other KMS API: change `api`"),
        Code::FailedPrecondition | Code::InvalidArgument | Code::OutOfRange | Code::DataLoss => {
            (ErrorKind::Unusable, "see its log and its configuration")
        }
        _ => (ErrorKind::Server, "see its log"),
    };
    let said: String = status.message().chars().filter(|letter| !letter.is_control()).take(QUOTED).collect();
    let text = format!("{method} of the plugin at {}: {:?}: {said}; {remedy}", socket.display(), status.code());
    Failed { ambiguous: opening && kind == ErrorKind::Server, error: ProviderError::new(kind, text) }
}
