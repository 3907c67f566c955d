//! The trait that a KMS implements, and what goes in and out of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::error::ProviderError;
use crate::secret::Secret;
use crate::version::KeyVersion;

/// One key in one KMS. The whole of what a new KMS has to say; retries, deadlines, the breaker, bounds and metrics
/// wrap it from outside, so an implementation makes each call once and reports what happened.
///
/// Contract (the suite in `trousseau-testkit` checks it):
/// * `wrap` uses exactly the version named, or reports the one that it used; it never answers with empty bytes.
/// * `unwrap` of any answer of `wrap` gives the plaintext back, with the same `aad` only.
/// * Errors carry the [`ErrorKind`](crate::ErrorKind) that says what happened; an unknown one is
///   [`Server`](crate::ErrorKind::Server), never a success.
/// * A dropped future leaves nothing behind.
///
/// # Example
///
/// A whole one, in memory (`docs/providers.md` has one for a REST API):
///
/// ```
#[doc = include_str!("../examples/in_memory/kms.rs")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kms = InMemory::new().map_err(|_| "no random bytes")?;
/// let (call, seed) = (Call::within(std::time::Duration::from_secs(3)), Secret::new(vec![7; 32]));
/// let wrapped = kms.wrap(&1.into(), &seed, Some(b"prod-eu-1"), &call).await?;
/// let opened = kms.unwrap(&wrapped.version, &wrapped.bytes, Some(b"prod-eu-1"), &call).await?;
/// assert!(opened.plaintext.same_as(&seed));
/// let other = kms.unwrap(&wrapped.version, &wrapped.bytes, Some(b"prod-eu-2"), &call).await;
/// assert_eq!(other.unwrap_err().kind(), ErrorKind::Unauthentic);
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// What this key is: fixed for the life of the value, known without asking the KMS.
    fn describe(&self) -> &Description;

    /// Looks after what calls need: certificate files that changed, a token that nears its end. Called first in each
    /// round of a probe, whatever becomes of the rest, so that nothing is used up while the KMS can't be asked. It has
    /// half of the round's time, and no error: what is wrong shows in the calls.
    async fn upkeep(&self, _: &Call) {}

    /// Shows that the key exists, by something that can't create it.
    ///
    /// # Errors
    /// [`Gone`](crate::ErrorKind::Gone) where the KMS says that there is no such key; any other kind says nothing.
    async fn presence(&self, call: &Call) -> Result<(), ProviderError>;

    /// What the KMS says of the key now: its versions and when they were made. The caller has shown before that the
    /// key exists.
    ///
    /// # Errors
    /// [`Gone`](crate::ErrorKind::Gone) as above, and everything that a call to the KMS can end in.
    async fn observe(&self, call: &Call) -> Result<Observation, ProviderError>;

    /// Wraps `plaintext` (a 32-byte seed, or any other few bytes) under `version`, bound to `aad`. `None` = without
    /// additional data, for keys that take none.
    ///
    /// # Errors
    /// [`VersionRefused`](crate::ErrorKind::VersionRefused) where the KMS refuses the version by name;
    /// [`AadUnsupported`](crate::ErrorKind::AadUnsupported) where the key takes no additional data.
    async fn wrap(
        &self,
        version: &KeyVersion,
        plaintext: &Secret,
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Wrapped, ProviderError>;

    /// Opens what [`wrap`](Self::wrap) made.
    ///
    /// # Errors
    /// [`Unauthentic`](crate::ErrorKind::Unauthentic), [`TooNew`](crate::ErrorKind::TooNew),
    /// [`TooOld`](crate::ErrorKind::TooOld), [`Malformed`](crate::ErrorKind::Malformed) and
    /// [`Gone`](crate::ErrorKind::Gone) are the answers of a KMS that works.
    async fn unwrap(
        &self,
        version: &KeyVersion,
        wrap: &[u8],
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Unwrapped, ProviderError>;

    /// The fewest bytes that a wrap of 32 bytes takes, as far as it is known without asking the KMS.
    fn wrap_size(&self) -> usize {
        60
    }

    /// Several keys as one, which are probed by themselves: [`observe`](Self::observe) speaks for what they found, and
    /// names a version that can write whether or not the one before can still be opened.
    fn is_composed(&self) -> bool {
        false
    }

    /// Marks of the versions' material, for a key that has nothing else to be told by: two such keys are the same one if
    /// they share a mark and no version has two. Known without asking; goes into no key_id.
    fn marks(&self) -> Vec<(KeyVersion, String)> {
        Vec::new()
    }

    /// Lines for people about parts that this key is made of: whether each is good, and what it is.
    fn report(&self) -> Vec<(bool, String)> {
        Vec::new()
    }
}

/// What a key is, before the KMS was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The kind of KMS.
    pub kind: ProviderKind,
    /// The parts that name the key inside its kind, in a fixed order (Vault: namespace, mount, key). Goes into key_id.
    pub identity: Vec<String>,
    /// Raised by hand after a key was replaced, where the KMS's metadata can't tell; else `None`. Goes into key_id.
    pub epoch: Option<u32>,
}

