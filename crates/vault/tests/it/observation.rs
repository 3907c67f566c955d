//! What the core is told of a key.

use serde_json::{Value, json};
use trousseau_core::{ErrorKind, Observation, Provider, ProviderError};
use trousseau_testkit::https::Reply;
use trousseau_vault::{Config, Environment, IdentitySource};

use super::{ENCRYPT, Fake, HEALTH, KEY, LOOKUP, call, data, refusal};

async fn observe(key: Value, change: impl FnOnce(&mut Config)) -> Result<Observation, ProviderError> {
    observed(&Fake::answering(KEY, data(&key)), change).await
}

async fn observed(fake: &Fake, change: impl FnOnce(&mut Config)) -> Result<Observation, ProviderError> {
    let mut config = fake.config();
    change(&mut config);
    config.build(&Environment::default()).unwrap().observe(&call()).await
}

fn versions(seen: &Observation) -> Vec<(u32, Option<u64>)> {
    seen.versions.iter().map(|info| (info.version.number().unwrap(), info.created)).collect()
}

fn three() -> Value {
    json!({"type": "aes256-gcm96", "keys": {"2": 200, "10": 1000, "9": 900}, "min_encryption_version": 0})
}

#[tokio::test]
async fn versions_come_in_order_with_their_times() {
    let seen = observe(three(), |_| {}).await.unwrap();
    assert_eq!(versions(&seen), [(2, Some(200)), (9, Some(900)), (10, Some(1000))]);
    assert_eq!(seen.min_encryption, None);
    let mut key = three();
    key["min_encryption_version"] = json!(9);
    assert_eq!(observe(key, |_| {}).await.unwrap().min_encryption, Some(9));
}

#[tokio::test]
async fn asymmetric_keys_write_their_times_in_words() {
    let made = json!({"creation_time": "2026-11-23T13:57:47.5+02:00", "public_key": "-----BEGIN", "name": "rsa-2048"});
    let seen = observe(json!({"type": "rsa-2048", "keys": {"1": made}}), |_| {}).await.unwrap();
    assert_eq!(versions(&seen), [(1, Some(1_795_435_067))]);
}

#[tokio::test]
async fn a_pin_offers_its_version_alone_for_writing_and_the_older_ones_for_reading() {
    let seen = observe(three(), |config| config.transit.version = Some(9)).await.unwrap();
    assert_eq!(versions(&seen), [(2, Some(200)), (9, Some(900))]);
    assert_eq!(seen.min_encryption, Some(9));
    for (pin, min) in [(3, 0), (11, 0), (9, 10)] {
        let mut key = three();
        key["min_encryption_version"] = json!(min);
        let error = observe(key, |config| config.transit.version = Some(pin)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unusable);
        assert!(error.chain().contains("transit.version"), "{error}");
    }
}

#[tokio::test]
async fn keys_that_cannot_serve_are_named_with_a_remedy() {
    let rows = [
        (json!({"type": "ed25519", "supports_encryption": false, "keys": {}}), "Unusable", "aes256-gcm96"),
        (json!({"type": "aes256-gcm96", "derived": true, "keys": {"1": 1}}), "Unusable", "without derivation"),
        (json!({"type": "aes256-cbc", "keys": {"1": 1}}), "Unusable", "tampering"),
        (json!({"type": "managed_key"}), "Unusable", "`identity: version`"),
        (json!({"type": "aes256-gcm96", "soft_deleted": true, "keys": {"1": 1}}), "Disabled", "restore"),
        (json!({"type": "aes256-gcm96", "keys": {"0": 1}}), "BadAnswer", ""),
        (json!({"type": "aes256-gcm96", "keys": {"-1": 1}}), "BadAnswer", ""),
        (json!({"type": "aes256-gcm96", "keys": {"1": -1}}), "BadAnswer", ""),
        (json!({"type": "rsa-2048", "keys": {"1": {"creation_time": "yesterday"}}}), "BadAnswer", ""),
        (json!({"type": "aes256-gcm96", "keys": [1]}), "BadAnswer", ""),
        (json!({"type": "rsa-2048", "keys": {"1": {}}}), "BadAnswer", ""),
        (json!("aes256-gcm96"), "BadAnswer", ""),
    ];
    for (key, kind, remedy) in rows {
        let error = observe(key.clone(), |_| {}).await.unwrap_err();
        assert_eq!(format!("{:?}", error.kind()), kind, "{key}: {error}");
        assert!(error.chain().contains(remedy), "{key}: {error}");
    }
}

#[tokio::test]
async fn version_identity_learns_the_newest_by_one_unpinned_encrypt() {
    let fake = Fake::answering(ENCRYPT, data(&json!({"ciphertext": "vault:v3:AAAA", "key_version": 3})));
    let seen = observed(&fake, |config| config.identity = IdentitySource::Version).await.unwrap();
    assert_eq!(versions(&seen), [(1, None), (2, None), (3, None)]);
    assert_eq!(seen.min_encryption, None);
    assert_eq!((fake.count(ENCRYPT), fake.count(KEY)), (1, 0), "the key is never read");
    let sent = fake.server.requests().into_iter().find(|request| request.path == ENCRYPT).unwrap();
    assert_eq!(sent.json()["key_version"], Value::Null);

    let fake = Fake::start(super::good);
    let pinned = |config: &mut Config| {
        config.identity = IdentitySource::Version;
        config.transit.version = Some(2);
    };
    let seen = observed(&fake, pinned).await.unwrap();
    assert_eq!((versions(&seen), seen.min_encryption), (vec![(1, None), (2, None)], Some(2)));
    assert_eq!(fake.count(ENCRYPT), 0, "a pin needs no question");
}

#[tokio::test]
async fn the_active_node_and_the_clock_are_told_by_health() {
    let date = "Mon, 23 Nov 2026 10:00:00 GMT";
    let seen = observed(&Fake::answering(HEALTH, Reply::new(200).header("Date", date)), |_| {}).await.unwrap();
    assert!(seen.active_node);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
    assert!((seen.clock_skew.unwrap() - (1_795_428_000 - now)).abs() <= 2, "{:?}", seen.clock_skew);
    for status in [429, 472, 473, 474, 501, 503, 530, 404, 500] {
        let seen = observed(&Fake::answering(HEALTH, Reply::new(status)), |_| {}).await.unwrap();
        assert!(!seen.active_node, "{status}");
    }
}

#[tokio::test]
async fn what_is_asked_on_the_side_fails_nothing() {
    for path in [HEALTH, LOOKUP] {
        for reply in [Reply::never(), Reply::close(), refusal(403, "permission denied"), Reply::bytes(200, "{")] {
            let fake = Fake::answering(path, reply);
            let seen = observed(&fake, |_| {}).await.unwrap();
            assert_eq!(seen.credential_ttl, None);
            assert_eq!(versions(&seen).len(), 1);
        }
    }
}
