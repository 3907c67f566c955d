//! What AWS gets to see.

use serde_json::json;
use trousseau_core::envelope::{Algorithm, Header, aad, cluster_hash};
use trousseau_core::{ErrorKind, KeyVersion, Provider};

use crate::{ACCESS_KEY, ARN, Fake, MATERIAL, action, build, call, seed, unwrap, wrap};

#[tokio::test]
async fn i5_every_call_names_the_key_and_the_context() {
    let (fake, _) = Fake::good();
    let mut section = fake.section();
    section["encryptionContext"] = json!({"team": "platform"});
    let provider = build(section);
    let version = KeyVersion::Name(MATERIAL.to_owned());
    let header = Header {
        algorithm: Algorithm::KmsWithAad,
        provider: 3,
        version: version.clone(),
        cluster: cluster_hash("prod-eu-1"),
    };
    let bound = aad(&header.encode(), "prod-eu-1");
    let wrapped = provider.wrap(&version, &seed(), Some(&bound), &call()).await.unwrap();
    let opened = provider.unwrap(&version, &wrapped.bytes, Some(&bound), &call()).await.unwrap();
    assert!(opened.plaintext.same_as(&seed()));
    assert_eq!((wrapped.version, opened.version), (version.clone(), Some(version)));
    provider.observe(&call()).await.unwrap();
    let requests = fake.server.requests();
    assert_eq!(requests.iter().map(action).collect::<Vec<_>>(), ["Encrypt", "Decrypt", "DescribeKey"]);
    for request in &requests {
        assert_eq!(request.json()["KeyId"], ARN);
        let authorization = request.header("authorization").unwrap();
        assert!(authorization.contains(ACCESS_KEY) && authorization.contains("/eu-west-1/kms/aws4_request"));
        assert!(request.header("user-agent").is_some_and(|agent| agent.contains("app/trousseau")));
    }
    let context = json!({
        "team": "platform",
        "trousseau:cluster": "prod-eu-1",
        "trousseau:header": "fe5401010300000000c228ff7d",
        "trousseau:version": MATERIAL,
    });
    assert_eq!(requests[0].json()["EncryptionContext"], context);
    assert_eq!(requests[1].json()["EncryptionContext"], context);
}

#[tokio::test]
async fn without_additional_data_only_the_own_pairs_are_sent() {
    let (fake, _) = Fake::good();
    for pairs in [json!({}), json!({"team": "platform"})] {
        let mut section = fake.section();
        section["encryptionContext"] = pairs.clone();
        build(section).wrap(&1.into(), &seed(), None, &call()).await.unwrap();
        let sent = fake.server.requests().pop().unwrap().json();
        assert_eq!(sent.get("EncryptionContext"), Some(&pairs).filter(|pairs| **pairs != json!({})));
    }
}

/// The pairs name another key: what was written under the others is not lost, but needs a key with them.
#[tokio::test]
async fn i4_other_own_pairs_are_another_key() {
    let (fake, _) = Fake::good();
    let with = |pairs: serde_json::Value| {
        let mut section = fake.section();
        section["encryptionContext"] = pairs;
        build(section)
    };
    let (plain, team) = (with(json!({})), with(json!({"team": "platform"})));
    let wrapped = wrap(&team).await.unwrap();
    assert_eq!(unwrap(&plain, &wrapped.bytes).await.unwrap_err().kind(), ErrorKind::Unauthentic);
    assert!(unwrap(&team, &wrapped.bytes).await.is_ok());
    assert_eq!(plain.describe().identity, [ARN]);
    assert_eq!(team.describe().identity, [ARN, "team", "platform"]);
}

#[tokio::test]
async fn what_aws_never_made_is_not_sent() {
    let (fake, _) = Fake::good();
    let provider = fake.provider();
    for length in [0, 6145] {
        assert_eq!(unwrap(&provider, &vec![0; length]).await.unwrap_err().kind(), ErrorKind::Malformed);
    }
    assert_eq!(fake.server.requests().len(), 0);
}

/// The guard retries; the SDK must not.
#[tokio::test]
async fn a_call_is_made_once() {
    let (fake, reply) = Fake::changing();
    let provider = fake.provider();
    for answer in [crate::refusal(400, "ThrottlingException", ""), trousseau_testkit::https::Reply::new(503)] {
        *reply.lock().unwrap() = answer;
        let before = fake.count("Encrypt");
        assert!(wrap(&provider).await.is_err());
        assert_eq!(fake.count("Encrypt"), before + 1);
    }
}

#[tokio::test]
async fn connections_are_kept() {
    let (fake, _) = Fake::good();
    let provider = fake.provider();
    for _ in 0..10 {
        wrap(&provider).await.unwrap();
    }
    assert_eq!((fake.count("Encrypt"), fake.server.connections()), (10, 1));
}
