//! A KMS in memory whose faults are written down before they happen.
//!
//! ```
//! # use std::time::Duration;
//! # use trousseau_core::{Call, ErrorKind, Provider, Secret, events::Operation};
//! # use trousseau_testkit::fake::{FakeProvider, Fault};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let kms = FakeProvider::new(1_000);
//! kms.script(Operation::Wrap, [Fault::fail(ErrorKind::Unreachable)]);
//! let (call, seed) = (Call::within(Duration::from_secs(1)), Secret::new(vec![7; 32]));
//! assert!(kms.wrap(&1.into(), &seed, None, &call).await.is_err());
//! assert!(kms.wrap(&1.into(), &seed, None, &call).await.is_ok());
//! assert_eq!(kms.count(Operation::Wrap), 2);
//! # }
//! ```

#[path = "fake/key.rs"]
mod key;
#[path = "fake/script.rs"]
mod script;
#[path = "fake/world.rs"]
mod world;

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::time::sleep;
use trousseau_core::events::Operation;
use trousseau_core::{
    Call, Description, ErrorKind, KeyVersion, Observation, Provider, ProviderError, ProviderKind, Secret, Unwrapped,
    Wrapped,
};

use key::FakeKey;
use script::Script;

pub use script::{Fault, Seen};
pub use world::{FakeClock, Recorder};

/// The kind of the fake: a code of the range that is kept for tests.
pub const FAKE: ProviderKind = ProviderKind { code: 0xF0, name: "fake" };

/// What a KMS says about `created` and AAD, and what it does with a key that is missing; see [`FakeProvider::set`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habits {
    /// Versions are listed with their creation times.
    pub tells_times: bool,
    /// Additional authenticated data is taken; else a wrap with some is refused.
    pub takes_aad: bool,
    /// A wrap under a missing key makes the key anew, as Vault does for a token that may `create`.
    pub creates: bool,
    /// The node that answers is the KMS's active one.
    pub active_node: bool,
    /// No version can be named: the newest one wraps, and only it is listed, as due at once (AWS KMS).
    pub newest_only: bool,
    /// Only who opens a wrap learns which version made it; a wrap claims the one that was asked for (AWS KMS).
    pub told_on_unwrap: bool,
    /// What is observed is one version behind what wraps: a node that lags.
    pub observes_late: bool,
    /// With `newest_only`: what wraps is one version behind what is observed.
    pub wraps_late: bool,
    /// The size of its wraps in bytes: what it says, and beyond 60 also what it makes of a seed.
    pub wrap_size: usize,
    /// The look at its files never ends, as in a folder that hangs.
    pub upkeep_hangs: bool,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            tells_times: true,
            takes_aad: true,
            creates: false,
            active_node: true,
            newest_only: false,
            told_on_unwrap: false,
            observes_late: false,
            wraps_late: false,
            wrap_size: SEED_WRAP,
            upkeep_hangs: false,
        }
    }
}

/// What AES-256-GCM makes of a seed: nonce, 32 bytes, tag.
const SEED_WRAP: usize = 60;

/// Fills a wrap up to this size; its own length comes last.
fn pad(wrap: &mut Vec<u8>, size: usize) {
    if size > SEED_WRAP + 2 {
        let length = wrap.len() as u16;
        wrap.resize(size - 2, 0);
        wrap.extend(length.to_be_bytes());
    }
}

fn unpadded(wrap: &[u8], size: usize) -> &[u8] {
    match wrap {
        [bytes @ .., high, low] if size > SEED_WRAP + 2 => {
            bytes.get(..u16::from_be_bytes([*high, *low]).into()).unwrap_or(wrap)
        }
        _ => wrap,
    }
}

/// A KMS with one key, in memory: AES-256-GCM under one key per version, so that what is tampered with doesn't open.
/// All of its methods may be called from anywhere while calls are under way; each call sees one state.
pub struct FakeProvider {
    description: Description,
    state: Mutex<State>,
}

