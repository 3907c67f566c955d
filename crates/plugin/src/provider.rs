//! The provider: a random key that the other plugin wraps, and what that key seals.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use tokio::sync::Mutex;
use tokio::time::Instant;
use trousseau_core::{
    Call, Description, ErrorKind, KeyVersion, MAX_STORED, Observation, Provider, ProviderError, ProviderKind, Secret,
    Unwrapped, VersionInfo, Wrapped,
};

use crate::client::{Client, Encrypted};
use crate::config::{Api, Config};
use crate::error::Failed;
use crate::record::Record;
use crate::seal::{self, KEY};

/// How long a round trip of our own says that the other plugin works: tampered records must not drive it.
const VERDICT: Duration = Duration::from_secs(1);

/// The longest version that our header has room for, in bytes.
const MAX_NAME: usize = 255;

/// Another KMS plugin.
///
/// * API v2: the version is its key_id; a longer one than 255 bytes stands in the wrap, and its hash is the version.
///   [`observe`](Provider::observe) knows the one that Status tells, and no others.
/// * API v1: there is one version, 1.
///
/// A Decrypt that fails with a code that plugins answer for a tampered record and for an outage alike (UNKNOWN,
/// INTERNAL), or with something that is no key, is followed by a round trip of our own: if that works and the record is
/// refused once more, it was the record.
pub struct PluginProvider {
    socket: PathBuf,
    api: Api,
    client: Client,
    description: Description,
    works: Mutex<Option<(Instant, bool)>>,
}

impl PluginProvider {
    pub(crate) fn new(config: &Config) -> Self {
        let epoch = match config.api {
            Api::V1 => Some(config.epoch.unwrap_or(1)),
            Api::V2 => None,
        };
        Self {
            socket: config.socket.clone(),
            api: config.api,
            client: Client::new(config.socket.clone(), config.api),
            description: Description { kind: ProviderKind::PLUGIN, identity: vec![config.name.clone()], epoch },
            works: Mutex::new(None),
        }
    }

    fn error(&self, kind: ErrorKind, text: &str) -> ProviderError {
        ProviderError::new(kind, format!("the plugin at {}: {text}", self.socket.display()))
    }

    /// The version that a key_id is, and the key_id if the version is not that.
    fn version_of(key_id: Option<String>) -> (KeyVersion, Option<String>) {
        match key_id {
            None => (KeyVersion::Number(1), None),
            Some(short) if short.len() <= MAX_NAME => (KeyVersion::Name(short), None),
            Some(long) => {
                let hash = digest(&SHA256, long.as_bytes());
                let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
                (KeyVersion::Name(format!("sha256:{hex}")), Some(long))
            }
        }
    }

    /// What the other plugin makes of a key of ours.
    async fn encrypted(&self, key: &Secret, call: &Call) -> Result<(KeyVersion, Record), ProviderError> {
        let Encrypted { key_id, annotations, ciphertext } = self.client.encrypt(key, call).await?;
        if ciphertext.is_empty() || key_id.as_ref().is_some_and(|id| id.is_empty() || id.len() > MAX_STORED) {
            let text = "Encrypt answered without a ciphertext or with a key_id that is none; see its log";
            return Err(self.error(ErrorKind::BadAnswer, text));
        }
        let (version, key_id) = Self::version_of(key_id);
        Ok((version, Record { key_id, annotations, ciphertext }))
    }

    async fn decrypted(&self, version: &KeyVersion, record: &Record, call: &Call) -> Result<Secret, Failed> {
        let name = match version {
            KeyVersion::Name(name) => name.as_str(),
            KeyVersion::Number(_) => "",
        };
        self.client.decrypt(record.key_id.as_deref().unwrap_or(name), record, call).await
    }

    /// The key in a record.
    async fn opened(&self, version: &KeyVersion, record: &Record, call: &Call) -> Result<Secret, Failed> {
        let key = self.decrypted(version, record, call).await?;
        if key.len() == KEY {
            return Ok(key);
        }
        // The Go Trousseau answers so, and no error, while its Vault can't be asked.
        let text = format!("Decrypt answered {} bytes where a key has {KEY}; see its log, and its KMS", key.len());
        Err(Failed { ambiguous: true, error: self.error(ErrorKind::Server, &text) })
    }

    /// Whose fault a refused Decrypt is: the record's, if the plugin opens what it has just made and refuses the record
    /// again.
    async fn opened_again(
        &self,
        version: &KeyVersion,
        record: &Record,
        error: ProviderError,
        call: &Call,
    ) -> Result<Secret, ProviderError> {
        if !self.works(call).await {
            return Err(error);
        }
        match self.opened(version, record, call).await {
            Err(Failed { ambiguous: true, error }) => {
                let text = "it works, and refuses this record: another key's, or changed since it was written";
                Err(self.error(ErrorKind::Unauthentic, text).with_source(error))
            }
            outcome => outcome.map_err(ProviderError::from),
        }
    }

