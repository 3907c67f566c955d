//! One configured key: turns a KMS's wraps into self-describing ciphertexts, and back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::MAX_STORED;
use crate::envelope::{self, Algorithm, Clusters, Header, aad};
use crate::error::{ErrorKind, ProviderError};
use crate::key_id::{KeyId, Layout};
use crate::provider::{Call, Description, Observation, Provider, ProviderKind, VersionInfo};
use crate::secret::Secret;
use crate::version::KeyVersion;

/// Whether wraps of a key carry additional authenticated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AadPolicy {
    /// Always; a record that says it has none is refused unless `accept_without` is set.
    Required {
        /// Read records without additional data too (`accept: [trousseau-no-aad]`).
        accept_without: bool,
    },
    /// Never: for a key whose type takes none. Reads both.
    Off,
    /// With, until the KMS says that the key's type takes none. Reads both. For the legacy file, which can't say.
    Discover,
}

/// A key as configured.
#[derive(Clone, Debug)]
pub struct KeyConfig {
    /// Its name in the configuration: for people and metrics, in no ciphertext and no key_id.
    pub name: String,
    /// The cluster's names.
    pub clusters: Arc<Clusters>,
    /// Whether wraps carry additional authenticated data.
    pub aad: AadPolicy,
}

/// A configured key. Cheap to share behind an `Arc`; holds no key material itself.
///
/// ```
/// # mod kms { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/in_memory/kms.rs")); }
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use trousseau_core::envelope::Clusters;
/// use trousseau_core::{AadPolicy, Call, Key, KeyConfig, Secret};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let key = |cluster: &str, kms: &Arc<kms::InMemory>| -> Result<Key, Box<dyn std::error::Error>> {
///     let clusters = Arc::new(Clusters::new(vec![cluster.to_owned()])?);
///     let aad = AadPolicy::Required { accept_without: false };
///     Ok(Key::new(KeyConfig { name: "primary".to_owned(), clusters, aad }, Arc::clone(kms) as _))
/// };
/// let kms = Arc::new(kms::InMemory::new().map_err(|_| "no random bytes")?);
/// let (call, seed) = (Call::within(Duration::from_secs(3)), Secret::new(vec![7; 32]));
/// let sealed = key("prod-eu-1", &kms)?.seal(&1.into(), &seed, &call).await?;
/// assert_eq!(sealed.len(), 13 + 12 + 32 + 16);
/// assert!(key("prod-eu-1", &kms)?.open(&sealed, &call).await?.same_as(&seed));
/// assert!(key("prod-eu-2", &kms)?.open(&sealed, &call).await.is_err(), "another cluster's");
/// # Ok(())
/// # }
/// ```
pub struct Key {
    config: KeyConfig,
    provider: Arc<dyn Provider>,
    without_aad: AtomicBool,
    known: ArcSwap<Vec<(KeyId, KeyVersion)>>,
    reading_failure: ArcSwapOption<String>,
}

