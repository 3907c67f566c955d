mod bounds;
mod breaker;
mod retry;

use std::sync::Arc;
use std::time::Duration;

use super::{Guard, Limits};
use crate::error::{ErrorKind, ProviderError};
use crate::fake::{FakeProvider, Fault, Recorder};
use crate::provider::{Call, Provider};
use crate::secret::Secret;

struct Guarded {
    kms: Arc<FakeProvider>,
    events: Arc<Recorder>,
    guard: Arc<Guard>,
}

impl Guarded {
    fn new(limits: Limits) -> Self {
        let (kms, events) = (Arc::new(FakeProvider::new(1_000)), Arc::new(Recorder::default()));
        let guard = Arc::new(Guard::new("primary", kms.clone(), limits, events.clone()));
        Self { kms, events, guard }
    }

    async fn wrap(&self, call: &Call) -> Result<(), ProviderError> {
        self.guard.wrap(&1.into(), &Secret::new(vec![7; 32]), None, call).await.map(|_| ())
    }

    /// The kind in which one wrap within 3 s ends.
    async fn kind(&self) -> Option<ErrorKind> {
        self.wrap(&seconds(3)).await.err().map(|error| error.kind())
    }

    fn fails(&self, times: usize, kind: ErrorKind) {
        self.kms.script(crate::events::Operation::Wrap, vec![Fault::fail(kind); times]);
    }

    fn calls(&self) -> usize {
        self.kms.seen().len()
    }

    /// Pauses between the calls that came.
    fn pauses(&self) -> Vec<Duration> {
        self.kms.seen().windows(2).map(|pair| pair[1].at - pair[0].at).collect()
    }
}

fn seconds(seconds: u64) -> Call {
    Call::within(Duration::from_secs(seconds))
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
