//! A key of a vault or HSM as a [`Provider`].

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use trousseau_core::{
    Call, Description, ErrorKind, KeyVersion, Observation, Provider, ProviderError, Secret, Unwrapped, Wrapped,
};

use crate::ask::Purpose;
use crate::identifier::Version;
use crate::jwk::{Encrypting, Known};
use crate::signer::Signer;
use crate::vault::Vault;
use crate::versions::readable;
use crate::wire;
use crate::wrap::{AROUND_SEALED, LEAST_SIGNED, Wrap, sealed};

/// One key. Made by [`Config::build`](crate::Config::build); `Debug` shows the key's address only.
pub struct AzureProvider {
    description: Description,
    vault: Vault,
    name: String,
    pinned: Option<Version>,
    cipher: Cipher,
}

/// How the key wraps.
pub(crate) enum Cipher {
    /// Encrypted here with the public half, signed and decrypted in the vault.
    Rsa { known: Known<Encrypting>, signer: Box<Signer> },
    /// In the HSM.
    Aes,
}

const RSA: &str = "RSA-OAEP-256";
const AES: &str = "A256GCM";

impl AzureProvider {
    pub(crate) fn new(
        description: Description,
        vault: Vault,
        name: String,
        pinned: Option<Version>,
        cipher: Cipher,
    ) -> Self {
        Self { description, vault, name, pinned, cipher }
    }

    /// The public half of a version, read once.
    async fn encrypting(&self, known: &Known<Encrypting>, version: Version) -> Result<Arc<Encrypting>, ProviderError> {
        if let Some(key) = known.get(version) {
            return Ok(key);
        }
        let (_, key) = match self.vault.key(&self.name, Some(version), Encrypting::read).await {
            Ok(read) => read,
            Err(error) => return Err(self.vault.missing(error, &self.name, ErrorKind::VersionRefused).await),
        };
        Ok(known.put(version, key))
    }

    async fn by_rsa(
        &self,
        known: &Known<Encrypting>,
        signer: &Signer,
        version: Version,
        plaintext: &Secret,
        aad: Option<&[u8]>,
    ) -> Result<Vec<u8>, ProviderError> {
        let key = self.encrypting(known, version).await?;
        if plaintext.len() > key.capacity() {
            let text =
                format!("key `{}` wraps at most {} bytes at once, not {}", self.name, key.capacity(), plaintext.len());
            return Err(ProviderError::new(ErrorKind::Malformed, text));
        }
        let ciphertext = key.encrypt(plaintext.expose()).ok_or_else(|| {
            let text = format!("key `{}`: the operating system gave no random bytes to wrap with", self.name);
            ProviderError::new(ErrorKind::Unreachable, text)
        })?;
        signer.sign(&self.vault, (&self.name, version), aad, &ciphertext).await
    }

    async fn by_aes(&self, version: Version, plaintext: &Secret, aad: Option<&[u8]>) -> Result<Vec<u8>, ProviderError> {
        let fields = [("value", plaintext.expose()), ("aad", aad.unwrap_or_default())];
        let fields = if aad.is_some_and(|aad| !aad.is_empty()) { &fields[..] } else { &fields[..1] };
        let made = self.vault.operate((Purpose::Encrypt, &self.name, version), AES, fields, |done| {
            let ciphertext = wire::bytes(done.value).filter(|bytes| bytes.len() == plaintext.len())?;
            sealed(&wire::bytes(done.iv)?, &wire::bytes(done.tag)?, &ciphertext)
        });
        match made.await {
            Ok(wrap) => Ok(wrap),
            Err(error) => Err(self.vault.missing(error, &self.name, ErrorKind::VersionRefused).await),
        }
    }

    /// `TooNew` for a version that the key doesn't have: replaced, restored from an older backup, or a replica that
    /// lags; the probe tells which.
    async fn decrypt(
        &self,
        version: Version,
        algorithm: &str,
        fields: &[(&str, &[u8])],
    ) -> Result<Secret, ProviderError> {
        let of = (Purpose::Decrypt, self.name.as_str(), version);
        match self.vault.operate(of, algorithm, fields, |done| wire::secret(done.value)).await {
            Ok(plaintext) => Ok(plaintext),
            Err(error) => Err(self.vault.missing(error, &self.name, ErrorKind::TooNew).await),
        }
    }

