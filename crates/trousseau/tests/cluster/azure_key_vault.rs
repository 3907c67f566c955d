//! Secrets under a key in a double of Azure Key Vault with real cryptography, below a real API server.

use std::fs;
use std::time::Duration;

use tempfile::TempDir;
use trousseau_cluster::wait;
use trousseau_testkit::azure::{Azure, KeyKind, TENANT};
use trousseau_testkit::ca::TestCa;

use crate::plane::Plane;

const CLIENT: &str = "fad7d5b3-69d6-4b48-9259-8d12124e1cf1";
const CLIENT_SECRET: &str = "canary~client+secret/0123456789=";

fn in_azure(address: &str, ca: &TestCa, dir: &TempDir, rest: &str) -> String {
    let file = dir.path().join("client-secret");
    fs::write(&file, CLIENT_SECRET).unwrap();
    format!(
        "{{name: primary, azureKeyVault: {{vault: '{address}', key: k, {rest}, authority: '{address}', \
         resource: 'https://vault.azure.net', tls: {{ca: {}}}, \
         auth: {{clientSecret: {{tenantId: {TENANT}, clientId: {CLIENT}, file: {}}}}}}}}}",
        ca.file().display(),
        file.display()
    )
}

#[test]
fn a_secret_is_stored_under_a_signed_wrap_and_a_new_version_reaches_etcd() {
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let (azure, ca) = (Azure::vault(), TestCa::new());
    azure.create("k", KeyKind::Rsa);
    azure.create("s", KeyKind::P256);
    azure.application(CLIENT, CLIENT_SECRET);
    let server = azure.start(&ca);
    let key = in_azure(&format!("https://{}", server.address()), &ca, &dir, "signingKey: {name: s}");
    let mut plane = Plane::start(dir, &[&key]);
    let first = plane.key_id();
    assert!(plane.create("one") && plane.is_readable("one"));
    let record = plane.record("one");
    assert_eq!(record.key_id, first);
    assert!(record.encrypted_dek_source.len() <= 1024, "{} bytes", record.encrypted_dek_source.len());

    azure.rotate("k");
    let second = plane.wait_another_key_id(&first);
    plane.rewrite_all_under(&second);
    assert_eq!(plane.plugin.metric("trousseau_key_id_changes_total"), 1.0);
    // The old version is disabled only after that; what it wrapped is not needed any more.
    plane.plugin.kill();
    plane.plugin.start_again();
    plane.plugin.wait_ready();
    plane.api.restart().unwrap();
    assert_eq!(plane.key_id(), second, "the same id after a restart");
    assert!(plane.is_readable("one") && plane.create("two"));
    assert_eq!(plane.plugin.client().decrypt(&record).unwrap().len(), 32, "the old version still opens");

    // A forged seed, as one who can write etcd could make it, does not open.
    let mut forged = plane.record("one");
    *forged.encrypted_dek_source.last_mut().unwrap() ^= 1;
    assert!(plane.plugin.client().decrypt(&forged).is_err());

    azure.delete("k");
    plane.plugin.wait_page("/readyz", 503, Duration::from_secs(90));
    assert!(plane.plugin.client().encrypt(b"seed").is_err());
    azure.recover("k");
    plane.plugin.wait_ready();
    assert_eq!(plane.key_id(), second);
    wait::until(Duration::from_secs(60), "a write", || Ok(plane.create("three").then_some(()))).unwrap();
    let log = plane.plugin.log();
    assert!(!log.contains("hunter2") && !log.contains(CLIENT_SECRET), "{log}");
}
