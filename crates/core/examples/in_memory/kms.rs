use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use trousseau_core::{
    Call, Description, ErrorKind, KeyVersion, Observation, Provider, ProviderError, ProviderKind, Secret, Unwrapped,
    VersionInfo, Wrapped,
};

/// A KMS with one key of one version, in memory.
pub(crate) struct InMemory {
    key: RandomizedNonceKey,
    description: Description,
}

impl InMemory {
    /// A fresh key.
    pub(crate) fn new() -> Result<Self, Unspecified> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes)?;
        // Codes from 0xF0 on are for tests.
        let kind = ProviderKind { code: 0xF2, name: "in-memory" };
        let description = Description { kind, identity: vec!["example".to_owned()], epoch: None };
        Ok(Self { key: RandomizedNonceKey::new(&AES_256_GCM, &bytes)?, description })
    }
}

#[async_trait]
impl Provider for InMemory {
    fn describe(&self) -> &Description {
        &self.description
    }

    async fn presence(&self, _: &Call) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn observe(&self, _: &Call) -> Result<Observation, ProviderError> {
        let one = VersionInfo { version: 1.into(), created: Some(1_795_421_867), active_from: None, material: None };
        Ok(Observation { versions: vec![one], active_node: true, ..Observation::default() })
    }

    async fn wrap(
        &self,
        version: &KeyVersion,
        plaintext: &Secret,
        aad: Option<&[u8]>,
        _: &Call,
    ) -> Result<Wrapped, ProviderError> {
        if version.number() != Some(1) {
            return Err(ProviderError::new(ErrorKind::VersionRefused, "the key has one version, 1"));
        }
        let mut bytes = plaintext.expose().to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(aad.unwrap_or_default()), &mut bytes)
            .map_err(|_| ProviderError::new(ErrorKind::Server, "AES-GCM refused to encrypt"))?;
        Ok(Wrapped { version: version.clone(), bytes: [nonce.as_ref().as_slice(), &bytes].concat() })
    }

    async fn unwrap(
        &self,
        version: &KeyVersion,
        wrap: &[u8],
        aad: Option<&[u8]>,
        _: &Call,
    ) -> Result<Unwrapped, ProviderError> {
        match version.number() {
            None | Some(0) => return Err(ProviderError::new(ErrorKind::Malformed, "versions are numbers from 1")),
            Some(1) => {}
            Some(_) => return Err(ProviderError::new(ErrorKind::TooNew, "the key has one version, 1")),
        }
        let short = || ProviderError::new(ErrorKind::Malformed, "the wrap is cut short");
        let (nonce, sealed) = wrap.split_at_checked(12).ok_or_else(short)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| short())?;
        let mut bytes = sealed.to_vec();
        let opened = self.key.open_in_place(nonce, Aad::from(aad.unwrap_or_default()), &mut bytes);
        let length = opened.map_err(|_| ProviderError::new(ErrorKind::Unauthentic, "it was changed"))?.len();
        bytes.truncate(length);
        Ok(Unwrapped { plaintext: Secret::new(bytes), version: None })
    }
}
