//! What every provider has to keep to, on the double: RSA with signatures, and AES-GCM.

use std::sync::Arc;

use async_trait::async_trait;
use trousseau_core::Provider;
use trousseau_testkit::azure::KeyKind;
use trousseau_testkit::contract::{Capability, Subject, check_all};

use super::{Fixture, shared};

struct OnDouble(Fixture);

#[async_trait]
impl Subject for OnDouble {
    fn capabilities(&self) -> &[Capability] {
        use Capability::{Aad, Another, Delete, Lists, Replace, Rotate, Wipes};
        &[Aad, Another, Delete, Lists, Replace, Rotate, Wipes]
    }

    fn largest(&self) -> usize {
        // 2048 bits less two hashes and two bytes.
        if self.0.rsa { 190 } else { usize::MAX }
    }

    async fn provider(&self) -> Arc<dyn Provider> {
        shared(self.0.provider())
    }

    async fn another(&self) -> Arc<dyn Provider> {
        self.0.azure.create_once("other", if self.0.rsa { KeyKind::Rsa } else { KeyKind::Aes });
        shared(self.0.with(|section| section["key"] = "other".into()))
    }

    async fn rotate(&self) {
        self.0.azure.rotate("k");
    }

    async fn replace(&self) {
        self.0.azure.replace("k");
    }

    async fn delete(&self) {
        self.0.azure.delete("k");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_rsa_keeps_to_the_contract() {
    check_all(|| async { Arc::new(OnDouble(Fixture::vault())) as Arc<dyn Subject> }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aes_gcm_keeps_to_the_contract() {
    check_all(|| async { Arc::new(OnDouble(Fixture::hsm())) as Arc<dyn Subject> }).await;
}

/// The suite takes numbers for versions to swap two of them; here they have names.
#[tokio::test]
async fn one_version_does_not_open_as_another() {
    for fixture in [Fixture::vault(), Fixture::hsm()] {
        let provider = fixture.provider();
        let old = super::wrap(&provider).await.unwrap();
        fixture.azure.rotate("k");
        let new = super::wrap(&provider).await.unwrap();
        assert_ne!(old.version, new.version);
        let swapped = trousseau_core::Wrapped { version: new.version, ..old.clone() };
        assert_eq!(super::refused(&provider, &swapped).await, trousseau_core::ErrorKind::Unauthentic);
        super::opens(&provider, &old).await;
    }
}

#[tokio::test]
async fn a_wrap_is_as_long_as_was_said_before() {
    for (fixture, size) in [(Fixture::vault(), 337), (Fixture::hsm(), 61)] {
        let provider = fixture.provider();
        let wrapped = super::wrap(&provider).await.unwrap();
        assert_eq!((wrapped.bytes.len(), provider.wrap_size()), (size, size));
    }
}
