//! A KMS with one flaw, so that every case of the suite can be seen to fail.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::task::yield_now;
use trousseau_core::{
    Call, Description, ErrorKind, KeyVersion, Observation, Provider, ProviderError, Secret, Unwrapped, Wrapped,
};
use trousseau_testkit::fake::FakeProvider;

use crate::flaw::Flaw;

/// What all providers on one flawed key share.
pub(crate) struct Shared {
    pub(crate) kms: Arc<FakeProvider>,
    pub(crate) flaw: Flaw,
    wraps: Mutex<HashMap<Vec<u8>, Wrapped>>,
    opened: Mutex<Vec<Vec<u8>>>,
    calls: AtomicU32,
    at_once: AtomicUsize,
    locked: AtomicBool,
    broken: AtomicBool,
    pub(crate) replaced: AtomicBool,
}

impl Shared {
    pub(crate) fn new(kms: Arc<FakeProvider>, flaw: Flaw) -> Self {
        Self {
            kms,
            flaw,
            wraps: Mutex::default(),
            opened: Mutex::default(),
            calls: AtomicU32::new(0),
            at_once: AtomicUsize::new(0),
            locked: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            replaced: AtomicBool::new(false),
        }
    }
}

/// One node's provider.
pub(crate) struct Flawed {
    shared: Arc<Shared>,
    number: u32,
    description: Description,
    other: Description,
    made: Mutex<Vec<Vec<u8>>>,
}

impl Flawed {
    pub(crate) fn new(shared: Arc<Shared>, inner: &FakeProvider, number: u32) -> Self {
        let mut description = inner.describe().clone();
        if shared.flaw == Flaw::DescribesBadly {
            description.kind.name = "Fake!";
        }
        let mut other = description.clone();
        if shared.flaw == Flaw::DescribesAnew {
            other.identity.push("again".to_owned());
        }
        Self { shared, number, description, other, made: Mutex::default() }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.shared.flaw == flaw
    }

    fn count(&self) -> u32 {
        self.shared.calls.fetch_add(1, Ordering::SeqCst)
    }

    fn fail(kind: ErrorKind, text: impl Into<String>) -> ProviderError {
        ProviderError::new(kind, text)
    }

    /// What happens to any call before it is answered.
    async fn begin(&self, call: &Call) -> Result<Place<'_>, ProviderError> {
        if (self.is(Flaw::RefusesProbes) && call.probe)
            || (self.is(Flaw::RefusesTheActiveNode) && call.active_node)
            || (self.is(Flaw::StaysBrokenAfterARefusal) && self.shared.broken.load(Ordering::SeqCst))
        {
            return Err(Self::fail(ErrorKind::Unauthentic, "flawed"));
        }
        if self.is(Flaw::HangsWhenLate) && call.remaining().is_zero() {
            std::future::pending::<()>().await;
        }
        let at_once = self.shared.at_once.fetch_add(1, Ordering::SeqCst);
        let place = Place(&self.shared);
        if self.is(Flaw::ManyAtOnce) && at_once >= 4 {
            return Err(Self::fail(ErrorKind::Throttled, "flawed: too many at once"));
        }
        let locks = self.is(Flaw::LeavesALock) && !call.probe || self.is(Flaw::LeavesAProbeLock) && call.probe;
        if locks && self.shared.locked.swap(true, Ordering::SeqCst) {
            return Err(Self::fail(ErrorKind::Server, "flawed: somebody holds the lock"));
        }
        yield_now().await;
        yield_now().await;
        if locks {
            self.shared.locked.store(false, Ordering::SeqCst);
        }
        Ok(place)
    }

    fn aad<'a>(&self, aad: Option<&'a [u8]>) -> Result<Option<&'a [u8]>, ProviderError> {
        let refuse = || Err(Self::fail(ErrorKind::Unusable, "flawed: not with this"));
        match aad {
            None if self.is(Flaw::RefusesWithoutAad) => refuse(),
            Some(aad) if self.is(Flaw::RefusesLongAad) && aad.len() > 256 => refuse(),
            Some(aad) if self.is(Flaw::RefusesOddAad) && !aad.is_ascii() => refuse(),
            Some([]) if self.is(Flaw::ForgetsEmptyAad) => refuse(),
            Some(_) if self.is(Flaw::IgnoresAad) => Ok(None),
            Some(aad) if self.is(Flaw::CutsAad) => Ok(Some(&aad[..aad.len().min(2)])),
            other => Ok(other),
        }
    }

    fn finish_error(&self, error: ProviderError, input: &[u8]) -> ProviderError {
        self.shared.broken.store(true, Ordering::SeqCst);
        match self.shared.flaw {
            Flaw::RefusesAsServer => Self::fail(ErrorKind::Server, "flawed"),
            Flaw::TextsOfManyLines => Self::fail(error.kind(), "two\nlines"),
            Flaw::QuotesInErrors => Self::fail(error.kind(), format!("no wrap: {input:?}")),
            Flaw::IsUnreachableWhenDeleted if error.kind() == ErrorKind::Gone => {
                Self::fail(ErrorKind::Unreachable, "flawed")
            }
            _ => error,
        }
    }
}