    fn version(&self, version: &KeyVersion, kind: ErrorKind) -> Result<Version, ProviderError> {
        let known = match version {
            KeyVersion::Name(name) => Version::parse(name),
            KeyVersion::Number(_) => None,
        };
        known.ok_or_else(|| {
            let text =
                format!("key `{}`: Key Vault's versions are 32 hexadecimal digits, which this is not", self.name);
            ProviderError::new(kind, text)
        })
    }

    fn malformed(&self) -> ProviderError {
        let what = match self.cipher {
            Cipher::Rsa { .. } => "signed RSA",
            Cipher::Aes => "AES-GCM",
        };
        let text = format!("key `{}`: the record holds no {what} wrap; it is damaged, or of another key", self.name);
        ProviderError::new(ErrorKind::Malformed, text)
    }
}

#[async_trait]
impl Provider for AzureProvider {
    fn describe(&self) -> &Description {
        &self.description
    }

    async fn upkeep(&self, _: &Call) {
        self.vault.client.renew().await;
    }

    async fn presence(&self, _: &Call) -> Result<(), ProviderError> {
        self.vault.key(&self.name, self.pinned, |_| Ok(())).await.map(drop)
    }

    async fn observe(&self, _: &Call) -> Result<Observation, ProviderError> {
        let signer = async {
            match &self.cipher {
                Cipher::Rsa { signer, .. } => signer.refresh(&self.vault).await.map(drop),
                Cipher::Aes => Ok(()),
            }
        };
        let versions = async {
            match self.pinned {
                Some(_) => self.vault.key(&self.name, self.pinned, |_| Ok(())).await.map(|(listing, ())| listing),
                None => self.vault.versions(&self.name).await,
            }
        };
        let (listing, signer) = tokio::join!(versions, signer);
        let listing = listing?;
        signer?;
        Ok(Observation {
            versions: readable(listing.versions, &format!("key `{}`", self.name))?,
            credential_ttl: self.vault.client.session().lifetime(),
            clock_skew: listing.clock.skew,
            active_node: true,
            newest_only: self.pinned.is_some(),
            ..Observation::default()
        })
    }

    async fn wrap(
        &self,
        version: &KeyVersion,
        plaintext: &Secret,
        aad: Option<&[u8]>,
        _: &Call,
    ) -> Result<Wrapped, ProviderError> {
        let named = self.version(version, ErrorKind::VersionRefused)?;
        let bytes = match &self.cipher {
            Cipher::Rsa { known, signer } => self.by_rsa(known, signer, named, plaintext, aad).await?,
            Cipher::Aes => self.by_aes(named, plaintext, aad).await?,
        };
        Ok(Wrapped { version: version.clone(), bytes })
    }

    async fn unwrap(
        &self,
        version: &KeyVersion,
        wrap: &[u8],
        aad: Option<&[u8]>,
        _: &Call,
    ) -> Result<Unwrapped, ProviderError> {
        let named = self.version(version, ErrorKind::Malformed)?;
        let wrap = Wrap::parse(wrap).ok_or_else(|| self.malformed())?;
        let plaintext = match (&self.cipher, wrap) {
            (Cipher::Rsa { signer, .. }, Wrap::Signed(signed)) => {
                // Before anything is decrypted: a forged record never reaches the RSA key.
                signer.verify(&self.vault, &signed, (&self.name, named), aad).await?;
                self.decrypt(named, RSA, &[("value", signed.ciphertext)]).await?
            }
            (Cipher::Aes, Wrap::Sealed { nonce, tag, ciphertext }) => {
                let fields = [("value", ciphertext), ("iv", nonce), ("tag", tag), ("aad", aad.unwrap_or_default())];
                let fields = if aad.is_some_and(|aad| !aad.is_empty()) { &fields[..] } else { &fields[..3] };
                self.decrypt(named, AES, fields).await?
            }
            _ => return Err(self.malformed()),
        };
        Ok(Unwrapped { plaintext, version: None })
    }

    fn wrap_size(&self) -> usize {
        match self.cipher {
            Cipher::Rsa { .. } => LEAST_SIGNED,
            Cipher::Aes => AROUND_SEALED + 32,
        }
    }
}

impl fmt::Debug for AzureProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AzureProvider({})", self.description.identity.join(" "))
    }
}
