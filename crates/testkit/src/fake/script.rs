//! What is going to happen to calls, and which calls came.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;
use trousseau_core::events::Operation;
use trousseau_core::{Call, ErrorKind};

/// What one call to the fake ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No fault: the call is answered as it should be.
    Nothing,
    /// An error.
    Fail {
        /// Of this kind.
        kind: ErrorKind,
        /// With this wish to be left alone.
        retry_after: Option<Duration>,
    },
    /// A good answer after this time.
    Delay(Duration),
    /// No answer, ever.
    Hang,
    /// A defect of the provider.
    Panic,
    /// A wrap of no bytes.
    EmptyWrap,
    /// A wrap that no object in Kubernetes can hold.
    Oversize,
    /// The answer says that it was made with another version.
    OtherVersion,
    /// A wrap of something else, or an opened wrap that reads otherwise.
    OtherPlaintext,
}

impl Fault {
    /// An error of this kind, without a wish to be left alone.
    pub fn fail(kind: ErrorKind) -> Self {
        Self::Fail { kind, retry_after: None }
    }
}

/// A call that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What was asked.
    pub operation: Operation,
    /// It asked for the KMS's active node.
    pub active_node: bool,
    /// It was a probe's.
    pub probe: bool,
    /// When it came.
    pub at: Instant,
}

#[derive(Default)]
pub(super) struct Script {
    faults: HashMap<Operation, VecDeque<Fault>>,
    pub(super) seen: Vec<Seen>,
}

impl Script {
    pub(super) fn add(&mut self, operation: Operation, faults: impl IntoIterator<Item = Fault>) {
        self.faults.entry(operation).or_default().extend(faults);
    }

    pub(super) fn next(&mut self, operation: Operation, call: &Call) -> Option<Fault> {
        let (active_node, probe) = (call.active_node, call.probe);
        self.seen.push(Seen { operation, active_node, probe, at: Instant::now() });
        self.faults.get_mut(&operation)?.pop_front()
    }
}
