//! What a gRPC status of the other plugin says of it.

use std::error::Error as _;
use std::path::Path;

use tonic::{Code, Status, TimeoutExpired};
use trousseau_core::{ErrorKind, ProviderError};
use trousseau_http::quote;

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
        _ if timed_out(status) => (ErrorKind::Deadline, "it did not answer in time; see its log, and its KMS"),
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
    let said = quote(status.message());
    let text = format!("{method} of the plugin at {}: {:?}: {said}; {remedy}", socket.display(), status.code());
    Failed { ambiguous: opening && kind == ErrorKind::Server, error: ProviderError::new(kind, text) }
}

/// The client's own clock ended the call; it says so as if the connection had failed.
fn timed_out(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<TimeoutExpired>() {
            return true;
        }
        source = error.source();
    }
    false
}
