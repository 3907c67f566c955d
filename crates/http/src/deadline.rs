//! Bounds on waiting, one per phase and one on the whole.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::{HttpError, Phase};

/// How long each phase of a request may take. A phase never outlasts what is left of `whole`.
///
/// The defaults fit inside the three seconds that kube-apiserver gives a KMS plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Name resolution, TCP, and a proxy's answer to CONNECT. Default 1 s.
    pub connect: Duration,
    /// The TLS handshake. Default 1 s.
    pub handshake: Duration,
    /// From a ready connection to the head of the answer. Default 2.5 s.
    pub first_byte: Duration,
    /// From [`Client::send`](crate::Client::send) to the last byte of the answer, a retry included. Default 2.5 s.
    pub whole: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            handshake: Duration::from_secs(1),
            first_byte: Duration::from_millis(2500),
            whole: Duration::from_millis(2500),
        }
    }
}

/// The clock of one request.
#[derive(Clone, Copy)]
pub(crate) struct Timer {
    deadlines: Deadlines,
    end: Instant,
}

impl Timer {
    pub(crate) fn start(deadlines: Deadlines) -> Self {
        Self { deadlines, end: Instant::now() + deadlines.whole }
    }

    /// When a phase that begins now has to end.
    pub(crate) fn until(&self, phase: Phase) -> Instant {
        let bound = match phase {
            Phase::Connect => self.deadlines.connect,
            Phase::Handshake => self.deadlines.handshake,
            Phase::FirstByte => self.deadlines.first_byte,
            Phase::Body => self.deadlines.whole,
        };
        self.end.min(Instant::now() + bound)
    }

    /// Runs `work` within the phase's bound and what is left of the whole; `to` is named in the error.
    pub(crate) async fn within<T>(
        &self,
        phase: Phase,
        to: &str,
        work: impl Future<Output = T>,
    ) -> Result<T, HttpError> {
        let began = Instant::now();
        let until = self.until(phase);
        timeout_at(until, work).await.map_err(|_| HttpError::Deadline {
            to: to.to_owned(),
            phase,
            limit: until - began,
        })
    }
}
