//! Credentials that come from a file, end, are refused, or belong to a role that is assumed first.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;
use trousseau_core::{ErrorKind, Provider};
use trousseau_testkit::https::{Reply, Request};

use crate::double::Double;
use crate::{ARN, Fake, MATERIAL, action, build, call, refusal, wrap};

/// STS's answer, in the form of its API reference.
pub(crate) fn assumed(operation: &str, token: &str, expiration: &str) -> Reply {
    Reply::bytes(
        200,
        format!(
            "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result>\
             <AssumedRoleUser><AssumedRoleId>AROA:trousseau</AssumedRoleId>\
             <Arn>arn:aws:sts::111122223333:assumed-role/r/trousseau</Arn></AssumedRoleUser>\
             <Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey>\
             <SessionToken>{token}</SessionToken><Expiration>{expiration}</Expiration></Credentials>\
             </{operation}Result></{operation}Response>"
        ),
    )
    .header("Content-Type", "text/xml")
}

fn sts_refusal(status: u16, code: &str) -> Reply {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
    );
    Reply::bytes(status, body).header("Content-Type", "text/xml")
}

fn with_key(request: &Request, access_key: &str) -> bool {
    request.header("authorization").is_some_and(|text| text.contains(access_key))
}

#[tokio::test]
async fn refused_credentials_are_read_again_once_and_not_without_end() {
    let double = Double::new(ARN, MATERIAL);
    let fake = Fake::start(move |request| {
        if with_key(request, "AKIANEW") { double.answer(request) } else { refusal(400, "ExpiredTokenException", "") }
    });
    let provider = fake.provider();
    assert_eq!(wrap(&provider).await.unwrap_err().kind(), ErrorKind::Denied);
    // A login is not thrown away in its first two seconds.
    for _ in 0..5 {
        assert!(wrap(&provider).await.is_err());
    }
    assert_eq!(fake.count("Encrypt"), 6);
    sleep(Duration::from_millis(2100)).await;
    assert!(wrap(&provider).await.is_err());
    assert_eq!(fake.count("Encrypt"), 8, "once more with what is in the file now");
    fake.write_credentials("AKIANEW", "new");
    sleep(Duration::from_millis(2100)).await;
    assert!(wrap(&provider).await.is_ok(), "and the new ones count within the same call");
}

/// The role may be another one by now. Seldom, so that a right that is missing for good costs little.
#[tokio::test]
async fn a_missing_right_is_asked_for_again_with_new_credentials_once_in_a_while() {
    let double = Double::new(ARN, MATERIAL);
    let fake = Fake::start(move |request| {
        if with_key(request, "AKIANEW") { double.answer(request) } else { refusal(400, "AccessDeniedException", "no") }
    });
    let provider = fake.provider();
    let wait = |seconds| async move {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
    };
    for (seconds, calls) in [(0, 1), (29, 2), (2, 4), (0, 5)] {
        wait(seconds).await;
        assert_eq!(wrap(&provider).await.unwrap_err().kind(), ErrorKind::Denied);
        assert_eq!(fake.count("Encrypt"), calls);
    }
    wait(31).await;
    assert!(provider.observe(&call()).await.is_ok());
    assert_eq!(fake.count("DescribeKey"), 1, "which is missing by choice, often");
    fake.write_credentials("AKIANEW", "new");
    assert!(wrap(&provider).await.is_ok(), "within the same call");
    assert_eq!(fake.count("Encrypt"), 7);
}

#[tokio::test]
async fn no_credentials_are_a_lack_of_rights_with_a_remedy() {
    let (fake, _) = Fake::good();
    for content in [
        "",
        "[other]\naws_access_key_id = x\naws_secret_access_key = y\n",
        "[default]\naws_access_key_id = x\n",
        "canary = [",
    ] {
        std::fs::write(fake.credentials_file(), content).unwrap();
        let error = wrap(&fake.provider()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{content}: {}", error.chain());
        assert!(!error.chain().contains("canary"), "{}", error.chain());
    }
    assert_eq!(fake.server.requests().len(), 0);
}

/// A KMS and an STS in one: the form of the request tells.
fn with_sts(sts: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Fake {
    let double = Double::new(ARN, MATERIAL);
    Fake::start(move |request| if action(request).is_empty() { sts(request) } else { double.answer(request) })
}

fn role_section(fake: &Fake) -> serde_json::Value {
    let mut section = fake.section();
    section["assumeRole"] = json!({
        "arn": "arn:aws:iam::111122223333:role/r",
        "externalId": "external-7",
        "sessionName": "control-plane-1",
        "endpoint": fake.server.url(),
    });
    section
}

#[tokio::test]
async fn a_role_is_assumed_with_its_external_id_and_shared_by_all_calls() {
    let fake = with_sts(|_| assumed("AssumeRole", "role-token", "2096-01-01T00:00:00Z"));
    let provider = build(role_section(&fake));
    for _ in 0..3 {
        wrap(&provider).await.unwrap();
    }
    let seen = provider.observe(&call()).await.unwrap();
    assert!(seen.credential_ttl.unwrap() > Duration::from_secs(3600));
    let requests = fake.server.requests();
    let sts: Vec<_> = requests.iter().filter(|request| action(request).is_empty()).collect();
    assert_eq!(sts.len(), 1);
    let form = String::from_utf8(sts[0].body.clone()).unwrap();
    for part in ["Action=AssumeRole&", "ExternalId=external-7", "RoleSessionName=control-plane-1", "role%2Fr"] {
        assert!(form.contains(part), "{form}");
    }
    assert!(with_key(sts[0], crate::ACCESS_KEY));
    let kms = requests.iter().filter(|request| !action(request).is_empty());
    for request in kms {
        assert!(with_key(request, "ASIAROLE"));
        assert_eq!(request.header("x-amz-security-token"), Some("role-token"));
    }
}

#[tokio::test]
async fn an_expired_role_is_assumed_again_before_it_is_used() {
    let times = Arc::new(Mutex::new(0));
    let inside = Arc::clone(&times);
    let fake = with_sts(move |_| {
        *inside.lock().unwrap() += 1;
        assumed("AssumeRole", "t", "2020-01-01T00:00:00Z")
    });
    let provider = build(role_section(&fake));
    for _ in 0..2 {
        wrap(&provider).await.unwrap();
    }
    assert_eq!(*times.lock().unwrap(), 2);
}

#[tokio::test]
async fn a_role_that_can_not_be_assumed_is_denied_or_out_of_reach() {
    for (reply, kind, words) in [
        (sts_refusal(403, "AccessDenied"), ErrorKind::Denied, "STS answered AccessDenied"),
        (sts_refusal(403, "InvalidClientTokenId"), ErrorKind::Denied, "trust policy"),
        (sts_refusal(500, "InternalFailure"), ErrorKind::Unreachable, "can't be had now"),
        (Reply::close(), ErrorKind::Unreachable, "can't be had now"),
    ] {
        let fake = with_sts(move |_| reply.clone());
        let error = wrap(&build(role_section(&fake))).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{}", error.chain());
        assert!(error.chain().contains(words), "{}", error.chain());
        assert_eq!(fake.count("Encrypt"), 0);
    }
}
