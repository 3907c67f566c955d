//! I3 and I4: what an administrator may rename changes neither what is written nor what it is called.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::{ErrorKind, ProviderError};
use crate::fake::{FakeProvider, Recorder};
use crate::key::Key;
use crate::promotion::PromotionRule;
use crate::provider::{Call, Description, Observation, Provider, Unwrapped, Wrapped};
use crate::rig::{Rig, START, call, key_on, seed};
use crate::secret::Secret;
use crate::version::KeyVersion;

/// The same key under another identity: its mount was moved, its namespace renamed.
struct Moved(Arc<FakeProvider>, Description);

#[async_trait]
impl Provider for Moved {
    fn describe(&self) -> &Description {
        &self.1
    }
    async fn presence(&self, call: &Call) -> Result<(), ProviderError> {
        self.0.presence(call).await
    }
    async fn observe(&self, call: &Call) -> Result<Observation, ProviderError> {
        self.0.observe(call).await
    }
    async fn wrap(
        &self,
        version: &KeyVersion,
        plaintext: &Secret,
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Wrapped, ProviderError> {
        self.0.wrap(version, plaintext, aad, call).await
    }
    async fn unwrap(
        &self,
        version: &KeyVersion,
        wrap: &[u8],
        aad: Option<&[u8]>,
        call: &Call,
    ) -> Result<Unwrapped, ProviderError> {
        self.0.unwrap(version, wrap, aad, call).await
    }
}

fn key(kms: &Arc<FakeProvider>, name: &str, clusters: &[&str]) -> Arc<Key> {
    key_on(kms, name, clusters, &Arc::new(Recorder::default()))
}

#[tokio::test(start_paused = true)]
async fn i4_what_was_written_opens_after_mount_name_and_epoch_changed() {
    let kms = Arc::new(FakeProvider::new(START - 9_000));
    let before = key(&kms, "primary", &["prod-eu-1"]);
    let sealed = before.seal(&1.into(), &seed(), &call()).await.unwrap();
    assert!(key(&kms, "renamed", &["prod-eu-1"]).open(&sealed, &call()).await.unwrap().same_as(&seed()));
    let identity = vec!["admin".into(), "transit-2".into(), "kubernetes".into()];
    let description = Description { identity, epoch: Some(7), ..before.describe().clone() };
    let clusters = Arc::new(crate::envelope::Clusters::new(vec!["prod-eu-1".into()]).unwrap());
    let aad = crate::AadPolicy::Required { accept_without: false };
    let config = crate::KeyConfig { name: "moved".into(), clusters, aad };
    let moved = Key::new(config, Arc::new(Moved(kms, description)));
    assert!(moved.open(&sealed, &call()).await.unwrap().same_as(&seed()));
    let info = moved.observe(&call()).await.unwrap().versions[0].clone();
    assert_ne!(moved.key_id(&info), before.key_id(&info), "the identity is in key_id, and in no ciphertext");
}

#[tokio::test(start_paused = true)]
async fn i3_the_keys_name_in_the_configuration_is_in_no_key_id() {
    let kms = Arc::new(FakeProvider::new(START - 9_000));
    let [one, other] = ["primary", "renamed"].map(|name| key(&kms, name, &["prod-eu-1"]));
    let info = one.observe(&call()).await.unwrap().versions[0].clone();
    assert_eq!(one.key_id(&info), other.key_id(&info));
    assert!(one.same_identity(&other));
}

#[tokio::test(start_paused = true)]
async fn i4_of_several_cluster_names_the_first_writes_and_all_read() {
    let kms = Arc::new(FakeProvider::new(START - 9_000));
    let old = key(&kms, "primary", &["old"]);
    let both = key(&kms, "primary", &["new", "old"]);
    let new = key(&kms, "primary", &["new"]);
    let by_old = old.seal(&1.into(), &seed(), &call()).await.unwrap();
    let by_both = both.seal(&1.into(), &seed(), &call()).await.unwrap();
    for sealed in [&by_old, &by_both] {
        assert!(both.open(sealed, &call()).await.unwrap().same_as(&seed()));
    }
    assert!(new.open(&by_both, &call()).await.is_ok(), "the first one writes");
    let error = new.open(&by_old, &call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.to_string().contains("`new`") && error.to_string().contains("add the old name"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn i4_an_unknown_cluster_is_named_before_any_call() {
    let rig = Rig::with(Arc::new(FakeProvider::new(START)), &["prod-eu-1", "prod-eu-0"], PromotionRule::default());
    let other = key(&rig.kms, "primary", &["staging"]).seal(&1.into(), &seed(), &call()).await.unwrap();
    rig.kms.forget();
    let error = rig.open(&other, None).await.unwrap_err();
    assert!(error.to_string().contains("`prod-eu-1`, `prod-eu-0`"), "{error}");
    assert_eq!((error.kind(), rig.kms.seen().len()), (ErrorKind::Malformed, 0));
}

/// A record carried into another cluster with the same key, its 4 bytes of hash forged: the AAD still binds it.
#[tokio::test(start_paused = true)]
async fn i4_a_forged_cluster_hash_does_not_open() {
    let rig = Rig::ready().await;
    let mut stolen = key(&rig.kms, "primary", &["staging"]).seal(&1.into(), &seed(), &call()).await.unwrap();
    stolen[9..13].copy_from_slice(&crate::envelope::cluster_hash("prod-eu-1"));
    assert_eq!(rig.open(&stolen, None).await.unwrap_err().kind(), ErrorKind::Unauthentic);
}
