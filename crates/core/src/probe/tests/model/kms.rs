//! The KMS of the model: a key as plain data, and a provider whose every call is answered as the step says.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;

use crate::error::{ErrorKind, ProviderError};
use crate::fake::FAKE;
use crate::provider::{Call, Description, Observation, Provider, Unwrapped, VersionInfo, Wrapped};
use crate::secret::Secret;
use crate::version::KeyVersion;

/// Seconds of one step of the model's time. Each node probes at least once in it.
pub(super) const TICK: u64 = 60;
pub(super) const BASE: u64 = 1_000_000;

/// What a kind of KMS tells of its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Times {
    /// When they were made: Vault.
    Created,
    /// From when on they write, this many ticks after they were made: a key file.
    ActiveFrom(u8),
    /// Nothing.
    Untold,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Habits {
    pub(super) times: Times,
    /// A node that lags passes on what it doesn't know to one that doesn't (what the Guard does with `TooNew`).
    pub(super) active_node: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Version {
    /// Never the same for two keys.
    pub(super) material: u8,
    /// In ticks.
    pub(super) created: u8,
}

/// The key at one moment; without versions it does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Kms {
    /// Number 1 first.
    pub(super) versions: Vec<Version>,
    pub(super) min_encryption: u32,
    pub(super) min_decryption: u32,
}

impl Kms {
    pub(super) fn newest(&self) -> u32 {
        self.versions.len() as u32
    }

    pub(super) fn material(&self, number: u32) -> Option<u8> {
        Some(self.versions.get(number.checked_sub(1)? as usize)?.material)
    }

    pub(super) fn infos(&self, habits: Habits) -> Vec<VersionInfo> {
        let lowest = self.min_decryption.max(1);
        (lowest..=self.newest())
            .map(|number| {
                let version = &self.versions[number as usize - 1];
                // Two keys made in the same second are the operator's riddle, not ours.
                let made = BASE + u64::from(version.created) * TICK + u64::from(version.material);
                let (created, active_from, material) = match habits.times {
                    Times::Created => (Some(made), None, None),
                    Times::ActiveFrom(after) => {
                        (None, Some(made + u64::from(after) * TICK), Some(version.material.to_string()))
                    }
                    Times::Untold => (None, None, None),
                };
                VersionInfo { version: number.into(), created, active_from, material }
            })
            .collect()
    }
}

/// How the calls of one step are answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    /// What the node's own part of the KMS knows, and what the newest part does.
    pub(super) view: Kms,
    pub(super) fresh: Kms,
    /// Bit n: call n reaches the newest part.
    pub(super) fresh_calls: u8,
    /// From this call on they fail, this many of them.
    pub(super) failing: Option<(u8, u8)>,
    /// This call waits once before it is answered, for something to happen in the middle.
    pub(super) pausing: Option<u8>,
    /// Calls so far.
    pub(super) calls: u8,
}

pub(super) struct ModelKms {
    description: Description,
    habits: Habits,
    /// Says that the lowest version that may encrypt is none: a broken rule of the tests of the model.
    pub(super) hide_min_encryption: bool,
    answers: Mutex<Answers>,
}

fn error(kind: ErrorKind) -> ProviderError {
    ProviderError::new(kind, "the model says so")
}

impl ModelKms {
    pub(super) fn new(habits: Habits) -> Self {
        let description = Description { kind: FAKE, identity: vec!["model".to_owned()], epoch: None };
        Self { description, habits, hide_min_encryption: false, answers: Mutex::default() }
    }

    pub(super) fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next call sees: its own part of the KMS, and the newest if that may be asked.
    async fn next(&self, call: &Call) -> Result<(Kms, Option<Kms>), ProviderError> {
        let (number, mut pausing) = {
            let mut answers = self.answers();
            answers.calls += 1;
            let pausing = answers.pausing == Some(answers.calls - 1);
            if pausing {
                answers.pausing = None;
            }
            (answers.calls - 1, pausing)
        };
        poll_fn(|_| if std::mem::take(&mut pausing) { Poll::Pending } else { Poll::Ready(()) }).await;
        let answers = self.answers();
        if answers.failing.is_some_and(|(from, count)| (from..from.saturating_add(count)).contains(&number)) {
            return Err(error(ErrorKind::Unreachable));
        }
        let active = call.active_node && self.habits.active_node;
        let fresh = active || answers.fresh_calls >> number & 1 == 1;
        let view = if fresh { answers.fresh.clone() } else { answers.view.clone() };
        Ok((view, self.habits.active_node.then(|| answers.fresh.clone())))
    }
}

pub(super) fn wrap_of(material: u8, plaintext: &[u8], aad: &[u8]) -> Vec<u8> {
    [&[material, plaintext.len() as u8], plaintext, aad].concat()
}

pub(super) fn material_of(wrap: &[u8]) -> u8 {
    wrap[0]
}

fn open(kms: &Kms, version: &KeyVersion, wrap: &[u8], aad: &[u8]) -> Result<Unwrapped, ProviderError> {
    let number = version.number().ok_or_else(|| error(ErrorKind::Malformed))?;
    let newest = kms.newest();
    let kind = if newest == 0 {
        ErrorKind::Gone
    } else if number > newest {
        ErrorKind::TooNew
    } else if number < kms.min_decryption {
        ErrorKind::TooOld
    } else {
        let length = usize::from(wrap[1]);
        let (plaintext, bound) = wrap[2..].split_at(length);
        if kms.material(number) == Some(material_of(wrap)) && bound == aad {
            return Ok(Unwrapped { plaintext: Secret::new(plaintext.to_vec()), version: None });
        }
        ErrorKind::Unauthentic
    };
    Err(error(kind))
}

#[async_trait]
impl Provider for ModelKms {
    fn describe(&self) -> &Description {
        &self.description
    }

    async fn presence(&self, call: &Call) -> Result<(), ProviderError> {
        let (kms, _) = self.next(call).await?;
        if kms.newest() == 0 { Err(error(ErrorKind::Gone)) } else { Ok(()) }
    }

    async fn observe(&self, call: &Call) -> Result<Observation, ProviderError> {
        let (kms, _) = self.next(call).await?;
        if kms.newest() == 0 {
            return Err(error(ErrorKind::Gone));
        }
        let min = (kms.min_encryption > 0 && !self.hide_min_encryption).then_some(kms.min_encryption);
        let active_node = self.habits.active_node;
        Ok(Observation { versions: kms.infos(self.habits), min_encryption: min, active_node, ..Observation::default() })
    }

    async fn wrap(
        &self,
        version: &KeyVersion,
        plaintext: &Secret,
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Wrapped, ProviderError> {
        let (kms, _) = self.next(call).await?;
        if kms.newest() == 0 {
            return Err(error(ErrorKind::Gone));
        }
        let number = version.number().filter(|number| *number >= kms.min_encryption);
        let material = number.and_then(|number| kms.material(number));
        let material = material.ok_or_else(|| error(ErrorKind::VersionRefused))?;
        let bytes = wrap_of(material, plaintext.expose(), aad.unwrap_or_default());
        Ok(Wrapped { version: version.clone(), bytes })
    }

    async fn unwrap(
        &self,
        version: &KeyVersion,
        wrap: &[u8],
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Unwrapped, ProviderError> {
        let (kms, newest) = self.next(call).await?;
        let aad = aad.unwrap_or_default();
        match (open(&kms, version, wrap, aad), newest) {
            (Err(refused), Some(newest)) if refused.kind() == ErrorKind::TooNew => open(&newest, version, wrap, aad),
            (done, _) => done,
        }
    }
}