/// A kind of KMS: one byte in every ciphertext, one word in every key_id and metric. Both are for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProviderKind {
    /// The byte in the envelope; 0 is never used, 0xF0 and above are for tests.
    pub code: u8,
    /// The word: lower case.
    pub name: &'static str,
}

impl ProviderKind {
    /// A key in a file on this machine.
    pub const LOCAL: Self = Self { code: 1, name: "local" };
    /// HashiCorp Vault's or OpenBao's transit engine.
    pub const VAULT: Self = Self { code: 2, name: "vault" };
    /// AWS KMS.
    pub const AWS_KMS: Self = Self { code: 3, name: "aws-kms" };
    /// Azure Key Vault or Managed HSM.
    pub const AZURE_KEYVAULT: Self = Self { code: 4, name: "azure-keyvault" };
    /// Google Cloud KMS.
    pub const GCP_KMS: Self = Self { code: 5, name: "gcp-kms" };
    /// An HSM by PKCS#11.
    pub const PKCS11: Self = Self { code: 6, name: "pkcs11" };
    /// Another Kubernetes KMS plugin behind its socket.
    pub const PLUGIN: Self = Self { code: 7, name: "plugin" };
    /// Several keys as one.
    pub const ANY: Self = Self { code: 8, name: "any" };
}

/// One version of a key as the KMS lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionInfo {
    /// Its number or name.
    pub version: KeyVersion,
    /// When it was made, in whole Unix seconds by the KMS; `None` where the KMS doesn't tell or may not be asked.
    pub created: Option<u64>,
    /// From when on it may write, in whole Unix seconds, where the key itself says so (a local key file);
    /// [`NEVER`](Self::NEVER) for one that only reads.
    pub active_from: Option<u64>,
    /// A public fingerprint of the material, where that is part of the identity.
    pub material: Option<String>,
}

impl VersionInfo {
    /// As [`active_from`](Self::active_from): it opens what it wrapped, and may wrap nothing now (expired, not valid
    /// yet, for decryption only).
    pub const NEVER: u64 = u64::MAX;
}

/// What a KMS says of a key at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// The versions that it still decrypts, oldest first; never empty. With `newest_only`, just the one that writes.
    pub versions: Vec<VersionInfo>,
    /// The lowest version that may encrypt; `None` = no limit.
    pub min_encryption: Option<u32>,
    /// How long the credential that was used still lives, where the provider knows.
    pub credential_ttl: Option<Duration>,
    /// The KMS's clock minus ours, in seconds, where the KMS told its time.
    pub clock_skew: Option<i64>,
    /// False where no configured address is the KMS's active node (a lone standby or a load balancer).
    pub active_node: bool,
    /// The KMS tells only which version writes now (AWS KMS, another plugin): one that lacks in `versions` may open
    /// all the same, so its absence says nothing.
    pub newest_only: bool,
    /// With `newest_only`: the KMS never goes back to an earlier version, so one that was left is the word of a node
    /// that lags (AWS KMS, for some minutes after a rotation).
    pub one_way: bool,
}

impl Observation {
    /// Whether the KMS may still open what this version wrote, as far as this answer tells.
    pub fn may_open(&self, version: &KeyVersion) -> bool {
        self.newest_only || self.versions.iter().any(|info| info.version == *version)
    }
}

/// A fresh wrap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// The version that the KMS says it used.
    pub version: KeyVersion,
    /// The wrap, as the KMS made it, without anything that the envelope's header already says.
    pub bytes: Vec<u8>,
}

/// An opened wrap.
#[derive(Debug)]
pub struct Unwrapped {
    /// What was wrapped.
    pub plaintext: Secret,
    /// The version that opened it, where only the KMS knows; `None` = the one that was asked for.
    pub version: Option<KeyVersion>,
}

/// The frame of one call: until when, on which node, and how long it has waited for the KMS so far.
#[derive(Clone, Debug)]
pub struct Call {
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// Ask the KMS's active node, not one that may lag.
    pub active_node: bool,
    /// A background probe: goes past breaker and queue, is never retried.
    pub probe: bool,
    waited: Arc<AtomicU64>,
}

impl Call {
    /// A caller's call, to end within `time`.
    pub fn within(time: Duration) -> Self {
        Self { deadline: Instant::now() + time, active_node: false, probe: false, waited: Arc::default() }
    }

    /// A background probe, to end within `time`.
    pub fn probe(time: Duration) -> Self {
        Self { probe: true, ..Self::within(time) }
    }

    /// The same call, sent to the active node.
    #[must_use]
    pub fn on_active_node(&self) -> Self {
        Self { active_node: true, ..self.clone() }
    }

    /// A part of this call that ends sooner and counts its own waiting.
    #[must_use]
    pub(crate) fn apart(&self, deadline: Instant) -> Self {
        Self { deadline: deadline.min(self.deadline), waited: Arc::default(), ..self.clone() }
    }

    /// Time left until the deadline; zero when it is past.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Adds time spent waiting for the KMS.
    pub fn add_wait(&self, time: Duration) {
        self.waited.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Time spent waiting for the KMS so far, retries included.
    pub fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited.load(Ordering::Relaxed))
    }
}
