//! What goes to the members: a wrap to all of them at once, an unwrap to one after the other.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::AnyProvider;
use super::layout::{Parts, Wrap};
use super::members::Standing;
use crate::error::{ErrorKind, ProviderError};
use crate::provider::Call;
use crate::secret::Secret;
use crate::version::KeyVersion;

/// A caller that gave less time than this learns nothing about a member.
const FAIR: Duration = Duration::from_secs(1);

impl AnyProvider {
    /// Has every member wrap the key, at the same time.
    pub(super) async fn wrap_with(
        &self,
        composed: &[(usize, KeyVersion)],
        secret: &Secret,
        call: &Call,
    ) -> Result<Vec<Wrap>, ProviderError> {
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        let mut failure = None;
        for (index, version) in composed {
            let Some(member) = self.members.get(*index) else { continue };
            if let Err(error) = member.may_wrap() {
                failure = Some(self.failed(*index, &error, call, began.elapsed()));
                continue;
            }
            let (index, version, key) = (*index, version.clone(), Arc::clone(&member.key));
            let (secret, call) = (secret.clone(), call.apart(call.deadline - call.remaining() / 10));
            tasks.spawn(async move {
                // As for a key by itself: no probe encrypts before its key was shown to exist.
                let shown = if call.probe { key.presence(&call).await } else { Ok(()) };
                match shown {
                    Err(error) if error.kind() == ErrorKind::Gone => (index, Err(error)),
                    _ => (index, key.seal(&version, &secret, &call).await),
                }
            });
        }
        let mut wraps = Vec::with_capacity(composed.len());
        while let Some(done) = tasks.join_next().await {
            // A JoinError prints what a panic said, which may quote what it was working on (I9).
            let (index, outcome) = done.map_err(|_| {
                ProviderError::new(ErrorKind::Server, format!("key `{}`: a member's call panicked", self.name))
            })?;
            match outcome {
                Ok(bytes) => wraps.push((index, bytes)),
                // All of them end, so that every member that fails is known after one call.
                Err(error) => failure = Some(self.failed(index, &error, call, began.elapsed())),
            }
        }
        call.add_wait(began.elapsed());
        if let Some(error) = failure {
            return Err(error);
        }
        wraps.sort_by_key(|(index, _)| *index);
        Ok(wraps.into_iter().map(|(index, bytes)| Wrap { tag: self.members.tag(index), bytes }).collect())
    }

    /// Opens the key with the first member that can: those whose probe is good in their order, then the others.
    pub(super) async fn open_with(&self, parts: &Parts<'_>, aad: &[u8], call: &Call) -> Result<Secret, ProviderError> {
        let mut candidates = self.members.readers(parts);
        if candidates.is_empty() {
            let text = format!("key `{}`: none of its members wrote this; add the one that did", self.name);
            return Err(ProviderError::new(ErrorKind::Malformed, text));
        }
        candidates.sort_by_key(|(member, _)| !member.is_healthy());
        let mut refusals: Vec<ErrorKind> = Vec::new();
        let (mut refused, mut unanswered) = (None, None);
        let mut silent: Vec<&Standing> = Vec::new();
        for (place, (member, bytes)) in candidates.iter().enumerate() {
            if silent.iter().any(|other| std::ptr::eq(*other, *member)) {
                continue;
            }
            // A member that hangs must leave time for the next one.
            let share = call.remaining() / u32::try_from(candidates.len() - place).unwrap_or(1);
            let began = Instant::now();
            let outcome = member.key.open(bytes, &call.apart(began + share)).await;
            call.add_wait(began.elapsed());
            let (error, lied) = match outcome.map(|secret| parts.open(&secret, aad)) {
                Ok(Ok(plaintext)) => return Ok(plaintext),
                Ok(Err(error)) => (error, true),
                Err(error) => (error, false),
            };
            // A refusal says something about the record, not about the member.
            if lied || !error.kind().is_refusal() {
                member.suspect();
                silent.push(*member);
            }
            if error.kind().is_refusal() {
                refusals.push(error.kind());
                refused.get_or_insert(error);
            } else {
                unanswered.get_or_insert(error);
            }
        }
        if call.probe {
            // What was proven does not open: their own probes find out why.
            candidates.iter().for_each(|(member, _)| member.ask_again());
        }
        if let Some(error) = unanswered {
            let text = format!("key `{}`: no member could open it", self.name);
            return Err(ProviderError::new(of_one(error.kind()), text)
                .with_retry_after(error.retry_after())
                .with_source(error));
        }
        let text = format!("key `{}`: every member refuses it", self.name);
        let error = ProviderError::new(verdict(&refusals), text);
        Err(match refused {
            Some(cause) => error.with_source(cause),
            None => error,
        })
    }

    /// A member could not wrap. Says whether the others go on without it.
    fn failed(&self, index: usize, error: &ProviderError, call: &Call, took: Duration) -> ProviderError {
        let kind = of_one(error.kind());
        let name = self.members.get(index).map_or("", |member| member.key.name());
        let (chain, retry) = (error.chain(), error.retry_after());
        let again = |text: String| ProviderError::new(ErrorKind::WrongVersion, text);
        if let Some(member) = self.members.get(index) {
            member.ask_again();
        }
        if matches!(kind, ErrorKind::VersionRefused | ErrorKind::WrongVersion) {
            return again(format!("key `{}`: member `{name}` has another version now: {chain}", self.name));
        }
        // A hiccup is no reason for a probe, and a hurried caller is none for anybody.
        let hurried = kind == ErrorKind::Deadline && took < FAIR;
        let local = matches!(kind, ErrorKind::QueueFull);
        let changes = if call.probe || hurried || local {
            Vec::new()
        } else {
            let views = self.views();
            self.state().set.leave(index, &views)
        };
        for (index, back) in &changes {
            self.tell(*index, *back, &chain);
        }
        if !changes.is_empty() {
            return again(format!("key `{}`: goes on without member `{name}`, which can't wrap: {chain}", self.name));
        }
        let text = format!("key `{}`: member `{name}` can't wrap, and {} must", self.name, self.rule.write_quorum);
        ProviderError::new(kind, format!("{text}: {chain}")).with_retry_after(retry)
    }
}

/// Of one member that its key is gone or disabled; whether it is certain, its own probe finds out, and the list is not.
pub(super) fn of_one(kind: ErrorKind) -> ErrorKind {
    if matches!(kind, ErrorKind::Gone | ErrorKind::Disabled) { ErrorKind::Unusable } else { kind }
}

/// What it means that all refuse. Only the same answer from all says something about the list as a whole: "too new"
/// of one member says nothing of the version of the list.
fn verdict(refusals: &[ErrorKind]) -> ErrorKind {
    match refusals.split_first() {
        Some((first @ (ErrorKind::Unauthentic | ErrorKind::Gone), rest)) if rest.iter().all(|kind| kind == first) => {
            *first
        }
        _ => ErrorKind::Malformed,
    }
}
