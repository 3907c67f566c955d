//! Rotation on demand, with a real new material.

use trousseau_core::{KeyVersion, Provider};

use super::{Fixture, call, seed};

#[tokio::test]
async fn each_material_is_a_version_of_its_own_and_the_old_ones_open() {
    let fixture = Fixture::shared();
    let arn = fixture.create();
    let provider = fixture.provider(&arn);
    let mut seen: Vec<KeyVersion> = Vec::new();
    let mut wraps = Vec::new();
    for _ in 0..4 {
        let observed = provider.observe(&call()).await.unwrap();
        let [info] = &observed.versions[..] else { panic!("one is listed: {:?}", observed.versions) };
        assert!(matches!(&info.version, KeyVersion::Name(name) if name.len() == 64), "{}", info.version);
        assert!(observed.newest_only && !seen.contains(&info.version));
        seen.push(info.version.clone());
        wraps.push(provider.wrap(&info.version, &seed(), Some(b"aad"), &call()).await.unwrap());
        fixture.kms.with_key("RotateKeyOnDemand", &arn).unwrap();
    }
    for wrapped in &wraps {
        let opened = provider.unwrap(&wrapped.version, &wrapped.bytes, Some(b"aad"), &call()).await.unwrap();
        assert!(opened.plaintext.same_as(&seed()));
    }
    let lines = provider.report();
    assert!(lines.iter().any(|(good, line)| *good && line.contains("shows at the next probe only")), "{lines:?}");
}
