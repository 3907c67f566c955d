//! Who writes now, under which name, and why nobody does.

use tokio::time::Instant;

use super::calls::of_one;
use super::set::View;
use super::{AnyProvider, layout, members};
use crate::error::{ErrorKind, ProviderError};
use crate::events::Event;
use crate::version::KeyVersion;

/// Versions that are remembered: Encrypt may still come under the one before.
const REMEMBERED: usize = 8;

impl AnyProvider {
    pub(super) fn views(&self) -> Vec<View> {
        self.members.iter().map(members::Standing::view).collect()
    }

    /// Who writes now, by what the members' probes know.
    pub(super) fn settle(&self) -> Result<String, ProviderError> {
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
            Some((view, member)) => (of_one(view.failure_kind()), member.key.name(), view.reason()),
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

    pub(super) fn tell(&self, index: usize, back: bool, why: &str) {
        let Some(member) = self.members.get(index) else {
            return;
        };
        self.events.on(&Event::Member { key: &self.name, member: member.key.name(), writes: back, why });
    }

    /// What a version's name stands for, while it is the one to write with.
    pub(super) fn composed(&self, version: &KeyVersion) -> Result<Vec<(usize, KeyVersion)>, ProviderError> {
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
