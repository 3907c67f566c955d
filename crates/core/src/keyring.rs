//! The configured keys: the first one writes, all of them read.

use std::sync::Arc;

use tokio::time::Instant;

use crate::MAX_STORED;
use crate::envelope::Header;
use crate::error::{ErrorKind, ProviderError};
use crate::events::{Event, Events};
use crate::key::Key;
use crate::key_id::{KeyId, kubernetes_hash};
use crate::provider::Call;
use crate::secret::Secret;
use crate::writer::{Health, Status, Writer};

/// Which of Kubernetes' two APIs a call came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Api {
    /// `v1beta1`: its answers carry no key_id.
    V1,
    /// `v2`.
    V2,
}

impl Api {
    /// The label for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

/// What kube-apiserver asks to decrypt.
#[derive(Clone, Copy, Debug)]
pub struct DecryptRequest<'a> {
    /// The bytes that Encrypt answered with once.
    pub ciphertext: &'a [u8],
    /// The key_id stored beside them; `None` from the v1 API.
    pub key_id: Option<&'a str>,
}

/// What Encrypt answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encrypted {
    /// At most [`MAX_STORED`] bytes.
    pub ciphertext: Vec<u8>,
    /// The id that Status announces at this moment.
    pub key_id: KeyId,
}

/// The keys of one configuration, and the state of the first.
pub struct Keyring {
    keys: Vec<Arc<Key>>,
    writer: Arc<Writer>,
    events: Arc<dyn Events>,
}

impl Keyring {
    /// A keyring; `None` for an empty list.
    pub fn new(keys: Vec<Arc<Key>>, writer: Arc<Writer>, events: Arc<dyn Events>) -> Option<Self> {
        (!keys.is_empty()).then_some(Self { keys, writer, events })
    }

    /// The keys in their order; the first one writes.
    pub fn keys(&self) -> &[Arc<Key>] {
        &self.keys
    }

    /// The writing key's state.
    pub fn writer(&self) -> &Arc<Writer> {
        &self.writer
    }

    /// How the writing key is.
    pub fn health(&self) -> Health {
        self.writer.health()
    }

    /// The answer to Status, from memory.
    ///
    /// # Errors
    /// See [`Writer::status`].
    pub fn status(&self) -> Result<Status, ProviderError> {
        self.writer.status()
    }

    /// Waits, while nothing is known of the writing key yet, until its first probe has ended or the deadline has come.
    /// Who calls in the first moments of a process then gets an answer where there would be a refusal.
    pub async fn first_probe(&self, deadline: Instant) {
        if !self.is_probed() {
            self.writer.first_round(deadline).await;
        }
    }

    /// True once something is known of the writing key, good or bad.
    pub fn is_probed(&self) -> bool {
        self.writer.is_probed()
    }

    /// Wraps a seed under the announced version.
    ///
    /// # Errors
    /// [`Stopped`](ErrorKind::Stopped) while Status answers an error; else what the KMS answered.
    pub async fn encrypt(&self, api: Api, plaintext: &Secret, call: &Call) -> Result<Encrypted, ProviderError> {
        if plaintext.is_empty() {
            return Err(ProviderError::new(
                ErrorKind::Malformed,
                "there is nothing to encrypt: the plaintext is empty",
            ));
        }
        if plaintext.len() > MAX_STORED / 2 {
            let text = format!(
                "the plaintext has {} bytes; a wrap of more than {} would not fit the {MAX_STORED} that Kubernetes stores",
                plaintext.len(),
                MAX_STORED / 2
            );
            return Err(ProviderError::new(ErrorKind::Malformed, text));
        }
        match self.encrypt_once(plaintext, call).await {
            Err(error) if matches!(error.kind(), ErrorKind::VersionRefused | ErrorKind::WrongVersion) => match api {
                // v1 has no key_id that must agree with Status: the call may go on with what a probe finds now.
                Api::V1 => {
                    self.writer.wake_and_wait(call.deadline).await;
                    self.encrypt_once(plaintext, call).await
                }
                Api::V2 => {
                    self.writer.wake();
                    Err(error)
                }
            },
            done => done,
        }
    }

