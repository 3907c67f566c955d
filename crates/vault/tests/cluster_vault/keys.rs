//! Key types, rotation, and what is observed of a key over its life.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use trousseau_cluster::{Vault, VaultConfig};
use trousseau_core::events::Silent;
use trousseau_core::guard::{Guard, Limits};
use trousseau_core::probe::{ProbeTimes, Prober};
use trousseau_core::promotion::PromotionRule;
use trousseau_core::{AadPolicy, ErrorKind, Key, KeyConfig, Observation, Provider, SystemClock, Writer};
use trousseau_testkit::ca::TestCa;
use trousseau_vault::IdentitySource;

use super::{AAD, Fixture, built, call, seed, unwrap, wrap};

fn numbers(seen: &Observation) -> Vec<u32> {
    seen.versions.iter().map(|info| info.version.number().unwrap()).collect()
}

#[tokio::test]
async fn every_key_type_that_encrypts_gives_back_what_it_wrapped() {
    let fixture = Fixture::start();
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let types = [
        ("aes128-gcm96", AAD, 60),
        ("aes256-gcm96", AAD, 60),
        ("chacha20-poly1305", AAD, 60),
        ("rsa-2048", None, 256),
        ("rsa-4096", None, 512),
    ];
    for (kind, aad, size) in types {
        fixture.vault.create_key("transit", kind, kind).unwrap();
        let key = fixture.provider(kind);
        key.presence(&call()).await.unwrap();
        let wrapped = key.wrap(&1.into(), &seed(), aad, &call()).await.unwrap();
        assert_eq!((wrapped.bytes.len(), wrapped.version), (size, 1.into()), "{kind}");
        assert!(key.unwrap(&1.into(), &wrapped.bytes, aad, &call()).await.unwrap().plaintext.same_as(&seed()));
        let created = key.observe(&call()).await.unwrap().versions[0].created.unwrap();
        assert!((before..before + 120).contains(&created), "{kind}: {created} and {before}");
    }
}

#[tokio::test]
async fn vaults_own_tls_is_understood() {
    let ca = TestCa::new();
    let leaf = ca.server(&["127.0.0.1"]);
    let folder = tempfile::tempdir().unwrap();
    let files = (leaf.certificate_file().to_owned(), leaf.key_file().to_owned());
    let vault = Vault::start_with(&VaultConfig { dir: folder.path().to_owned(), tls: Some(files) }).unwrap();
    vault.enable_transit("transit").unwrap();
    let fixture = Fixture { vault, folder };
    fixture.create("k");
    let mut config = fixture.config("k", fixture.vault.root_token());
    config.address = fixture.vault.tls_address().unwrap();
    config.allow_http = false;
    config.tls.ca = Some(ca.file());
    let wrapped = wrap(&built(&config), 1).await.unwrap();
    unwrap(&built(&config), 1, &wrapped.bytes).await.unwrap();
    config.tls.ca = None;
    let error = wrap(&built(&config), 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{}", error.chain());
}

#[tokio::test]
async fn observations_follow_rotation_and_both_minima() {
    let fixture = Fixture::start();
    fixture.create("k");
    let key = fixture.provider("k");
    let seen = key.observe(&call()).await.unwrap();
    assert_eq!((numbers(&seen), seen.min_encryption), (vec![1], None));
    assert!(seen.active_node && seen.clock_skew.unwrap().abs() <= 2, "{seen:?}");
    assert_eq!(seen.credential_ttl, None, "the root token never expires");

    let first = wrap(&key, 1).await.unwrap();
    for _ in 0..11 {
        fixture.vault.rotate("transit", "k").unwrap();
    }
    assert_eq!(numbers(&key.observe(&call()).await.unwrap()), (1..=12).collect::<Vec<_>>());
    assert_eq!(wrap(&key, 1).await.unwrap().version, 1.into(), "the version named is the one used");
    assert_eq!(wrap(&key, 12).await.unwrap().version, 12.into());
    assert!(unwrap(&key, 1, &first.bytes).await.unwrap().same_as(&seed()));

    let settings = json!({"min_decryption_version": 3, "min_encryption_version": 11});
    fixture.vault.configure_key("transit", "k", &settings).unwrap();
    let seen = key.observe(&call()).await.unwrap();
    assert_eq!((numbers(&seen), seen.min_encryption), ((3..=12).collect(), Some(11)));

    let mut pinned = fixture.config("k", fixture.vault.root_token());
    pinned.transit.version = Some(11);
    let seen = built(&pinned).observe(&call()).await.unwrap();
    assert_eq!((numbers(&seen), seen.min_encryption), ((3..=11).collect(), Some(11)));
    for gone in [2, 13] {
        pinned.transit.version = Some(gone);
        let error = built(&pinned).observe(&call()).await.unwrap_err();
        assert!(error.chain().contains(&format!("pins version {gone}, but 12 is the newest")), "{error}");
    }
}

#[tokio::test]
async fn without_the_right_to_read_the_newest_version_is_learned_by_encrypting() {
    let fixture = Fixture::start();
    fixture.create("k");
    let hcl = r#"
        path "transit/encrypt/k" { capabilities = ["update"] }
        path "transit/decrypt/k" { capabilities = ["update"] }"#;
    let token = fixture.token("narrow", hcl);
    let mut config = fixture.config("k", &token);
    let error = built(&config).observe(&call()).await.unwrap_err();
    assert!(error.chain().contains("or set `identity: version`"), "{error}");
    config.identity = IdentitySource::Version;
    let key = built(&config);
    for newest in 1..=3 {
        key.presence(&call()).await.unwrap();
        assert_eq!(numbers(&key.observe(&call()).await.unwrap()), (1..=newest).collect::<Vec<_>>());
        let wrapped = wrap(&key, newest).await.unwrap();
        assert!(unwrap(&key, newest, &wrapped.bytes).await.unwrap().same_as(&seed()));
        fixture.vault.rotate("transit", "k").unwrap();
    }
}

/// A version without a creation time is adopted at the third probe that sees it, not at the first.
#[tokio::test]
async fn in_version_identity_a_new_version_is_adopted_after_three_equal_observations() {
    let fixture = Fixture::start();
    fixture.create("k");
    let mut config = fixture.config("k", fixture.vault.root_token());
    config.identity = IdentitySource::Version;
    let events = Arc::new(Silent);
    let guard = Guard::new("k", Arc::new(built(&config)), Limits::default(), events.clone());
    let clusters = Arc::new(trousseau_core::envelope::Clusters::new(vec!["test".into()]).unwrap());
    let aad = AadPolicy::Required { accept_without: false };
    let key = Arc::new(Key::new(KeyConfig { name: "k".into(), clusters, aad }, Arc::new(guard)));
    let writer = Arc::new(Writer::new(std::time::Duration::from_secs(120)));
    let (rule, times) = (PromotionRule::default(), ProbeTimes::default());
    let mut prober = Prober::new(key, writer.clone(), rule, times, Arc::new(SystemClock), events);
    prober.round().await.unwrap();
    let first = writer.status().unwrap().key_id;
    fixture.vault.rotate("transit", "k").unwrap();
    for _ in 0..2 {
        prober.round().await.unwrap();
        assert_eq!(writer.status().unwrap().key_id, first);
    }
    prober.round().await.unwrap();
    assert_ne!(writer.status().unwrap().key_id, first);
}