    /// Whether it opens what it has just made. A probe, on which more depends than one record, finds out anew.
    async fn works(&self, call: &Call) -> bool {
        let mut works = self.works.lock().await;
        let known = works.filter(|(when, _)| !call.probe && when.elapsed() < VERDICT);
        if let Some((_, verdict)) = known {
            return verdict;
        }
        let verdict = self.round_trip(call).await.is_ok();
        // A caller without time finds out nothing for the next one.
        if verdict || !call.remaining().is_zero() {
            *works = Some((Instant::now(), verdict));
        }
        verdict
    }

    async fn round_trip(&self, call: &Call) -> Result<(), ProviderError> {
        let key = self.key()?;
        let (version, record) = self.encrypted(&key, call).await?;
        let opened = self.decrypted(&version, &record, call).await?;
        let differs = || self.error(ErrorKind::BadAnswer, "it opens a fresh ciphertext to something else");
        if opened.same_as(&key) { Ok(()) } else { Err(differs()) }
    }

    fn key(&self) -> Result<Secret, ProviderError> {
        seal::key().map_err(|_| self.error(ErrorKind::Server, "the operating system gave no random bytes"))
    }
}

/// What is bound into the sealed plaintext: the caller's data, and the record in front.
fn bound(aad: Option<&[u8]>, head: &[u8]) -> Vec<u8> {
    let aad = aad.unwrap_or_default();
    [&(aad.len() as u64).to_be_bytes(), aad, head].concat()
}

#[async_trait]
impl Provider for PluginProvider {
    fn describe(&self) -> &Description {
        &self.description
    }

    async fn presence(&self, call: &Call) -> Result<(), ProviderError> {
        self.client.status(call).await.map(drop)
    }

    async fn observe(&self, call: &Call) -> Result<Observation, ProviderError> {
        let (version, _) = Self::version_of(self.client.status(call).await?);
        let info = VersionInfo { version, created: None, active_from: Some(0), material: None };
        Ok(Observation { versions: vec![info], active_node: true, newest_only: true, ..Observation::default() })
    }

    async fn wrap(
        &self,
        _: &KeyVersion,
        plaintext: &Secret,
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Wrapped, ProviderError> {
        let key = self.key()?;
        let (version, record) = self.encrypted(&key, call).await?;
        let too_long = || {
            let annotations: usize = record.annotations.iter().map(|(name, value)| name.len() + value.len()).sum();
            let text = format!(
                "its answer does not fit into a record of {MAX_STORED} bytes: ciphertext {}, annotations {annotations}, \
                 key_id {} bytes; it can't be used behind Trousseau",
                record.ciphertext.len(),
                record.key_id.as_deref().unwrap_or(&version.to_string()).len()
            );
            self.error(ErrorKind::BadAnswer, &text)
        };
        let mut bytes = record.encode().ok_or_else(too_long)?;
        let sealed = seal::seal(&key, plaintext, &bound(aad, &bytes))
            .map_err(|_| self.error(ErrorKind::Server, "a seed could not be sealed"))?;
        bytes.extend_from_slice(&sealed);
        // The header's 13 bytes, and the version behind its length.
        let header = 13 + if self.api == Api::V2 { 1 + version.to_string().len() } else { 0 };
        if header + bytes.len() > MAX_STORED {
            return Err(too_long());
        }
        Ok(Wrapped { version, bytes })
    }

    async fn unwrap(
        &self,
        version: &KeyVersion,
        wrap: &[u8],
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Unwrapped, ProviderError> {
        let fits = match version {
            KeyVersion::Name(name) => self.api == Api::V2 && !name.is_empty(),
            KeyVersion::Number(number) => self.api == Api::V1 && *number == 1,
        };
        let parsed = Record::parse(wrap).filter(|_| fits);
        let Some((record, head, sealed)) = parsed else {
            return Err(self.error(ErrorKind::Malformed, "this is no wrap that was made with this `api`"));
        };
        let key = match self.opened(version, &record, call).await {
            Ok(key) => key,
            Err(Failed { ambiguous: true, error }) => self.opened_again(version, &record, error, call).await?,
            Err(failed) => return Err(failed.error),
        };
        let refused = || self.error(ErrorKind::Unauthentic, "the record was changed since it was written");
        let plaintext = seal::open(&key, sealed, &bound(aad, head)).map_err(|_| refused())?;
        Ok(Unwrapped { plaintext, version: None })
    }

    /// A ciphertext that is 16 bytes longer than the key in it, and what stands around it.
    fn wrap_size(&self) -> usize {
        6 + KEY + 16 + KEY + seal::TAG
    }
}

impl fmt::Debug for PluginProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginProvider").field("socket", &self.socket).field("api", &self.api).finish_non_exhaustive()
    }
}
