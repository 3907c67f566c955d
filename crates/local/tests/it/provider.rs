use std::fs;
use std::path::Path;
use std::time::Duration;

use trousseau_core::{Call, ErrorKind, KeyVersion, Provider, ProviderKind, Secret};
use trousseau_local::{Config, KeygenOptions, LocalProvider, keygen};

use crate::keygen::{ADD, NEW, folder};

fn build(path: &Path) -> LocalProvider {
    Config { file: Some(path.to_owned()), credential: None }.build(None).unwrap()
}

fn call() -> Call {
    Call::within(Duration::from_secs(5))
}

fn probe() -> Call {
    Call::probe(Duration::from_secs(5))
}

fn seed() -> Secret {
    Secret::new(b"CANARY-CANARY-CANARY-CANARY-1234".to_vec())
}

async fn wrap(key: &LocalProvider, version: u32) -> Vec<u8> {
    key.wrap(&version.into(), &seed(), Some(b"aad"), &call()).await.unwrap().bytes
}

async fn open(key: &LocalProvider, version: u32, wrap: &[u8], call: &Call) -> Result<(), ErrorKind> {
    match key.unwrap(&version.into(), wrap, Some(b"aad"), call).await {
        Ok(opened) => {
            assert!(opened.plaintext.same_as(&seed()));
            Ok(())
        }
        Err(error) => Err(error.kind()),
    }
}

#[tokio::test]
async fn it_says_what_it_is() {
    let (_folder, path) = folder();
    keygen(&path, &NEW).unwrap();
    let key = build(&path);
    let is = key.describe();
    assert_eq!((is.kind, is.identity.len(), is.epoch), (ProviderKind::LOCAL, 0, None));
    let seen = key.observe(&probe()).await.unwrap();
    let info = &seen.versions[0];
    assert_eq!((info.version.clone(), info.created), (1.into(), None));
    assert!(info.active_from.is_some() && seen.active_node);
    assert_eq!(info.material.as_ref().unwrap().len(), 32);
    key.presence(&probe()).await.unwrap();
    assert!(!format!("{key:?}").contains("key:"));
}

#[tokio::test]
async fn a_version_that_a_peer_added_is_read_at_once() {
    let (_folder, path) = folder();
    keygen(&path, &NEW).unwrap();
    let late = build(&path);
    keygen(&path, &ADD).unwrap();
    let bytes = wrap(&build(&path), 2).await;
    assert_eq!(late.wrap(&2.into(), &seed(), None, &call()).await.unwrap_err().kind(), ErrorKind::VersionRefused);
    assert_eq!(open(&late, 2, &bytes, &call()).await, Ok(()));
    assert_eq!(open(&late, 3, &bytes, &call()).await, Err(ErrorKind::TooNew));
    late.wrap(&2.into(), &seed(), None, &call()).await.unwrap();
}

#[tokio::test]
async fn i10_a_bad_file_never_replaces_good_keys() {
    let (_folder, path) = folder();
    keygen(&path, &NEW).unwrap();
    let key = build(&path);
    let good = fs::read(&path).unwrap();
    let bytes = wrap(&key, 1).await;
    for bad in ["", "versions: []", "versions:\n  - version: CANARY\n"] {
        fs::write(&path, bad).unwrap();
        let error = key.observe(&probe()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unusable);
        let text = error.chain();
        assert!(text.contains("keys.yaml, line ") && !text.contains("CANARY"), "{text}");
        assert_eq!(key.presence(&probe()).await.unwrap_err().kind(), ErrorKind::Unusable);
        assert_eq!(open(&key, 1, &bytes, &call()).await, Ok(()));
        assert_eq!(open(&key, 1, &bytes, &probe()).await, Ok(()));
        wrap(&key, 1).await;
    }
    fs::write(&path, good).unwrap();
    key.observe(&probe()).await.unwrap();
}

#[tokio::test]
async fn a_missing_file_is_gone_and_comes_back() {
    let (_folder, path) = folder();
    keygen(&path, &NEW).unwrap();
    let key = build(&path);
    let bytes = wrap(&key, 1).await;
    let aside = path.with_extension("aside");
    fs::rename(&path, &aside).unwrap();
    assert_eq!(key.presence(&probe()).await.unwrap_err().kind(), ErrorKind::Gone);
    assert_eq!(key.observe(&probe()).await.unwrap_err().kind(), ErrorKind::Gone);
    assert_eq!(open(&key, 1, &bytes, &call()).await, Ok(()), "what was written stays readable");
    fs::rename(&aside, &path).unwrap();
    key.presence(&probe()).await.unwrap();
}

#[tokio::test]
async fn a_replaced_key_shows_in_the_probe_and_old_records_stay_readable() {
    let (_folder, path) = folder();
    keygen(&path, &NEW).unwrap();
    let key = build(&path);
    let bytes = wrap(&key, 1).await;
    fs::remove_file(&path).unwrap();
    keygen(&path, &NEW).unwrap();
    assert_eq!(open(&key, 1, &bytes, &probe()).await, Err(ErrorKind::Unauthentic));
    let error = key.observe(&probe()).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unusable && error.chain().contains("are not in it any more"), "{error:?}");
    assert_eq!(open(&key, 1, &bytes, &call()).await, Ok(()));
    assert_eq!(open(&build(&path), 1, &bytes, &call()).await, Err(ErrorKind::Unauthentic), "after a restart");
}

#[tokio::test]
async fn versions_that_were_taken_out_are_named() {
    let (_folder, path) = folder();
    keygen(&path, &NEW).unwrap();
    let one = fs::read_to_string(&path).unwrap();
    keygen(&path, &KeygenOptions { add: true, active_in: None }).unwrap();
    let both = fs::read_to_string(&path).unwrap();
    let key = build(&path);
    let wraps = [wrap(&key, 1).await, wrap(&key, 2).await];
    let (head, entry) = (one.find("  - version").unwrap(), one.len());
    fs::write(&path, both[..head].to_owned() + &both[entry..]).unwrap();
    assert_eq!(key.observe(&probe()).await.unwrap().versions.len(), 1);
    assert_eq!(open(&key, 1, &wraps[0], &call()).await, Err(ErrorKind::TooOld));
    assert_eq!(open(&key, 2, &wraps[1], &call()).await, Ok(()));
    fs::write(&path, one).unwrap();
    assert_eq!(key.observe(&probe()).await.unwrap().versions.len(), 1);
    assert_eq!(open(&key, 2, &wraps[1], &call()).await, Err(ErrorKind::TooNew));
    let text = key.unwrap(&2.into(), &wraps[1], None, &call()).await.unwrap_err().to_string();
    assert!(text.contains("no version 2, only 1 to 1"), "{text}");
}

#[tokio::test]
async fn versions_that_cannot_be_are_malformed() {
    let (_folder, path) = folder();
    keygen(&path, &NEW).unwrap();
    let key = build(&path);
    let bytes = wrap(&key, 1).await;
    for version in [KeyVersion::Number(0), KeyVersion::Name("1".into())] {
        let error = key.unwrap(&version, &bytes, Some(b"aad"), &call()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        let error = key.wrap(&version, &seed(), None, &call()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::VersionRefused);
    }
}