impl Key {
    /// A key on a provider, which is wrapped in a [`Guard`](crate::guard::Guard) already.
    pub fn new(config: KeyConfig, provider: Arc<dyn Provider>) -> Self {
        let without_aad = AtomicBool::new(config.aad == AadPolicy::Off);
        Self { config, provider, without_aad, known: ArcSwap::default(), reading_failure: ArcSwapOption::empty() }
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The kind of KMS behind it.
    pub fn kind(&self) -> ProviderKind {
        self.provider.describe().kind
    }

    /// What it is, without asking the KMS.
    pub fn describe(&self) -> &Description {
        self.provider.describe()
    }

    /// The key_id of one of its versions.
    pub fn key_id(&self, version: &VersionInfo) -> KeyId {
        KeyId::derive(Layout::Native, self.config.clusters.first().0, self.describe(), version)
    }

    /// Two keys that are the same key for peers: equal key_ids, equal ciphertexts.
    pub fn same_identity(&self, other: &Self) -> bool {
        self.same_description(other) && same_material(&self.marks(), &other.marks())
    }

    /// Two keys that are configured as the same one, whatever material may stand there now.
    pub fn same_place(&self, other: &Self) -> bool {
        self.same_description(other) && (!self.describe().identity.is_empty() || self.name() == other.name())
    }

    fn same_description(&self, other: &Self) -> bool {
        self.describe() == other.describe() && self.config.clusters.first() == other.config.clusters.first()
    }

    /// Its name, with the beginning of its newest version's mark where it has one: tells two materials apart in a log.
    pub fn name_and_mark(&self) -> String {
        match self.marks().last() {
            Some((_, mark)) => format!("`{}` ({:.8})", self.name(), mark),
            None => format!("`{}`", self.name()),
        }
    }

    /// See [`Provider::marks`].
    pub(crate) fn marks(&self) -> Vec<(KeyVersion, String)> {
        self.provider.marks()
    }

    /// Wraps `plaintext` under `version`, unwraps the wrap again where it was made, and compares (I1). Two calls to
    /// the KMS.
    ///
    /// # Errors
    /// Whatever the KMS answers; [`BadAnswer`](ErrorKind::BadAnswer) and [`WrongVersion`](ErrorKind::WrongVersion)
    /// for an answer that can't be used. Nothing of such an answer is handed out.
    pub async fn seal(&self, version: &KeyVersion, plaintext: &Secret, call: &Call) -> Result<Vec<u8>, ProviderError> {
        if !self.without_aad.load(Ordering::Relaxed) {
            match self.seal_as(Algorithm::KmsWithAad, version, plaintext, call).await {
                Err(error) if error.kind() == ErrorKind::AadUnsupported && self.config.aad == AadPolicy::Discover => {
                    self.without_aad.store(true, Ordering::Relaxed);
                }
                done => return done,
            }
        }
        self.seal_as(Algorithm::KmsWithoutAad, version, plaintext, call).await
    }

    async fn seal_as(
        &self,
        algorithm: Algorithm,
        version: &KeyVersion,
        plaintext: &Secret,
        call: &Call,
    ) -> Result<Vec<u8>, ProviderError> {
        let algorithm = if self.kind() == ProviderKind::LOCAL { Algorithm::Local } else { algorithm };
        let (cluster, hash) = self.config.clusters.first();
        let header = Header { algorithm, provider: self.kind().code, version: version.clone(), cluster: hash }.encode();
        let bound = aad(&header, cluster);
        let data = (algorithm != Algorithm::KmsWithoutAad).then_some(bound.as_slice());
        let wrapped = self.provider.wrap(version, plaintext, data, call).await?;
        if wrapped.version != *version {
            return Err(self.wrong_version(version, &wrapped.version));
        }
        let ciphertext = [header.as_slice(), &wrapped.bytes].concat();
        if wrapped.bytes.is_empty() || ciphertext.len() > MAX_STORED {
            let text = format!(
                "key `{}`: the KMS answered with a wrap of {} bytes; 1 to {} can be stored, so it is not handed out",
                self.name(),
                wrapped.bytes.len(),
                MAX_STORED - header.len()
            );
            return Err(ProviderError::new(ErrorKind::BadAnswer, text));
        }
        let opened = self.provider.unwrap(version, &wrapped.bytes, data, call).await.map_err(|error| {
            let text =
                format!("key `{}`: a fresh wrap could not be opened again, so it is not handed out", self.name());
            ProviderError::new(verify_kind(error.kind()), text).with_retry_after(error.retry_after()).with_source(error)
        })?;
        match opened.version {
            Some(used) if used != *version => Err(self.wrong_version(version, &used).with_used(used)),
            _ if !opened.plaintext.same_as(plaintext) => {
                let text =
                    format!("key `{}`: a fresh wrap opens to something else, so it is not handed out", self.name());
                Err(ProviderError::new(ErrorKind::BadAnswer, text))
            }
            _ => Ok(ciphertext),
        }
    }

    /// Opens a ciphertext of ours. Asks the KMS only if the header fits this key and a configured cluster name.
    ///
    /// # Errors
    /// [`Malformed`](ErrorKind::Malformed) for a header that doesn't fit, else what the KMS answers.
    pub async fn open(&self, ciphertext: &[u8], call: &Call) -> Result<Secret, ProviderError> {
        let (header, head, wrap) = Header::parse(ciphertext).map_err(|error| {
            ProviderError::new(ErrorKind::Malformed, "the ciphertext can't be read").with_source(error)
        })?;
        let cluster = self.cluster_of(&header)?;
        if header.provider != self.kind().code {
            let text = format!("the ciphertext was made by another kind of KMS than key `{}`", self.name());
            return Err(ProviderError::new(ErrorKind::Malformed, text));
        }
        let with_aad = match header.algorithm {
            Algorithm::KmsWithAad | Algorithm::Local => true,
            Algorithm::KmsWithoutAad if self.config.aad == (AadPolicy::Required { accept_without: false }) => {
                let text = format!(
                    "the ciphertext says that it carries no authenticated data, which key `{}` requires; if such \
                     records were written on purpose, add `accept: [trousseau-no-aad]` to the key",
                    self.name()
                );
                return Err(ProviderError::new(ErrorKind::Malformed, text));
            }
            Algorithm::KmsWithoutAad => false,
        };
        let bound = aad(head, cluster);
        let opened = self.provider.unwrap(&header.version, wrap, with_aad.then_some(&bound), call).await?;
        Ok(opened.plaintext)
    }

    /// The configured cluster name that a header was written under.
    ///
    /// # Errors
    /// [`Malformed`](ErrorKind::Malformed), with the configured names, if it is none of them.
    pub fn cluster_of(&self, header: &Header) -> Result<&str, ProviderError> {
        self.config.clusters.find(header.cluster).ok_or_else(|| {
            let names: Vec<_> = self.config.clusters.names().map(|name| format!("`{name}`")).collect();
            let text = format!(
                "the ciphertext was written under another cluster name than {}; if this cluster was renamed, add the \
                 old name to `cluster` behind the new one",
                names.join(", ")
            );
            ProviderError::new(ErrorKind::Malformed, text)
        })
    }

    /// The fewest bytes that are stored for a plaintext of 32 bytes, as far as the configuration tells.
    pub(crate) fn least_stored(&self) -> usize {
        envelope::FIXED + self.provider.wrap_size()
    }

    /// Lines for people about the parts that this key is made of; see [`Provider::report`].
    pub fn report(&self) -> Vec<(bool, String)> {
        self.provider.report()
    }

    /// See [`Provider::upkeep`].
    pub(crate) async fn upkeep(&self, call: &Call) {
        self.provider.upkeep(call).await;
    }

    /// See [`Provider::is_composed`].
    pub(crate) fn is_composed(&self) -> bool {
        self.provider.is_composed()
    }

    /// Shows that the key exists; see [`Provider::presence`].
    ///
    /// # Errors
    /// As there.
    pub async fn presence(&self, call: &Call) -> Result<(), ProviderError> {
        self.provider.presence(call).await
    }

    /// What the KMS says of the key now; remembers which key_ids its versions have.
    ///
    /// # Errors
    /// As [`Provider::observe`]; [`BadAnswer`](ErrorKind::BadAnswer) for a list without versions.
    pub async fn observe(&self, call: &Call) -> Result<Observation, ProviderError> {
        let seen = self.provider.observe(call).await?;
        if seen.versions.is_empty() {
            let text = format!("key `{}`: the KMS lists no version of it", self.name());
            return Err(ProviderError::new(ErrorKind::BadAnswer, text));
        }
        self.known
            .store(Arc::new(seen.versions.iter().map(|info| (self.key_id(info), info.version.clone())).collect()));
        Ok(seen)
    }

    /// Remembers the key_id of a version that turned out to be used, though the last observation did not list it.
    pub(crate) fn remember(&self, info: &VersionInfo) {
        let mut known = self.known.load().as_ref().clone();
        known.push((self.key_id(info), info.version.clone()));
        self.known.store(Arc::new(known));
    }

    /// The version behind a key_id, if the last observation listed it.
    pub fn version_of(&self, key_id: &str) -> Option<KeyVersion> {
        self.known.load().iter().find(|(known, _)| known.as_str() == key_id).map(|(_, version)| version.clone())
    }

    /// Why the last probe of this key failed, if it only reads and its probe did.
    pub fn reading_failure(&self) -> Option<Arc<String>> {
        self.reading_failure.load_full()
    }

    pub(crate) fn set_reading_failure(&self, failure: Option<String>) {
        self.reading_failure.store(failure.map(Arc::new));
    }

    fn wrong_version(&self, asked: &KeyVersion, used: &KeyVersion) -> ProviderError {
        let text = format!("key `{}`: asked for version {asked}, the KMS used version {used}", self.name());
        ProviderError::new(ErrorKind::WrongVersion, text)
    }
}

/// See [`Provider::marks`].
fn same_material(ours: &[(KeyVersion, String)], theirs: &[(KeyVersion, String)]) -> bool {
    let other = |(version, mark): &(KeyVersion, String)| theirs.iter().any(|(v, m)| v == version && m != mark);
    ours.is_empty() && theirs.is_empty() || ours.iter().any(|mark| theirs.contains(mark)) && !ours.iter().any(other)
}

/// A fresh wrap that the KMS refuses to open is a bad answer of the KMS, not a bad request of the caller.
fn verify_kind(kind: ErrorKind) -> ErrorKind {
    if kind.is_refusal() && kind != ErrorKind::Gone { ErrorKind::BadAnswer } else { kind }
}
