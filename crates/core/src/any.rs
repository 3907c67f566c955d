//! Several keys as one (`any: {of: [...]}`): written with all of them, readable with any one of them.
//!
//! Each Encrypt makes a random key, seals the plaintext under it, and has every member wrap that key; each member
//! checks its own wrap by opening it again. One member that opens is enough to read. The members that really wrapped
//! are in the version, and so in key_id: what was written with fewer of them looks stale to Kubernetes once all are
//! back, and a storage migration finds it.

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
use crate::events::{Event, Events};
use crate::probe::Prober;
use crate::provider::{Call, Description, Observation, Provider, ProviderKind, Unwrapped, VersionInfo, Wrapped};
use crate::secret::Secret;
use crate::version::KeyVersion;
use crate::{Key, MAX_STORED, Writer};

pub use events::MemberEvents;
use layout::Parts;
use members::Members;
use set::{Set, View};

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

/// Versions that are remembered: Encrypt may still come under the one before.
const REMEMBERED: usize = 8;

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

    fn views(&self) -> Vec<View> {
        self.members.iter().map(members::Standing::view).collect()
    }

    /// Who writes now, by what the members' probes know.
    fn settle(&self) -> Result<String, ProviderError> {
        let views = self.views();
        let mut state = self.state();
        for (index, back) in state.set.settle(&views, Instant::now()) {
            self.tell(index, back, "its probe");
        }
        // Nobody else could make up the quorum, whoever writes now: a list rebuilt amid an outage has settled on nobody.
        let lost = views.iter().position(|view| view.stopped.is_some());
        let left = views.iter().filter(|view| view.stopped.is_none()).count();
        if let Some(index) = lost.filter(|_| left < self.rule.write_quorum) {
            return Err(self.stopped(index, &views[index]));
        }
        let writing = state.set.writing();
        if let Some(index) = writing.iter().find(|index| views[**index].stopped.is_some()) {
            // Where enough others are well, they write as soon as one of them is not only ready but good.
            let able = views.iter().filter(|view| view.ready).count() >= self.rule.write_quorum;
            return Err(if able { self.short_of_quorum(&views) } else { self.stopped(*index, &views[*index]) });
        }
        if writing.len() < self.rule.write_quorum || writing.iter().any(|index| views[*index].version.is_none()) {
            drop(state);
            return Err(self.short_of_quorum(&views));
        }
        let mut composed: Vec<(usize, KeyVersion)> = Vec::with_capacity(writing.len());
        let mut ids = Vec::with_capacity(writing.len());
        for index in writing {
            if let Some((id, version)) = &views[index].version {
                if let Some(twin) = ids.iter().position(|other| *other == id.as_str()) {
                    return Err(self.twins(composed[twin].0, index));
                }
                composed.push((index, version.clone()));
                ids.push(id.as_str());
            }
        }
        let name = layout::version_name(ids);
        state.named.retain(|(known, _)| *known != name);
        state.named.push((name.clone(), composed));
        let surplus = state.named.len().saturating_sub(REMEMBERED);
        state.named.drain(..surplus);
        Ok(name)
    }

    fn short_of_quorum(&self, views: &[View]) -> ProviderError {
        let failing = views.iter().zip(self.members.iter()).find(|(view, _)| !view.ready);
        let (kind, who, why) = match failing {
            Some((view, member)) => (view.failure_kind(), member.key.name(), view.reason()),
            None => (ErrorKind::Unreachable, self.name.as_str(), "it was not proven yet".to_owned()),
        };
        let text = format!(
            "key `{}`: fewer than {} of its {} members can write; member `{who}`: {why}",
            self.name,
            self.rule.write_quorum,
            self.members.len()
        );
        ProviderError::new(kind, text)
    }

    /// A member whose key is gone, disabled or replaced, and without which there are too few: what it would wrap now is
    /// not what key_id says.
    fn stopped(&self, index: usize, view: &View) -> ProviderError {
        let who = self.members.get(index).map_or("", |member| member.key.name());
        let (name, least, why) = (&self.name, self.rule.write_quorum, view.reason());
        let text = format!("key `{name}`: member `{who}` can't write any more, and at least {least} must: {why}");
        ProviderError::new(ErrorKind::Stopped, text)
    }

    /// Two members that no peer could tell apart protect nothing, or can't be told from two that do.
    fn twins(&self, one: usize, other: usize) -> ProviderError {
        let name = |index| self.members.get(index).map_or("", |member| member.key.name());
        let text = format!(
            "key `{}`: members `{}` and `{}` have one key_id: they are the same key, or two that look alike because the \
             KMS tells no creation times; name another key, or give one of them an `epoch`",
            self.name,
            name(one),
            name(other)
        );
        ProviderError::new(ErrorKind::Unusable, text)
    }

    fn tell(&self, index: usize, back: bool, why: &str) {
        let Some(member) = self.members.get(index) else {
            return;
        };
        self.events.on(&Event::Member { key: &self.name, member: member.key.name(), writes: back, why });
    }

    /// What a version's name stands for, while it is the one to write with.
    fn composed(&self, version: &KeyVersion) -> Result<Vec<(usize, KeyVersion)>, ProviderError> {
        let state = self.state();
        let writing = state.set.writing();
        let found = state.named.iter().find(|(name, _)| matches!(version, KeyVersion::Name(asked) if asked == name));
        match found {
            Some((_, composed)) if composed.iter().map(|(index, _)| *index).eq(writing) => Ok(composed.clone()),
            _ => {
                let text = format!("key `{}`: its members changed; the next Status tells the new key_id", self.name);
                Err(ProviderError::new(ErrorKind::WrongVersion, text))
            }
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
