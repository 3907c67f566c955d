//! The members of an `any` list: what each one is, and how it is right now.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::Member;
use super::layout::{MemberTag, Parts, member_tag};
use super::set::View;
use crate::error::{ErrorKind, ProviderError};
use crate::probe::Prober;
use crate::provider::Description;
use crate::version::KeyVersion;
use crate::{Key, Writer};

/// One member while it is in use.
pub(super) struct Standing {
    pub(super) key: Arc<Key>,
    writer: Arc<Writer>,
    tag: MemberTag,
    identity: Vec<String>,
    /// When it last failed to read.
    suspected: Mutex<Option<Instant>>,
}

pub(super) struct Members(Vec<Standing>);

impl Members {
    pub(super) fn new(members: Vec<Member>) -> (Self, Vec<Prober>) {
        let (mut list, mut probers) = (Vec::new(), Vec::new());
        for Member { key, writer, prober } in members {
            let identity = identity(key.describe());
            let tag = member_tag(&identity);
            list.push(Standing { key, writer, tag, identity, suspected: Mutex::default() });
            probers.push(prober);
        }
        (Self(list), probers)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Standing> {
        self.0.iter()
    }

    pub(super) fn get(&self, index: usize) -> Option<&Standing> {
        self.0.get(index)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn tag(&self, index: usize) -> MemberTag {
        self.0[index].tag
    }

    /// The identity of the list: those of its members, in an order that the configuration doesn't decide.
    pub(super) fn identity(&self) -> Vec<String> {
        let mut all: Vec<&Vec<String>> = self.iter().map(|member| &member.identity).collect();
        all.sort_unstable();
        all.into_iter().flatten().cloned().collect()
    }

    /// The marks of those that have any, in an order that the configuration doesn't decide.
    pub(super) fn marks(&self) -> Vec<(KeyVersion, String)> {
        let mut all: Vec<_> = self.iter().map(|member| (&member.identity, member.key.marks())).collect();
        all.sort_unstable();
        let place = |at: usize, version| KeyVersion::Name(format!("{at}/{version}"));
        let of = |(at, (_, marks)): (usize, (_, Vec<_>))| marks.into_iter().map(move |(v, mark)| (place(at, v), mark));
        all.into_iter().enumerate().flat_map(of).collect()
    }

    /// Each wrap with the members that may have made it, in their order: keys of one name in two Vaults have one tag.
    pub(super) fn readers<'a>(&'a self, parts: &'a Parts<'_>) -> Vec<(&'a Standing, &'a [u8])> {
        let by = |member: &'a Standing| {
            let its = parts.wraps.iter().filter(|(tag, _)| *tag == member.tag);
            its.map(move |(_, bytes)| (member, *bytes))
        };
        self.iter().flat_map(by).collect()
    }

    /// Waits until every member was probed once, and those that answered oddly once more, or until then.
    pub(super) async fn looked_at(&self, end: Instant) {
        for member in &self.0 {
            member.writer.first_round(end).await;
        }
    }
}

impl Standing {
    pub(super) fn view(&self) -> View {
        self.writer.health().into()
    }

    /// Whether it is worth a call: its last probe was good, and it has not failed to read since.
    pub(super) fn is_healthy(&self) -> bool {
        let health = self.writer.health();
        let suspected = *self.suspected.lock().unwrap_or_else(PoisonError::into_inner);
        let proven_since = match (suspected, health.proven) {
            (None, _) => true,
            (Some(at), Some(age)) => age < at.elapsed(),
            (Some(_), None) => false,
        };
        health.failure.is_none() && health.stopped.is_none() && proven_since
    }

    /// Whether it may wrap right now.
    ///
    /// # Errors
    /// [`Stopped`](ErrorKind::Stopped) if its own probe found its key gone, disabled or replaced;
    /// [`Unreachable`](ErrorKind::Unreachable) while that probe has found nothing by a new way to the key.
    pub(super) fn may_wrap(&self) -> Result<(), ProviderError> {
        self.writer.snapshot()?;
        if self.writer.is_unproven() {
            let text = "its way to the key was changed, and not proven yet";
            return Err(ProviderError::new(ErrorKind::Unreachable, text));
        }
        Ok(())
    }

    /// It failed to read: it is asked last until its probe is good again.
    pub(super) fn suspect(&self) {
        *self.suspected.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.writer.wake();
    }

    /// It failed to wrap: its probe looks at once.
    pub(super) fn ask_again(&self) {
        self.writer.wake();
    }
}

/// A member's identity with its kind, and the number of its parts, so that no two lists of members read alike.
fn identity(key: &Description) -> Vec<String> {
    let epoch = key.epoch.map(|epoch| epoch.to_string()).unwrap_or_default();
    let parts = key.identity.iter().cloned();
    [key.kind.name.to_owned(), key.identity.len().to_string(), epoch].into_iter().chain(parts).collect()
}
