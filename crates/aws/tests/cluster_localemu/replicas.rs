//! A multi-Region key: one material, two regions.

use serde_json::json;
use trousseau_core::Provider;

use super::{Fixture, REGION, build, call, seed};

#[tokio::test]
async fn what_one_region_wrapped_the_other_opens_and_the_identity_is_one() {
    let fixture = Fixture::shared();
    let arn = fixture.kms.create_key(REGION, true).unwrap();
    let id = arn.rsplit('/').next().unwrap();
    let body = json!({"KeyId": id, "ReplicaRegion": "eu-central-1"});
    fixture.kms.call(REGION, "ReplicateKey", &body).unwrap();
    let there = arn.replace(REGION, "eu-central-1");

    let mut section = fixture.section(&arn);
    // Nobody listens in the key's own region.
    section["endpoint"] = json!(format!("http://127.0.0.1:{}", trousseau_cluster::free_port().unwrap()));
    section["replicas"] = json!([{"region": "eu-central-1", "endpoint": fixture.kms.url()}]);
    let (own, other, failing_over) = (fixture.provider(&arn), fixture.provider(&there), build(section));
    assert_eq!(own.describe(), other.describe());
    assert_eq!(own.describe(), failing_over.describe());
    let wrapped = own.wrap(&1.into(), &seed(), Some(b"aad"), &call()).await.unwrap();
    for provider in [&own, &other, &failing_over] {
        let opened = provider.unwrap(&1.into(), &wrapped.bytes, Some(b"aad"), &call()).await.unwrap();
        assert!(opened.plaintext.same_as(&seed()));
    }
    assert_eq!(own.describe().identity, [arn.replace(REGION, "")]);
    let seen = failing_over.observe(&call()).await.unwrap();
    assert_eq!(seen.versions, own.observe(&call()).await.unwrap().versions, "one material, one name");
    let lines = failing_over.report();
    assert!(!lines[0].0 && lines[1] == (true, "eu-central-1".to_owned()), "{lines:?}");
}