    async fn encrypt_once(&self, plaintext: &Secret, call: &Call) -> Result<Encrypted, ProviderError> {
        if self.writer.is_unproven() {
            let began = Instant::now();
            let proven = self.writer.proven_here(call.deadline).await;
            call.add_wait(began.elapsed());
            proven?;
        }
        let snapshot = self.writer.snapshot()?;
        let key = self.writing();
        let ciphertext = key.seal(&snapshot.version, plaintext, call).await?;
        // The key may have been found gone or replaced while this call was under way.
        self.writer.snapshot()?;
        if !snapshot.mark_used() {
            let text = format!("key `{}`: its key_id changed during the call; try again", key.name());
            return Err(ProviderError::new(ErrorKind::WrongVersion, text));
        }
        Ok(Encrypted { ciphertext, key_id: snapshot.key_id.clone() })
    }

    /// Unwraps a seed with whichever configured key made it. key_id selects; it does not authenticate (I5).
    ///
    /// # Errors
    /// [`UnknownKeyId`](ErrorKind::UnknownKeyId) and [`Malformed`](ErrorKind::Malformed) before any call to a KMS;
    /// [`Lost`](ErrorKind::Lost) for a record that was stored empty; else the first key's answer, or, if one could
    /// not be asked, that.
    pub async fn decrypt(&self, request: DecryptRequest<'_>, call: &Call) -> Result<Secret, ProviderError> {
        let header = admit(request)?;
        // All keys share the cluster names, so this speaks for all.
        self.writing().cluster_of(&header)?;
        let mut asked = None;
        let mut unanswered = None;
        for key in self.candidates(&header, request.key_id) {
            let error = match key.open(request.ciphertext, call).await {
                Ok(plaintext) if plaintext.is_empty() => {
                    let text = format!("key `{}`: the record opens to nothing at all", key.name());
                    return Err(ProviderError::new(ErrorKind::Lost, text));
                }
                Ok(plaintext) => return Ok(plaintext),
                Err(error) => error,
            };
            if error.kind() == ErrorKind::Unauthentic {
                self.suspect(key, request.key_id);
            }
            let slot = if error.kind().is_refusal() { &mut asked } else { &mut unanswered };
            slot.get_or_insert(error);
        }
        Err(unanswered.or(asked).unwrap_or_else(|| {
            let text = "the ciphertext was made by a kind of KMS that no configured key has; add the key that wrote it";
            ProviderError::new(ErrorKind::Malformed, text)
        }))
    }

    /// The keys that may have made a ciphertext: the one whose listed version has the key_id first, then the others
    /// of the header's kind in their order.
    fn candidates(&self, header: &Header, key_id: Option<&str>) -> Vec<&Arc<Key>> {
        let mut keys: Vec<_> = self.keys.iter().filter(|key| key.kind().code == header.provider).collect();
        let Some(id) = key_id else {
            return keys;
        };
        let selected = keys.iter().enumerate().find_map(|(at, key)| Some((at, key.version_of(id)?)));
        if let Some((at, version)) = selected {
            if version != header.version {
                self.events.on(&Event::KeyIdMismatch);
            }
            keys[..=at].rotate_right(1);
        }
        keys
    }

    /// One bad record must not stop writes, but a refusal under the active id deserves an alarm.
    fn suspect(&self, key: &Arc<Key>, key_id: Option<&str>) {
        let active = self.writer.health().active;
        if Arc::ptr_eq(key, self.writing()) && active.is_some_and(|(id, _)| Some(id.as_str()) == key_id) {
            self.events.on(&Event::KeyReplacedSuspected { key: key.name() });
            self.writer.wake();
        }
    }

    fn writing(&self) -> &Arc<Key> {
        // `new` refuses an empty list.
        &self.keys[0]
    }
}

/// Refuses, before any call to a KMS, what can't be ours.
fn admit(request: DecryptRequest<'_>) -> Result<Header, ProviderError> {
    if request.ciphertext.is_empty() {
        let text = "the record holds an empty ciphertext: its key was never stored. The Go Trousseau 1 wrote such \
                    records when Vault failed; restore the object from a backup";
        return Err(ProviderError::new(ErrorKind::Lost, text));
    }
    if let Some(id) = request.key_id
        && !id.starts_with(KeyId::PREFIX)
    {
        // By its hash: a caller may put anything there, and Kubernetes' own metrics show the same hash.
        let text = format!(
            "the record's key_id (hash {}) is not one of Trousseau's, which begin with `{}`; another plugin wrote it",
            kubernetes_hash(id),
            KeyId::PREFIX
        );
        return Err(ProviderError::new(ErrorKind::UnknownKeyId, text));
    }
    let (header, _, _) = Header::parse(request.ciphertext).map_err(|error| {
        ProviderError::new(ErrorKind::Malformed, "the ciphertext is not one of Trousseau's").with_source(error)
    })?;
    Ok(header)
}

#[cfg(test)]
mod tests;
