//! A key that is switched off, about to be deleted, or without material; and one of another kind.

use serde_json::json;
use trousseau_core::{ErrorKind, Provider};

use super::{Fixture, REGION, call, seed};

#[tokio::test]
async fn a_key_that_may_not_be_used_is_disabled_in_every_call_and_comes_back() {
    let fixture = Fixture::shared();
    for (action, back) in [("DisableKey", None), ("ScheduleKeyDeletion", Some("CancelKeyDeletion"))] {
        let arn = fixture.create();
        let provider = fixture.provider(&arn);
        let wrapped = provider.wrap(&1.into(), &seed(), None, &call()).await.unwrap();
        fixture.kms.with_key(action, &arn).unwrap();
        for error in [
            provider.wrap(&1.into(), &seed(), None, &call()).await.unwrap_err(),
            provider.unwrap(&1.into(), &wrapped.bytes, None, &call()).await.unwrap_err(),
            provider.observe(&call()).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Disabled, "{action}: {}", error.chain());
            assert!(error.chain().contains("aws kms enable-key"), "{action}: {}", error.chain());
        }
        for action in back.into_iter().chain(["EnableKey"]) {
            fixture.kms.with_key(action, &arn).unwrap();
        }
        assert!(provider.unwrap(&1.into(), &wrapped.bytes, None, &call()).await.is_ok());
        assert!(provider.observe(&call()).await.is_ok());
    }
}

#[tokio::test]
async fn a_key_that_waits_for_its_material_is_disabled() {
    let fixture = Fixture::shared();
    let answer = fixture.kms.call(REGION, "CreateKey", &json!({"Origin": "EXTERNAL"})).unwrap();
    let provider = fixture.provider(answer["KeyMetadata"]["Arn"].as_str().unwrap());
    let error = provider.observe(&call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disabled, "{}", error.chain());
    assert!(error.chain().contains("import the same one"), "{}", error.chain());
}

#[tokio::test]
async fn a_key_for_macs_can_not_encrypt() {
    let fixture = Fixture::shared();
    let body = json!({"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"});
    let answer = fixture.kms.call(REGION, "CreateKey", &body).unwrap();
    let provider = fixture.provider(answer["KeyMetadata"]["Arn"].as_str().unwrap());
    for error in [
        provider.observe(&call()).await.unwrap_err(),
        provider.wrap(&1.into(), &seed(), None, &call()).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unusable, "{}", error.chain());
        assert!(error.chain().contains("SYMMETRIC_DEFAULT"), "{}", error.chain());
    }
}

#[tokio::test]
async fn a_key_that_is_not_there_is_gone_and_another_one_opens_nothing() {
    let fixture = Fixture::shared();
    let arn = fixture.create();
    let missing = fixture.provider(&format!("{}0000", &arn[..arn.len() - 4]));
    for error in [
        missing.presence(&call()).await.unwrap_err(),
        missing.wrap(&1.into(), &seed(), None, &call()).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Gone, "{}", error.chain());
    }
    let wrapped = fixture.provider(&arn).wrap(&1.into(), &seed(), None, &call()).await.unwrap();
    let other = fixture.provider(&fixture.create());
    let error = other.unwrap(&1.into(), &wrapped.bytes, None, &call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthentic, "the key is named, so another one's wrap is refused");
}
