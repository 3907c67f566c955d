//! The key that shows that a wrap is ours: it signs in the vault, and its signatures are verified here.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest::{SHA256, SHA384, digest};
use trousseau_core::{ErrorKind, ProviderError};

use crate::ask::Purpose;
use crate::identifier::Version;
use crate::jwk::{Known, Verifying};
use crate::vault::Vault;
use crate::versions;
use crate::wire;
use crate::wrap::{Curve, Signed};

/// An EC key of the vault.
pub(crate) struct Signer {
    name: String,
    pinned: Option<Version>,
    accept_unverified: bool,
    known: Known<Verifying>,
    /// The version that signs.
    current: ArcSwapOption<Version>,
}

impl Signer {
    pub(crate) fn new(name: String, pinned: Option<Version>, accept_unverified: bool) -> Self {
        Self { name, pinned, accept_unverified, known: Known::new(), current: ArcSwapOption::empty() }
    }

    /// Finds out which version signs now, and which ones were disabled: those verify no more.
    pub(crate) async fn refresh(&self, vault: &Vault) -> Result<Version, ProviderError> {
        let listing = match self.pinned {
            Some(_) => vault.key(&self.name, self.pinned, |_| Ok(())).await?.0,
            None => vault.versions(&self.name).await?,
        };
        let disabled: Vec<_> =
            listing.versions.iter().filter(|listed| !listed.enabled).map(|listed| listed.version).collect();
        self.known.forget(&disabled);
        let newest = listing.versions.iter().max_by_key(|listed| (listed.created, listed.version));
        let newest = newest.map(|listed| listed.version.to_string()).unwrap_or_default();
        let all_disabled = disabled.len() == listing.versions.len();
        let Some(version) = versions::signing(listing.versions, listing.clock.now) else {
            let (kind, state, remedy) = if all_disabled {
                (ErrorKind::Disabled, "is disabled, and so is every other that could sign", "enable it again")
            } else {
                (ErrorKind::Unusable, "may not sign now, nor may any other", "extend its dates, or rotate the key")
            };
            let text = format!("signing key `{}`: version {newest} {state}; {remedy}", self.name);
            return Err(ProviderError::new(kind, text));
        };
        self.current.store(Some(Arc::new(version)));
        Ok(version)
    }

    /// Signs what an RSA key encrypted; gives the whole wrap. The signature is verified before it is used.
    pub(crate) async fn sign(
        &self,
        vault: &Vault,
        (key, version): (&str, Version),
        aad: Option<&[u8]>,
        ciphertext: &[u8],
    ) -> Result<Vec<u8>, ProviderError> {
        let current = match self.current.load().as_deref() {
            Some(current) => *current,
            None => self.refresh(vault).await?,
        };
        match self.sign_with(vault, current, (key, version), aad, ciphertext).await {
            // Disabled, expired or gone since the last look: there may be another version by now.
            Err(error) if matches!(error.kind(), ErrorKind::Disabled | ErrorKind::VersionRefused) => {
                match self.refresh(vault).await? {
                    next if next != current => self.sign_with(vault, next, (key, version), aad, ciphertext).await,
                    _ => Err(error),
                }
            }
            done => done,
        }
    }

    /// Shows that a wrap was made by somebody who may sign with this key, under this version and additional data.
    ///
    /// # Errors
    /// `Unauthentic` where it wasn't; what the vault answers where the public half must be read first.
    pub(crate) async fn verify(
        &self,
        vault: &Vault,
        signed: &Signed<'_>,
        (key, version): (&str, Version),
        aad: Option<&[u8]>,
    ) -> Result<(), ProviderError> {
        use ErrorKind::{Disabled, Gone, Unauthentic};
        let verifying = match self.verifying(vault, signed.signer, Unauthentic).await {
            Err(error) if self.accept_unverified && matches!(error.kind(), Disabled | Gone | Unauthentic) => {
                return Ok(());
            }
            read => read?,
        };
        if verifying.curve == signed.curve && verifying.verifies(&signed.message(key, version, aad), signed.signature) {
            return Ok(());
        }
        let text = format!(
            "its signature is not one of key `{}`: the record was tampered with, or is of another key or cluster",
            self.name
        );
        Err(ProviderError::new(Unauthentic, text))
    }

    async fn sign_with(
        &self,
        vault: &Vault,
        signer: Version,
        (key, version): (&str, Version),
        aad: Option<&[u8]>,
        ciphertext: &[u8],
    ) -> Result<Vec<u8>, ProviderError> {
        let verifying = self.verifying(vault, signer, ErrorKind::VersionRefused).await?;
        let curve = verifying.curve;
        let message = Signed { curve, signer, signature: &[], ciphertext }.message(key, version, aad);
        let hash = digest(if curve == Curve::P256 { &SHA256 } else { &SHA384 }, &message);
        let of = (Purpose::Sign, self.name.as_str(), signer);
        let fields: &[(&str, &[u8])] = &[("value", hash.as_ref())];
        let signature = vault.operate(of, curve.algorithm(), fields, |done| wire::bytes(done.value)).await;
        let signature = match signature {
            Ok(signature) => signature,
            Err(error) => return Err(vault.missing(error, &self.name, ErrorKind::VersionRefused).await),
        };
        if !verifying.verifies(&message, &signature) {
            let text = format!("signing key `{}`: the vault's signature is none, so it is not handed out", self.name);
            return Err(ProviderError::new(ErrorKind::BadAnswer, text));
        }
        Ok(Signed { curve, signer, signature: &signature, ciphertext }.encode())
    }

    /// The public half of a version, read once. `unknown` is what it is where the key has no such version.
    async fn verifying(
        &self,
        vault: &Vault,
        version: Version,
        unknown: ErrorKind,
    ) -> Result<Arc<Verifying>, ProviderError> {
        if let Some(key) = self.known.get(version) {
            return Ok(key);
        }
        let read = vault.key(&self.name, Some(version), Verifying::read).await;
        let (listing, key) = match read {
            Ok(read) => read,
            Err(error) => return Err(vault.missing(error, &self.name, unknown).await),
        };
        if listing.versions.iter().any(|listed| !listed.enabled) {
            let text = format!(
                "signing key `{}`: version {version} is disabled, so what it signed is not opened; enable it again: `az \
                 keyvault key set-attributes --name {} --version {version} --enabled true`",
                self.name, self.name
            );
            return Err(ProviderError::new(ErrorKind::Disabled, text));
        }
        Ok(self.known.put(version, key))
    }
}
