//! What the other plugin's trouble is taken for.

use tempfile::TempDir;
use trousseau_cluster::{KmsApi, KmsPlugin};
use trousseau_core::{Call, ErrorKind, MAX_STORED, Provider};

use super::{built, call, newest, seed};

async fn wrap_kind(provider: &dyn Provider) -> ErrorKind {
    provider.wrap(&1.into(), &seed(), None, &call()).await.unwrap_err().kind()
}

#[tokio::test]
async fn i7_a_plugin_that_is_not_well_is_an_outage_and_no_lost_key() {
    let folder = TempDir::with_prefix("trousseau-").unwrap();
    let plugin = KmsPlugin::start(folder.path().join("kms"), KmsApi::V2).unwrap();
    let provider = built(&plugin, KmsApi::V2, "");
    provider.presence(&call()).await.unwrap();
    plugin.healthz(Some("the HSM is on fire\nand more")).unwrap();
    let error = provider.presence(&call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    assert!(error.chain().contains("the HSM is on fire and more"), "{}", error.chain());
    assert_eq!(provider.observe(&call()).await.unwrap_err().kind(), ErrorKind::Server);
    plugin.healthz(None).unwrap();
    provider.observe(&call()).await.unwrap();
}

#[tokio::test]
async fn codes_become_kinds() {
    let folder = TempDir::with_prefix("trousseau-").unwrap();
    let plugin = KmsPlugin::start(folder.path().join("kms"), KmsApi::V2).unwrap();
    let provider = built(&plugin, KmsApi::V2, "");
    let version = newest(&*provider).await;
    let wrapped = provider.wrap(&version, &seed(), None, &call()).await.unwrap();
    for (code, wrapping, opening) in [
        (2, ErrorKind::Server, ErrorKind::Server),
        (3, ErrorKind::Unusable, ErrorKind::Unauthentic),
        (4, ErrorKind::Deadline, ErrorKind::Deadline),
        (5, ErrorKind::Gone, ErrorKind::Gone),
        (7, ErrorKind::Denied, ErrorKind::Denied),
        (8, ErrorKind::Throttled, ErrorKind::Throttled),
        (9, ErrorKind::Unusable, ErrorKind::Unusable),
        (12, ErrorKind::Unusable, ErrorKind::Unusable),
        (13, ErrorKind::Server, ErrorKind::Server),
        (14, ErrorKind::Unreachable, ErrorKind::Unreachable),
        (16, ErrorKind::Denied, ErrorKind::Denied),
    ] {
        plugin.fail(Some(&format!("{code}:as told"))).unwrap();
        assert_eq!(wrap_kind(&*provider).await, wrapping, "code {code}");
        let opened = provider.unwrap(&version, &wrapped.bytes, None, &call()).await.unwrap_err();
        assert_eq!(opened.kind(), opening, "code {code}: {}", opened.chain());
    }
    plugin.fail(Some("a plain Go error")).unwrap();
    assert_eq!(wrap_kind(&*provider).await, ErrorKind::Server);
}

/// UNKNOWN for a good record during an outage is never taken for a record that was tampered with.
#[tokio::test]
async fn an_outage_is_told_from_a_tampered_record_though_both_are_unknown() {
    let folder = TempDir::with_prefix("trousseau-").unwrap();
    let plugin = KmsPlugin::start(folder.path().join("kms"), KmsApi::V1).unwrap();
    let provider = built(&plugin, KmsApi::V1, "");
    let wrapped = provider.wrap(&1.into(), &seed(), None, &call()).await.unwrap();
    plugin.fail(Some("the database is down")).unwrap();
    let opened = provider.unwrap(&1.into(), &wrapped.bytes, None, &Call::probe(call().remaining())).await;
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::Server);
    plugin.fail(None).unwrap();
    plugin.replace().unwrap();
    // The verdict before holds for a second.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let opened = provider.unwrap(&1.into(), &wrapped.bytes, None, &Call::probe(call().remaining())).await;
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::Unauthentic);
}

#[tokio::test]
async fn i6_a_plugin_may_come_late_go_and_come_back() {
    let folder = TempDir::with_prefix("trousseau-").unwrap();
    let mut plugin = KmsPlugin::start(folder.path().join("kms"), KmsApi::V2).unwrap();
    plugin.kill().unwrap();
    let provider = built(&plugin, KmsApi::V2, "");
    assert_eq!(provider.presence(&call()).await.unwrap_err().kind(), ErrorKind::Unreachable);
    plugin.start_again().unwrap();
    let version = newest(&*provider).await;
    let wrapped = provider.wrap(&version, &seed(), None, &call()).await.unwrap();
    plugin.kill().unwrap();
    let error = provider.unwrap(&version, &wrapped.bytes, None, &call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{}", error.chain());
    plugin.start_again().unwrap();
    let opened = provider.unwrap(&version, &wrapped.bytes, None, &call()).await.unwrap();
    assert!(opened.plaintext.same_as(&seed()));
}

#[tokio::test]
async fn the_other_api_is_named_as_the_remedy() {
    let folder = TempDir::with_prefix("trousseau-").unwrap();
    for (speaks, asked) in [(KmsApi::V1, KmsApi::V2), (KmsApi::V2, KmsApi::V1)] {
        let plugin = KmsPlugin::start(folder.path().join(format!("{speaks:?}")), speaks).unwrap();
        let error = built(&plugin, asked, "").presence(&call()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unusable);
        assert!(error.chain().contains("`api`"), "{}", error.chain());
    }
}

#[tokio::test]
async fn i1_what_does_not_fit_is_refused_with_its_parts() {
    let folder = TempDir::with_prefix("trousseau-").unwrap();
    let plugin = KmsPlugin::start(folder.path().join("kms"), KmsApi::V2).unwrap();
    let provider = built(&plugin, KmsApi::V2, "");
    let version = newest(&*provider).await;
    let wrapped = provider.wrap(&version, &seed(), None, &call()).await.unwrap();
    assert!(wrapped.bytes.len() < 200, "{} bytes for a seed", wrapped.bytes.len());
    let large = trousseau_core::Secret::new(vec![1; MAX_STORED]);
    let error = provider.wrap(&version, &large, None, &call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadAnswer);
    assert!(error.chain().contains("1024 bytes: ciphertext 48, annotations 33, key_id 16"), "{}", error.chain());
}
