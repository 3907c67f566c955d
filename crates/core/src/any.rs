//! Several keys as one (`any: {of: [...]}`): written with all of them, readable with any one of them.
//!
//! Each Encrypt makes a random key, seals the plaintext under it, and has every member wrap that key; each member
//! checks its own wrap by opening it again. One member that opens is enough to read. The members that really wrapped
//! are in the version, and so in key_id: what was written with fewer of them looks stale to Kubernetes once all are
//! back, and a storage migration finds it.

mod announced;
mod calls;
mod events;
mod layout;
mod members;
mod set;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::rand;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::error::{ErrorKind, ProviderError};
use crate::events::Events;
use crate::probe::Prober;
use crate::provider::{Call, Description, Observation, Provider, ProviderKind, Unwrapped, VersionInfo, Wrapped};
use crate::secret::Secret;
use crate::version::KeyVersion;
use crate::{Key, MAX_STORED, Writer};

pub use events::MemberEvents;
use layout::Parts;
use members::Members;
use set::Set;

/// How many members `any` may have.
pub const MEMBERS: std::ops::RangeInclusive<usize> = 2..=8;

/// One key of the list, with what probes it. Its [`Key`] has a [`Guard`](crate::guard::Guard) of its own; the list
/// as a whole needs none.
pub struct Member {
    /// The key.
    pub key: Arc<Key>,
    /// Its state.
    pub writer: Arc<Writer>,
    /// What keeps the state true; runs for as long as the list lives.
    pub prober: Prober,
}

/// How the list decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnyRule {
    /// The fewest members that must wrap, or nothing is encrypted.
    pub write_quorum: usize,
    /// How long a member that was left out must be good before it is written with again.
    pub return_after: Duration,
}

/// Several keys as one [`Provider`].
pub struct AnyProvider {
    name: String,
    description: Description,
    members: Arc<Members>,
    rule: AnyRule,
    state: Mutex<State>,
    events: Arc<dyn Events>,
}

struct State {
    set: Set,
    /// The versions announced lately: their names, and which member wraps under which of its own versions.
    named: Vec<(String, Vec<(usize, KeyVersion)>)>,
    probers: Vec<Prober>,
    tasks: JoinSet<()>,
}

/// The longest time that a probe waits for members that were never probed before.
const FIRST_ROUNDS: Duration = Duration::from_secs(4);

/// Why a list of members can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMembers {
    /// Too few or too many.
    #[error("`of` has {0} members; {min} to {max} can stand there", min = MEMBERS.start(), max = MEMBERS.end())]
    Count(usize),
    /// The quorum can't be reached, or is nothing.
    #[error("`writeQuorum` is {0}, and `of` has {1} members; it must be 1 to {1}")]
    Quorum(usize, usize),
    /// What all of them write doesn't fit.
    #[error(
        "the wraps of all members take at least {0} bytes together, and Kubernetes stores at most {MAX_STORED}; name \
         fewer members, or keys with shorter wraps"
    )]
    TooLong(usize),
}

impl AnyProvider {
    /// Takes the members in the order in which they are asked to read. Their probes start with the first observation,
    /// which must run inside a tokio runtime.
    ///
    /// # Errors
    /// See [`BadMembers`].
    pub fn new(
        name: impl Into<String>,
        members: Vec<Member>,
        rule: AnyRule,
        events: Arc<dyn Events>,
    ) -> Result<Self, BadMembers> {
        let count = members.len();
        if !MEMBERS.contains(&count) {
            return Err(BadMembers::Count(count));
        }
        if !(1..=count).contains(&rule.write_quorum) {
            return Err(BadMembers::Quorum(rule.write_quorum, count));
        }
        let (members, probers) = Members::new(members);
        let least = layout::least(members.iter().map(|member| member.key.least_stored()));
        if least > MAX_STORED {
            return Err(BadMembers::TooLong(least));
        }
        let description = Description { kind: ProviderKind::ANY, identity: members.identity(), epoch: None };
        let state = State {
            set: Set::new(rule.write_quorum, rule.return_after),
            named: Vec::new(),
            probers,
            tasks: JoinSet::new(),
        };
        Ok(Self { name: name.into(), description, members: Arc::new(members), rule, state: Mutex::new(state), events })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the members' probes, once.
    fn start(&self) {
        let mut state = self.state();
        for prober in std::mem::take(&mut state.probers) {
            state.tasks.spawn(prober.run());
        }
    }
}

#[async_trait]
impl Provider for AnyProvider {
    fn describe(&self) -> &Description {
        &self.description
    }

    /// The members' own probes look for their keys before they encrypt anything.
    async fn presence(&self, _: &Call) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn observe(&self, call: &Call) -> Result<Observation, ProviderError> {
        self.start();
        let patience = FIRST_ROUNDS.min(call.remaining() / 2);
        self.members.looked_at(Instant::now() + patience).await;
        let name = self.settle()?;
        let version =
            VersionInfo { version: KeyVersion::Name(name), created: None, active_from: Some(0), material: None };
        Ok(Observation { versions: vec![version], active_node: true, newest_only: true, ..Observation::default() })
    }

    async fn wrap(
        &self,
        version: &KeyVersion,
        plaintext: &Secret,
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Wrapped, ProviderError> {
        let composed = self.composed(version)?;
        let mut key = vec![0; layout::KEY];
        rand::fill(&mut key)
            .map_err(|_| ProviderError::new(ErrorKind::Unreachable, "the operating system gave no random bytes"))?;
        let key = Secret::new(key);
        let wraps = self.wrap_with(&composed, &key, call).await?;
        let bytes = layout::seal(&wraps, &key, plaintext, aad.unwrap_or_default())?;
        Ok(Wrapped { version: version.clone(), bytes })
    }

    async fn unwrap(
        &self,
        _: &KeyVersion,
        wrap: &[u8],
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Unwrapped, ProviderError> {
        let parts = Parts::parse(wrap)?;
        let plaintext = self.open_with(&parts, aad.unwrap_or_default(), call).await?;
        Ok(Unwrapped { plaintext, version: None })
    }

    fn is_composed(&self) -> bool {
        true
    }

    fn marks(&self) -> Vec<(KeyVersion, String)> {
        self.members.marks()
    }

    fn report(&self) -> Vec<(bool, String)> {
        let state = self.state();
        let writing = state.set.writing();
        let line = |(index, member): (usize, &members::Standing)| {
            let writes = writing.contains(&index);
            let role = if writes { "writes and reads" } else { "is left out of writes" };
            let view = member.view();
            let mut text = format!("member `{}` ({}) {role}", member.key.name(), member.key.kind().name);
            if !view.ready || view.failing {
                text = format!("{text}: {}", view.reason());
            }
            (writes && view.ready && !view.failing, text)
        };
        self.members.iter().enumerate().map(line).collect()
    }
}

#[cfg(test)]
mod tests;
