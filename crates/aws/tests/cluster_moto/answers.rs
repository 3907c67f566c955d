//! Answers of moto's that are those of AWS too.

use serde_json::json;
use trousseau_core::{ErrorKind, Provider, Secret};

use super::{Fixture, build, call, seed};

#[tokio::test]
async fn a_key_that_is_not_there_is_gone() {
    let fixture = Fixture::start();
    let arn = fixture.create();
    let provider = fixture.provider(&format!("{}0000", &arn[..arn.len() - 4]));
    for error in [
        provider.presence(&call()).await.unwrap_err(),
        provider.observe(&call()).await.unwrap_err(),
        provider.wrap(&1.into(), &seed(), None, &call()).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Gone, "{}", error.chain());
    }
}

/// AWS refuses such a key at each call; moto only describes its state.
#[tokio::test]
async fn a_disabled_key_and_one_about_to_be_deleted_are_told_by_the_description() {
    let fixture = Fixture::start();
    for (action, words) in [("DisableKey", "is disabled"), ("ScheduleKeyDeletion", "going to be deleted on 20")] {
        let arn = fixture.create();
        let provider = fixture.provider(&arn);
        provider.observe(&call()).await.unwrap();
        fixture.kms.with_key(action, &arn).unwrap();
        let error = provider.observe(&call()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Disabled, "{}", error.chain());
        assert!(error.chain().contains(words), "{}", error.chain());
        fixture.kms.with_key("CancelKeyDeletion", &arn).ok();
        fixture.kms.with_key("EnableKey", &arn).unwrap();
        assert!(provider.observe(&call()).await.is_ok());
    }
}

#[tokio::test]
async fn keys_of_other_types_are_refused() {
    let fixture = Fixture::start();
    for (spec, usage) in [("RSA_2048", "ENCRYPT_DECRYPT"), ("HMAC_256", "GENERATE_VERIFY_MAC")] {
        let answer = fixture.kms.call("eu-west-1", "CreateKey", &json!({"KeySpec": spec, "KeyUsage": usage})).unwrap();
        let provider = fixture.provider(answer["KeyMetadata"]["Arn"].as_str().unwrap());
        let error = provider.observe(&call()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unusable, "{spec}: {}", error.chain());
        assert!(error.chain().contains("SYMMETRIC_DEFAULT"), "{}", error.chain());
    }
}

#[tokio::test]
async fn too_much_plaintext_is_refused_and_not_repeated() {
    let fixture = Fixture::start();
    let provider = fixture.provider(&fixture.create());
    let error = provider.wrap(&1.into(), &Secret::new(vec![b'c'; 4097]), None, &call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unusable, "{}", error.chain());
}

/// moto's STS gives credentials for any role; that ours takes its answer is what shows.
#[tokio::test]
async fn a_role_is_assumed() {
    let fixture = Fixture::start();
    let mut section = fixture.section(&fixture.create());
    section["assumeRole"] = json!({
        "arn": "arn:aws:iam::123456789012:role/trousseau",
        "externalId": "external-7",
        "endpoint": fixture.kms.url(),
    });
    let provider = build(section);
    let wrapped = provider.wrap(&1.into(), &seed(), Some(b"aad"), &call()).await.unwrap();
    let opened = provider.unwrap(&1.into(), &wrapped.bytes, Some(b"aad"), &call()).await.unwrap();
    assert!(opened.plaintext.same_as(&seed()));
    let seen = provider.observe(&call()).await.unwrap();
    assert!(seen.credential_ttl.is_some() && seen.clock_skew.unwrap().abs() < 30 && seen.newest_only);
}

#[tokio::test]
async fn own_pairs_are_needed_to_decrypt() {
    let fixture = Fixture::start();
    let arn = fixture.create();
    let with = |pairs: serde_json::Value| {
        let mut section = fixture.section(&arn);
        section["encryptionContext"] = pairs;
        build(section)
    };
    let team = with(json!({"team": "platform"}));
    let wrapped = team.wrap(&1.into(), &seed(), Some(b"aad"), &call()).await.unwrap();
    assert!(team.unwrap(&1.into(), &wrapped.bytes, Some(b"aad"), &call()).await.is_ok());
    for pairs in [json!({}), json!({"team": "other"}), json!({"team": "platform", "more": "x"})] {
        let error = with(pairs).unwrap(&1.into(), &wrapped.bytes, Some(b"aad"), &call()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthentic, "{}", error.chain());
    }
}