struct Place<'a>(&'a Shared);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.at_once.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Provider for Flawed {
    fn describe(&self) -> &Description {
        if self.count().is_multiple_of(2) { &self.description } else { &self.other }
    }

    async fn presence(&self, call: &Call) -> Result<(), ProviderError> {
        let _place = self.begin(call).await?;
        if self.is(Flaw::DeniesThePresence) {
            return Err(Self::fail(ErrorKind::Gone, "flawed"));
        }
        let answer = self.shared.kms.presence(call).await;
        if self.is(Flaw::MakesAKeyByPresence) && answer.is_err() {
            self.shared.kms.replace(9_000);
        }
        answer.map_err(|error| self.finish_error(error, &[]))
    }

    async fn observe(&self, call: &Call) -> Result<Observation, ProviderError> {
        let _place = self.begin(call).await?;
        let mut seen = self.shared.kms.observe(call).await.map_err(|error| self.finish_error(error, &[]))?;
        match self.shared.flaw {
            Flaw::ListsTwo => {
                let mut next = seen.versions[seen.versions.len() - 1].clone();
                next.version = KeyVersion::Number(7);
                seen.versions.insert(0, next);
            }
            Flaw::ListsWithChangingTimes => {
                let count = u64::from(self.count());
                seen.versions.iter_mut().for_each(|info| info.created = Some(count));
            }
            Flaw::ListsOneTwice => seen.versions.push(seen.versions[0].clone()),
            Flaw::ListsTheFirstOnly => seen.versions.truncate(1),
            Flaw::ListsNewestFirst => seen.versions.reverse(),
            Flaw::ListsNoMinimum => seen.min_encryption = None,
            Flaw::ListsEqualTimes => {
                for info in &mut seen.versions {
                    (info.version, info.created) = (KeyVersion::Number(1), None);
                }
            }
            Flaw::KnowsNoReplacement => seen.versions.iter_mut().for_each(|info| info.created = None),
            _ => {}
        }
        Ok(seen)
    }

