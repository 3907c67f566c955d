//! A symmetric KMS key as a [`Provider`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use trousseau_core::{
    Call, Description, ErrorKind, KeyVersion, Observation, Provider, ProviderError, Secret, Unwrapped, VersionInfo,
    Wrapped,
};
use zeroize::Zeroizing;

use crate::answers::{Asked, Blames, Failure, failure};
use crate::context::context;
use crate::key::{Key, of_another_key, unusable};
use crate::material;
use crate::metadata::Described;
use crate::places::Places;
use crate::session::Session;

/// The longest ciphertext that KMS takes, in bytes.
const MAX_CIPHERTEXT: usize = 6144;

/// One symmetric key. Made by [`Config::provider`](crate::Config::provider); `Debug` shows the key only.
pub struct AwsProvider {
    description: Description,
    own_pairs: BTreeMap<String, String>,
    key: Arc<Key>,
    notes: Mutex<Vec<(bool, String)>>,
    /// Whether AWS names the material that decrypts.
    named: AtomicBool,
}

impl AwsProvider {
    pub(crate) fn new(
        description: Description,
        own_pairs: BTreeMap<String, String>,
        places: Places,
        session: Session,
    ) -> Self {
        Self {
            description,
            own_pairs,
            key: Arc::new(Key { places, session }),
            notes: Mutex::default(),
            named: AtomicBool::new(false),
        }
    }

    /// The ARN of the key that a name means at this moment, if AWS can be asked.
    pub(crate) async fn arn_of(&self, name: &str) -> Option<String> {
        let (_, client) = self.key.session.client(0).await?;
        let answer = client.describe_key().key_id(name).send().await.ok()?;
        Some(answer.key_metadata()?.arn()?.to_owned())
    }

    async fn encrypt(&self, plaintext: &Secret, aad: Option<&[u8]>, call: &Call) -> Result<Vec<u8>, ProviderError> {
        let pairs = &context(&self.own_pairs, aad);
        let asked = |at, arn: Arc<str>| async move {
            let arn = &*arn;
            let ask = |client: Client| async move {
                // The SDK's own copies can't be wiped.
                let plain = Blob::new(plaintext.expose());
                let request = client.encrypt().key_id(arn).plaintext(plain).set_encryption_context(pairs.clone());
                let answer = request.send().await;
                let answer = answer
                    .map_err(|error| failure(Asked::Encrypt, arn, &error, |text| repeats(text, plaintext.expose())))?;
                of_another_key(Asked::Encrypt, arn, answer.key_id())?;
                let wrap = answer.ciphertext_blob.map(Blob::into_inner).filter(|wrap| !wrap.is_empty());
                wrap.ok_or_else(|| unusable(Asked::Encrypt, arn, "holds no ciphertext"))
            };
            self.key.at(at, true, ask).await
        };
        self.key.places.ask(call, asked).await.map_err(|failure| failure.error)
    }