struct State {
    key: Option<FakeKey>,
    habits: Habits,
    outage: Option<ErrorKind>,
    disabled: bool,
    hidden: usize,
    script: Script,
}

/// A key as it was at one moment; see [`FakeProvider::backup`].
#[derive(Clone)]
pub struct Backup(Option<FakeKey>);

impl FakeProvider {
    /// A key with version 1, made at `created` (Unix seconds).
    pub fn new(created: u64) -> Self {
        Self::named("fake", created)
    }

    /// The same, with a name of its own as its identity.
    pub fn named(name: &str, created: u64) -> Self {
        let description = Description { kind: FAKE, identity: vec![name.to_owned()], epoch: None };
        let state = State {
            key: Some(FakeKey::new(created)),
            habits: Habits::default(),
            outage: None,
            disabled: false,
            hidden: 0,
            script: Script::default(),
        };
        Self { description, state: Mutex::new(state) }
    }

    /// Changes the KMS's habits.
    pub fn set(&self, habits: Habits) {
        self.state().habits = habits;
    }

    /// What the next calls of one kind end in, one fault each; later ones stand behind earlier ones. Calls beyond
    /// them are answered as they should be.
    pub fn script(&self, operation: Operation, faults: impl IntoIterator<Item = Fault>) {
        self.state().script.add(operation, faults);
    }

    /// From now on every call fails with this kind; `None` ends it.
    pub fn outage(&self, kind: Option<ErrorKind>) {
        self.state().outage = kind;
    }

    /// Makes the next version, which was created at `created`; answers with its number, 0 = there is no key.
    pub fn rotate(&self, created: u64) -> u32 {
        self.state().key.as_mut().map_or(0, |key| key.rotate(created))
    }

    /// Deletes the key and everything that it could open.
    pub fn delete(&self) {
        self.state().key = None;
    }

    /// Puts another key with one version, 1, in its place.
    pub fn replace(&self, created: u64) {
        self.state().key = Some(FakeKey::new(created));
    }

    /// Switches the key off, or on again.
    pub fn disable(&self, disabled: bool) {
        self.state().disabled = disabled;
    }

    /// Refuses to wrap under versions below this one; 0 = none.
    pub fn min_encryption(&self, version: u32) {
        if let Some(key) = self.state().key.as_mut() {
            key.min_encryption = version;
        }
    }

    /// Refuses to open, and lists no more, versions below this one; 0 = none.
    pub fn min_decryption(&self, version: u32) {
        if let Some(key) = self.state().key.as_mut() {
            key.min_decryption = version;
        }
    }

    /// Leaves this many of the newest versions out of the list, though they wrap and open: what a node lists that
    /// lags behind the one that answers everything else. 0 = none.
    pub fn hide_newest(&self, versions: usize) {
        self.state().hidden = versions;
    }

    /// The key as it is now.
    pub fn backup(&self) -> Backup {
        Backup(self.state().key.clone())
    }

    /// Puts the key back as it was.
    pub fn restore(&self, backup: &Backup) {
        self.state().key.clone_from(&backup.0);
    }

    /// How many calls of one kind came so far.
    pub fn count(&self, operation: Operation) -> usize {
        self.state().script.seen.iter().filter(|seen| seen.operation == operation).count()
    }

    /// All calls so far, oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        self.state().script.seen.clone()
    }

    /// Forgets the calls so far.
    pub fn forget(&self) {
        self.state().script.seen.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the call and plays its fault; answers with a lie that is left to tell.
    async fn begin(&self, operation: Operation, call: &Call) -> Result<Option<Fault>, ProviderError> {
        let (fault, outage) = {
            let mut state = self.state();
            (state.script.next(operation, call), state.outage)
        };
        match fault {
            Some(Fault::Fail { kind, retry_after }) => {
                return Err(error(kind, "as scripted").with_retry_after(retry_after));
            }
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Panic) => std::panic::resume_unwind(Box::new("the fake panics, as it was told to")),
            Some(Fault::Delay(time)) => sleep(time).await,
            _ => {}
        }
        match outage {
            Some(kind) => Err(error(kind, "an outage")),
            None => Ok(fault),
        }
    }
}