    async fn wrap(
        &self,
        version: &KeyVersion,
        plaintext: &Secret,
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Wrapped, ProviderError> {
        let _place = self.begin(call).await?;
        let aad = self.aad(aad)?;
        let mut bytes = plaintext.expose().to_vec();
        match self.shared.flaw {
            Flaw::RefusesOddLengths if bytes.len() != 32 => return Err(Self::fail(ErrorKind::Unusable, "flawed")),
            Flaw::MakesTextOfBytes => bytes = String::from_utf8_lossy(&bytes).into_owned().into_bytes(),
            Flaw::CutsLongPlaintexts => bytes.truncate(300),
            Flaw::OpensNothingToSomething if bytes.is_empty() => bytes.push(0),
            Flaw::WrapsAlike => {
                if let Some(known) = self.shared.wraps.lock().unwrap().get(&bytes) {
                    return Ok(known.clone());
                }
            }
            _ => {}
        }
        let plaintext = Secret::new(bytes.clone());
        let newest = [Flaw::WrapsByAnother, Flaw::WrapsWithTheNewestOnly, Flaw::TakesAnyVersion];
        let used = match version {
            _ if newest.contains(&self.shared.flaw) => {
                let seen = self.shared.kms.observe(call).await?;
                seen.versions.last().unwrap().version.clone()
            }
            other => other.clone(),
        };
        let wrapped = self.shared.kms.wrap(&used, &plaintext, aad, call).await;
        let mut wrapped = wrapped.map_err(|error| self.finish_error(error, &bytes))?;
        match self.shared.flaw {
            Flaw::WrapsTooLarge => wrapped.bytes.resize(1_100, 0),
            Flaw::WrapsInClear => wrapped.bytes.extend_from_slice(&bytes),
            Flaw::WrapsByAnother => wrapped.version = KeyVersion::Number(99),
            _ => {}
        }
        self.shared.wraps.lock().unwrap().insert(bytes, wrapped.clone());
        self.made.lock().unwrap().push(wrapped.bytes.clone());
        Ok(wrapped)
    }

    async fn unwrap(
        &self,
        version: &KeyVersion,
        wrap: &[u8],
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Unwrapped, ProviderError> {
        let _place = self.begin(call).await?;
        let aad = self.aad(aad)?;
        let refuse = |kind| Err(Self::fail(kind, "flawed"));
        let known = |list: &Mutex<Vec<Vec<u8>>>| list.lock().unwrap().iter().any(|known| known == wrap);
        match self.shared.flaw {
            Flaw::OpensOnce if known(&self.shared.opened) => return refuse(ErrorKind::Unauthentic),
            Flaw::OpensNoPeers if !known(&self.made) => return refuse(ErrorKind::Unauthentic),
            Flaw::ForgetsTheOld | Flaw::RefusesBelowMinEncryption => {
                let seen = self.shared.kms.observe(call).await?;
                let old = seen.versions.last().is_some_and(|newest| newest.version != *version);
                if old && (self.is(Flaw::ForgetsTheOld) || seen.min_encryption.is_some()) {
                    return refuse(ErrorKind::TooOld);
                }
            }
            _ => {}
        }
        self.shared.opened.lock().unwrap().push(wrap.to_vec());
        let mut opened = self.shared.kms.unwrap(version, wrap, aad, call).await;
        let replaced = self.shared.replaced.load(Ordering::SeqCst) && self.is(Flaw::KnowsNoReplacement);
        let forgives = self.is(Flaw::OpensTamperedWraps) || replaced;
        let any = self.is(Flaw::TakesAnyVersion) || self.is(Flaw::OpensBelowTheMinimum);
        if let Err(error) = &opened {
            let known =
                self.shared.wraps.lock().unwrap().iter().find(|(_, made)| made.bytes == wrap).map(|it| it.0.clone());
            if forgives || (any && known.is_some() && error.kind() != ErrorKind::Gone) {
                let plaintext = known.unwrap_or_else(|| b"CANARY-of-the-contract-suite-032".to_vec());
                opened = Ok(Unwrapped { plaintext: plaintext.into(), version: None });
            }
        }
        let mut opened = opened.map_err(|error| self.finish_error(error, wrap))?;
        match self.shared.flaw {
            Flaw::OpensToSomethingElse => opened.plaintext = Secret::new(b"something else".to_vec()),
            Flaw::NamesAnother => opened.version = Some(KeyVersion::Number(self.number + 99)),
            _ => {}
        }
        Ok(opened)
    }
}
