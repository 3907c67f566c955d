//! What the cases work with: one provider, the version that it lists last, and the additional data that it takes.

use std::sync::Arc;
use std::time::Duration;

use trousseau_core::{Call, ErrorKind, KeyId, KeyVersion, Observation, Provider, ProviderError, Secret, Wrapped};

use super::{Capability, Subject};

/// What is wrapped, and must show nowhere.
pub(super) const SEED: &[u8; 32] = b"CANARY-of-the-contract-suite-032";

const AAD: &[u8] = b"header and cluster";

pub(super) struct Bench {
    pub(super) key: Arc<dyn Provider>,
    pub(super) version: KeyVersion,
    pub(super) aad: Option<&'static [u8]>,
}

pub(super) fn call() -> Call {
    Call::within(Duration::from_secs(20))
}

pub(super) fn probe() -> Call {
    Call::probe(Duration::from_secs(20))
}

pub(super) fn seed() -> Secret {
    Secret::new(SEED.to_vec())
}

impl Bench {
    pub(super) async fn new(subject: &Arc<dyn Subject>) -> Self {
        Self::of(subject, subject.provider().await).await
    }

    pub(super) async fn of(subject: &Arc<dyn Subject>, key: Arc<dyn Provider>) -> Self {
        let aad = subject.capabilities().contains(&Capability::Aad).then_some(AAD);
        let mut bench = Self { key, version: KeyVersion::Number(1), aad };
        bench.version = bench.newest().await;
        bench
    }

    pub(super) async fn observe(&self) -> Observation {
        self.key.presence(&probe()).await.expect("presence of a key that is there");
        self.key.observe(&probe()).await.expect("observation of a key that is there")
    }

    pub(super) async fn newest(&self) -> KeyVersion {
        self.observe().await.versions.last().expect("a version in the list").version.clone()
    }

    /// The key_ids of all listed versions, oldest first.
    pub(super) async fn key_ids(&self) -> Vec<KeyId> {
        let derive =
            |info| KeyId::derive(trousseau_core::key_id::Layout::Native, "contract", self.key.describe(), info);
        self.observe().await.versions.iter().map(derive).collect()
    }

    pub(super) async fn wrap(&self) -> Wrapped {
        self.wrap_bytes(SEED, self.aad).await
    }

    pub(super) async fn wrap_bytes(&self, plaintext: &[u8], aad: Option<&[u8]>) -> Wrapped {
        let plaintext = Secret::new(plaintext.to_vec());
        match self.key.wrap(&self.version, &plaintext, aad, &call()).await {
            Ok(wrapped) => wrapped,
            Err(error) => panic!("a wrap under version {} failed: {}", self.version, error.chain()),
        }
    }

    pub(super) async fn try_open(&self, wrapped: &Wrapped, aad: Option<&[u8]>) -> Result<Secret, ProviderError> {
        let opened = self.key.unwrap(&wrapped.version, &wrapped.bytes, aad, &call()).await?;
        if let Some(used) = opened.version {
            assert_eq!(used, wrapped.version, "a wrap was opened by a version that did not make it");
        }
        Ok(opened.plaintext)
    }

    pub(super) async fn opens(&self, wrapped: &Wrapped) {
        match self.try_open(wrapped, self.aad).await {
            Ok(plaintext) => assert!(plaintext.same_as(&seed()), "a wrap opened to something else"),
            Err(error) => panic!("a good wrap did not open: {}", error.chain()),
        }
    }

    /// How a wrap that must not open is refused: by an answer about this wrap, which says nothing of the KMS.
    pub(super) async fn refuses(&self, wrapped: &Wrapped, aad: Option<&[u8]>) -> ErrorKind {
        self.refuses_as(wrapped, aad, &[ErrorKind::Unauthentic, ErrorKind::Malformed]).await
    }

    /// How a wrap of another key is refused. Where versions have names that no two keys share, as an unknown version.
    pub(super) async fn refuses_foreign(&self, wrapped: &Wrapped) -> ErrorKind {
        let named = matches!(wrapped.version, KeyVersion::Name(_)).then_some(ErrorKind::TooNew);
        let kinds: Vec<_> = [ErrorKind::Unauthentic, ErrorKind::Malformed].into_iter().chain(named).collect();
        self.refuses_as(wrapped, self.aad, &kinds).await
    }

    async fn refuses_as(&self, wrapped: &Wrapped, aad: Option<&[u8]>, kinds: &[ErrorKind]) -> ErrorKind {
        match self.try_open(wrapped, aad).await {
            Ok(_) => panic!("it opened, and must not"),
            Err(error) => {
                let kind = error.kind();
                assert!(kinds.contains(&kind), "refused as {kind:?}, which is none of {kinds:?}: {}", error.chain());
                kind
            }
        }
    }
}
