//! What happens inside, told to whoever keeps logs and metrics. The core itself writes neither.

use std::time::Duration;

use crate::error::{ErrorKind, ProviderError};
use crate::key_id::KeyId;
use crate::provider::ProviderKind;
use crate::version::KeyVersion;

/// Takes events. Called on the path of requests: it must be quick and must not block.
pub trait Events: Send + Sync + 'static {
    /// One event; events come from many tasks at once.
    fn on(&self, event: &Event<'_>);
}

/// Nobody listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Events for Silent {
    fn on(&self, _: &Event<'_>) {}
}

/// What a provider was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the methods of Provider")]
pub enum Operation {
    Presence,
    Observe,
    Wrap,
    Unwrap,
}

impl Operation {
    /// The label for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::Observe => "observe",
            Self::Wrap => "wrap",
            Self::Unwrap => "unwrap",
        }
    }
}

/// A bound that was hit (I8). The name is the one in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bound {
    /// Calls that wait for a free place to the KMS.
    Queue,
    /// The caller's deadline.
    Deadline,
    /// The retry budget.
    RetryBudget,
    /// The open circuit breaker.
    Breaker,
    /// The time that a stopping process gives its calls in flight.
    Drain,
    /// The size of a request.
    Request,
    /// Connections open at once on the socket.
    Connections,
    /// The time for a look at the files that a provider lives by.
    Upkeep,
}

impl Bound {
    /// The label for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Deadline => "deadline",
            Self::RetryBudget => "retry_budget",
            Self::Breaker => "breaker",
            Self::Drain => "drain",
            Self::Upkeep => "upkeep",
            Self::Request => "request",
            Self::Connections => "connections",
        }
    }
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// One call to a KMS ended.
    KmsCall {
        /// The key's name in the configuration.
        key: &'a str,
        /// The kind of KMS.
        provider: ProviderKind,
        /// What was asked.
        operation: Operation,
        /// How it ended.
        outcome: Result<(), ErrorKind>,
        /// How long it took.
        took: Duration,
    },
    /// A bound was hit.
    BoundHit(Bound),
    /// The breaker of a key opened or closed.
    Breaker {
        /// The key's name.
        key: &'a str,
        /// True = opened.
        open: bool,
    },
    /// A probe was good.
    ProbeGood {
        /// The key's name.
        key: &'a str,
        /// True for the writing key.
        writing: bool,
        /// How long the credential still lives, where known.
        credential_ttl: Option<Duration>,
        /// The KMS's clock minus ours, in seconds, where known.
        clock_skew: Option<i64>,
        /// True for the first good one after a failure: a state change, worth a line.
        recovered: bool,
    },
    /// A probe failed.
    ProbeFailed {
        /// The key's name.
        key: &'a str,
        /// True for the writing key.
        writing: bool,
        /// Why.
        error: &'a ProviderError,
        /// True for the first failure after a good probe, or of another kind: a state change, worth a line.
        first: bool,
    },
    /// The writing key has a new active version.
    Promoted {
        /// The key's name.
        key: &'a str,
        /// The key_id before, if there was one.
        from: Option<&'a KeyId>,
        /// The key_id from now on.
        to: &'a KeyId,
        /// The version behind it.
        version: &'a KeyVersion,
    },
    /// A promoted id under which nothing was encrypted yet is taken back because of an outage.
    Withdrawn {
        /// The key's name.
        key: &'a str,
        /// The id that is announced again.
        back_to: &'a KeyId,
        /// The version behind it.
        version: &'a KeyVersion,
    },
    /// Encryption stopped: the key is gone, disabled or was replaced. An alarm.
    Stopped {
        /// The key's name.
        key: &'a str,
        /// Why, and what to do.
        reason: &'a str,
    },
    /// Encryption goes on after a stop.
    Resumed {
        /// The key's name.
        key: &'a str,
    },
    /// The KMS was restored from an older backup: a lower version writes again. An alarm.
    Restored {
        /// The key's name.
        key: &'a str,
        /// The version that is lost.
        lost: &'a KeyVersion,
    },
    /// A member of an `any` list is written with from now on, or no longer. Told of each one when a list starts.
    Member {
        /// The list's name.
        key: &'a str,
        /// The member's name.
        member: &'a str,
        /// True = from now on.
        writes: bool,
        /// Why.
        why: &'a str,
    },
    /// The key of a member of an `any` list is gone, disabled or was replaced. An alarm; the others go on.
    MemberStopped {
        /// The list's name.
        key: &'a str,
        /// The member's name.
        member: &'a str,
        /// Why, and what to do.
        reason: &'a str,
    },
    /// The KMS opens no more what the version that was writing wrapped, and lists none that was known. An alarm: either
    /// `min_decryption_version` was raised over a version in use, or it is another key under the same name.
    ActiveShut {
        /// The key's name.
        key: &'a str,
        /// The version that was writing.
        lost: &'a KeyVersion,
    },
    /// A record's key_id and its header name different versions.
    KeyIdMismatch,
    /// A record under the active key_id was refused by authentication. An alarm; writes go on.
    KeyReplacedSuspected {
        /// The key's name.
        key: &'a str,
    },
}