impl State {
    fn key(&self) -> Result<&FakeKey, ProviderError> {
        if self.disabled {
            return Err(error(ErrorKind::Disabled, "the key is switched off"));
        }
        self.key.as_ref().ok_or_else(|| error(ErrorKind::Gone, "there is no such key"))
    }
}

fn error(kind: ErrorKind, text: &str) -> ProviderError {
    ProviderError::new(kind, format!("the fake KMS says: {text}"))
}

#[async_trait]
impl Provider for FakeProvider {
    fn describe(&self) -> &Description {
        &self.description
    }

    async fn upkeep(&self, _: &Call) {
        if self.state().habits.upkeep_hangs {
            std::future::pending::<()>().await;
        }
    }

    async fn presence(&self, call: &Call) -> Result<(), ProviderError> {
        self.begin(Operation::Presence, call).await?;
        self.state().key().map(|_| ())
    }

    async fn observe(&self, call: &Call) -> Result<Observation, ProviderError> {
        self.begin(Operation::Observe, call).await?;
        let state = self.state();
        let mut seen = state.key()?.observe(&state.habits);
        seen.versions.truncate(seen.versions.len().saturating_sub(state.hidden).max(1));
        Ok(seen)
    }

    async fn wrap(
        &self,
        version: &KeyVersion,
        plaintext: &Secret,
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Wrapped, ProviderError> {
        let fault = self.begin(Operation::Wrap, call).await?;
        let mut state = self.state();
        if state.key.is_none() && state.habits.creates {
            state.key = Some(FakeKey::new(0));
        }
        if aad.is_some() && !state.habits.takes_aad {
            return Err(error(ErrorKind::AadUnsupported, "the key takes no additional data"));
        }
        let key = state.key()?;
        let asked = version;
        let newest = key.newest().saturating_sub(state.habits.wraps_late.into()).max(1);
        let version = &if state.habits.newest_only { newest.into() } else { version.clone() };
        let mut wrapped = match fault {
            Some(Fault::OtherPlaintext) => key.wrap(version, &Secret::new(b"something else".to_vec()), aad)?,
            _ => key.wrap(version, plaintext, aad)?,
        };
        if state.habits.told_on_unwrap {
            wrapped.version = asked.clone();
        }
        pad(&mut wrapped.bytes, state.habits.wrap_size);
        match fault {
            Some(Fault::EmptyWrap) => wrapped.bytes.clear(),
            Some(Fault::Oversize) => wrapped.bytes.resize(trousseau_core::MAX_STORED + 1, 0),
            Some(Fault::OtherVersion) => wrapped.version = KeyVersion::Number(u32::MAX),
            _ => {}
        }
        Ok(wrapped)
    }

    async fn unwrap(
        &self,
        version: &KeyVersion,
        wrap: &[u8],
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Unwrapped, ProviderError> {
        let fault = self.begin(Operation::Unwrap, call).await?;
        let mut opened = {
            let state = self.state();
            let key = state.key()?;
            let wrap = unpadded(wrap, state.habits.wrap_size);
            match state.habits.told_on_unwrap {
                true => key.unwrap_as_any(wrap, aad)?,
                false => key.unwrap(version, wrap, aad)?,
            }
        };
        match fault {
            Some(Fault::OtherPlaintext) => opened.plaintext = Secret::new(b"something else".to_vec()),
            Some(Fault::OtherVersion) => opened.version = Some(KeyVersion::Number(u32::MAX)),
            _ => {}
        }
        Ok(opened)
    }

    fn wrap_size(&self) -> usize {
        self.state().habits.wrap_size
    }
}