    /// Opens a wrap; the name of the material that did, where AWS tells it.
    async fn decrypt(
        &self,
        wrap: &[u8],
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<(Secret, Option<KeyVersion>), ProviderError> {
        if !(1..=MAX_CIPHERTEXT).contains(&wrap.len()) {
            let text = format!("a wrap of {} bytes was never made by AWS KMS", wrap.len());
            return Err(ProviderError::new(ErrorKind::Malformed, text));
        }
        let pairs = &context(&self.own_pairs, aad);
        let asked = |at, arn: Arc<str>| async move {
            let arn = &*arn;
            let ask = |client: Client| async move {
                // Always by the key's name: else KMS opens whatever any key of the account has made.
                let request = client.decrypt().key_id(arn).ciphertext_blob(Blob::new(wrap));
                let answer = request.set_encryption_context(pairs.clone()).send().await;
                let answer =
                    answer.map_err(|error| failure(Asked::Decrypt, arn, &error, |text| repeats(text, wrap)))?;
                of_another_key(Asked::Decrypt, arn, answer.key_id())?;
                let material = answer.key_material_id().map(|name| material::version(Some(name))).transpose();
                let material = material.map_err(|error| Failure { error, blames: Blames::Nothing })?;
                let plaintext = answer.plaintext.map(|plain| Secret::new(plain.into_inner()));
                Ok((plaintext.ok_or_else(|| unusable(Asked::Decrypt, arn, "holds no plaintext"))?, material))
            };
            self.key.at(at, true, ask).await
        };
        let (plaintext, material) = self.key.places.ask(call, asked).await.map_err(|failure| failure.error)?;
        if material.is_some() {
            self.named.store(true, Ordering::Relaxed);
        }
        Ok((plaintext, material))
    }

    fn note(&self, described: Result<&Described, ()>, version: &KeyVersion) {
        let mut notes = Vec::new();
        match described {
            Ok(Described { ends: Some(end), .. }) => {
                notes.push((true, format!("the imported key material ends at {end}; import it again before")));
            }
            Ok(_) => {}
            Err(()) => notes.push((true, "kms:DescribeKey is not allowed: the key's state is not watched".to_owned())),
        }
        if version.number().is_some() && !self.named.load(Ordering::Relaxed) {
            let text = "AWS names no key material here: key_id is made of the ARN alone and does not follow rotation";
            notes.push((true, text.to_owned()));
        } else if version.number().is_none() && !self.named.load(Ordering::Relaxed) {
            let text = "Decrypt does not name the key material here: a rotation shows at the next probe only";
            notes.push((true, text.to_owned()));
        }
        *self.notes.lock().unwrap_or_else(PoisonError::into_inner) = notes;
    }
}

#[async_trait]
impl Provider for AwsProvider {
    fn describe(&self) -> &Description {
        &self.description
    }

    async fn presence(&self, call: &Call) -> Result<(), ProviderError> {
        match self.key.describe_everywhere(call).await {
            Ok(_) => Ok(()),
            // KMS makes no key on Encrypt, so the wrap that follows shows it as well.
            Err(failure) if failure.blames == Blames::Permission => Ok(()),
            Err(failure) => Err(failure.error),
        }
    }

    async fn observe(&self, call: &Call) -> Result<Observation, ProviderError> {
        let described = match self.key.describe_everywhere(call).await {
            Ok(described) => Some(described),
            Err(failure) if failure.blames == Blames::Permission => None,
            Err(failure) => return Err(failure.error),
        };
        let version = match &described {
            Some(described) => described.version.clone(),
            // Who opens the probe's fresh wrap learns the name; it is the same one, so key_id is too.
            None => material::version(None)?,
        };
        self.note(described.as_ref().ok_or(()), &version);
        Ok(Observation {
            // No creation time: DescribeKey tells the key's, not the material's, which alone would matter. AWS wraps
            // under the newest material from the moment of the rotation on, so nothing can be put off either.
            versions: vec![VersionInfo { version, created: None, active_from: Some(0), material: None }],
            min_encryption: None,
            credential_ttl: self.key.session.credential_ttl(),
            clock_skew: self.key.session.skew(),
            active_node: true,
            newest_only: true,
            one_way: true,
        })
    }

    /// KMS takes no version by name: whoever opens the wrap learns which material it was.
    async fn wrap(
        &self,
        version: &KeyVersion,
        plaintext: &Secret,
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Wrapped, ProviderError> {
        Ok(Wrapped { version: version.clone(), bytes: self.encrypt(plaintext, aad, call).await? })
    }

    async fn unwrap(
        &self,
        _: &KeyVersion,
        wrap: &[u8],
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Unwrapped, ProviderError> {
        let (plaintext, version) = self.decrypt(wrap, aad, call).await?;
        Ok(Unwrapped { plaintext, version })
    }

    /// AWS's are of some 184 bytes now and fixed nowhere: low, so that nothing is refused that would have worked.
    fn wrap_size(&self) -> usize {
        140
    }

    fn report(&self) -> Vec<(bool, String)> {
        let mut lines = self.key.places.report();
        lines.extend(self.notes.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        lines
    }
}

impl fmt::Debug for AwsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AwsProvider({})", self.description.identity.first().map_or("", String::as_str))
    }
}

/// Whether a text quotes what was sent, as it is or as it travels.
fn repeats(text: &str, sent: &[u8]) -> bool {
    let encoded = Zeroizing::new(STANDARD.encode(sent));
    trousseau_http::repeats(text, sent) || trousseau_http::repeats(text, encoded.as_bytes())
}
