//! What both services share: the call's frame, its measurement, its log line, and its error on the wire.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status};
use tracing::warn;
use trousseau_core::events::{Bound, Event, Events as _};
use trousseau_core::{Api, Call, ErrorKind, ProviderError, error};
use trousseau_observe::{Metrics, Rpc};

use crate::current::{Current, StatusVersion};

/// What a service needs.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) current: Arc<Current>,
    pub(crate) status_version: StatusVersion,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) bounds: CallBounds,
}

/// A call as it arrived: when, for how long, and how many bytes its request has.
pub(crate) struct Frame {
    began: Instant,
    call: Call,
    size: usize,
}

/// Bounds on one call (I8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallBounds {
    /// The largest request, in bytes.
    pub request: usize,
    /// Kept back from the caller's deadline, so that our answer still arrives.
    pub margin: Duration,
}

impl Default for CallBounds {
    fn default() -> Self {
        Self { request: 64 * 1024, margin: Duration::from_millis(200) }
    }
}

/// kube-apiserver's default `timeout`, for a caller that names no deadline.
const UNNAMED: Duration = Duration::from_secs(3);

impl Shared {
    /// Frames a call as it arrives, before anything is taken out of its request.
    pub(crate) fn frame<M: Message>(&self, request: &Request<M>) -> Frame {
        Frame {
            began: Instant::now(),
            call: Call::within(self.time_for(request.metadata())),
            size: request.get_ref().encoded_len(),
        }
    }

    /// Runs one call: measures it, and logs a failure with the request's uid, if that is one as kube-apiserver makes
    /// them.
    pub(crate) async fn answer<T, F: Future<Output = Result<T, ProviderError>>>(
        &self,
        api: Api,
        operation: &'static str,
        uid: &str,
        Frame { began, call, size }: Frame,
        work: impl FnOnce(Call) -> F,
    ) -> Result<Response<T>, Status> {
        let outcome = if size > self.bounds.request {
            self.metrics.on(&Event::BoundHit(Bound::Request));
            let text = format!("the request has {size} bytes, at most {} are taken", self.bounds.request);
            Err(ProviderError::new(ErrorKind::Malformed, text))
        } else {
            work(call.clone()).await
        };
        let code = outcome.as_ref().err().map_or(Code::Ok, |error| grpc_code(error.kind().code()));
        let (took, waited) = (began.elapsed(), call.waited());
        self.metrics.rpc(Rpc { api: api.label(), operation, code: code_name(code), took, waited });
        outcome.map(Response::new).map_err(|error| {
            let text = error.chain();
            // Status fails again and again in an outage, which the probe's line has told already.
            if operation != "Status" && operation != "Version" {
                let uid = if is_uuid(uid) { uid } else { "" };
                let (api, kind, millis) = (api.label(), error.kind().label(), took.as_millis() as u64);
                warn!(api, operation, uid, kind, code = code_name(code), millis, error = text, "a call failed");
            }
            Status::new(code, text)
        })
    }

    fn time_for(&self, metadata: &MetadataMap) -> Duration {
        let named = metadata.get("grpc-timeout").and_then(|value| parse_timeout(value.to_str().ok()?));
        let time = named.unwrap_or(UNNAMED);
        // A very short deadline keeps most of its time for the work.
        time.saturating_sub(self.bounds.margin.min(time / 4))
    }
}

/// Hex digits in groups of 8, 4, 4, 4 and 12. What else a caller writes there may be anything, a secret too (I9).
fn is_uuid(uid: &str) -> bool {
    let groups = uid.split('-').map(str::len);
    groups.eq([8, 4, 4, 4, 12]) && uid.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// `grpc-timeout`: at most 8 digits and a unit (gRPC over HTTP/2, "Requests").
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

fn grpc_code(code: error::Code) -> Code {
    match code {
        error::Code::DataLoss => Code::DataLoss,
        error::Code::DeadlineExceeded => Code::DeadlineExceeded,
        error::Code::FailedPrecondition => Code::FailedPrecondition,
        error::Code::Internal => Code::Internal,
        error::Code::InvalidArgument => Code::InvalidArgument,
        error::Code::PermissionDenied => Code::PermissionDenied,
        error::Code::ResourceExhausted => Code::ResourceExhausted,
        error::Code::Unavailable => Code::Unavailable,
    }
}

/// The names that Kubernetes' own metrics use.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::DataLoss => "DataLoss",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Internal => "Internal",
        Code::InvalidArgument => "InvalidArgument",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::Unavailable => "Unavailable",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, is_uuid, parse_timeout};

    #[test]
    fn i9_only_a_uuid_is_logged_as_uid() {
        assert!(is_uuid("3f2504e0-4f89-11d3-9a0c-0305e82c3301"));
        for other in ["", "a-uid", "3f2504e04f8911d39a0c0305e82c3301", "3f2504e0-4f89-11d3-9a0c-0305e82c330g"] {
            assert!(!is_uuid(other), "{other}");
        }
    }

    #[test]
    fn the_callers_deadline_is_read() {
        assert_eq!(parse_timeout("3S"), Some(Duration::from_secs(3)));
        assert_eq!(parse_timeout("2999864u"), Some(Duration::from_micros(2_999_864)));
        for bad in ["", "S", "3", "3s", "123456789S", "-1S", "3\u{e9}"] {
            assert_eq!(parse_timeout(bad).filter(|time| !time.is_zero()), None, "{bad}");
        }
    }
}
