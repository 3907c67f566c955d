//! Proof 4: a turned key, and what a thousand Secrets cost.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use trousseau_cluster::wait;
use trousseau_record::Stored;

use crate::rig::{KEY, Rig};

#[test]
fn test_kms_v2_provider_key_id_staleness_a_rotation_is_promoted_after_the_delay_and_once() {
    let rig = Rig::start();
    rig.create_secret("old", "kept").unwrap();
    let before = rig.key_id();
    assert_eq!(rig.record("old").key_id, before);

    let rotated = Instant::now();
    rig.vault.rotate("transit", KEY).unwrap();
    let (mut seen, mut promoted) = (vec![before.clone()], None);
    wait::until(Duration::from_secs(30), "promotion", || {
        let now = rig.key_id();
        if seen.last() != Some(&now) {
            seen.push(now);
            promoted = Some(rotated.elapsed());
        }
        Ok((seen.len() > 1 && rotated.elapsed() > Duration::from_secs(20)).then_some(()))
    })
    .unwrap();
    assert_eq!(seen.len(), 2, "key_id changed once: {seen:?}");
    // Vault's clock counts in whole seconds.
    assert!(promoted.expect("it was seen") >= Duration::from_secs(4), "the delay is 6 s: {promoted:?}");
    let after = seen[1].clone();

    // The API server polls Status about every 20 s while its readyz is asked for.
    wait::until(Duration::from_secs(60), "the API server takes the new key", || {
        rig.api_ready();
        rig.rewrite_secret("old").map_err(anyhow::Error::msg)?;
        Ok((rig.record("old").key_id == after).then_some(()))
    })
    .unwrap();
    assert_eq!(rig.read_secret("old").unwrap(), "kept");
    let version =
        rig.api.kubectl_text(&["get", "secret", "old", "-o", "jsonpath={.metadata.resourceVersion}"]).unwrap();
    rig.rewrite_secret("old").unwrap();
    let again = rig.api.kubectl_text(&["get", "secret", "old", "-o", "jsonpath={.metadata.resourceVersion}"]).unwrap();
    assert_eq!(version, again, "a fresh record is not written again");
    assert_eq!(rig.plugin.metric("trousseau_key_id_changes_total"), 1.0);
}

#[test]
fn test_kms_v2_feature_flag_old_records_stay_readable_after_a_rotation_and_a_restart() {
    let mut rig = Rig::start();
    rig.create_secret("old", "kept").unwrap();
    for _ in 0..3 {
        rig.vault.rotate("transit", KEY).unwrap();
    }
    rig.plugin.stop();
    rig.plugin.start_again();
    rig.api.restart().unwrap();
    assert_eq!(rig.read_secret("old").unwrap(), "kept");
}

#[test]
fn test_kms_v2_provider_dek_source_reuse_a_thousand_secrets_leave_one_seed() {
    let rig = Rig::start();
    let encrypts = "trousseau_rpcs_total{api=\"v2\",operation=\"Encrypt\",code=\"OK\"}";
    assert_eq!(rig.plugin.metric(encrypts), 1.0, "the one at the API server's start");
    let mut list = String::new();
    for number in 0..1000 {
        let _ = writeln!(
            list,
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: many-{number}}}\nstringData: {{password: value-{number}}}"
        );
    }
    let output = rig.api.kubectl_stdin(&["create", "-f", "-"], &list).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let stored = rig.etcd.range("/registry/secrets/default/many-").unwrap();
    assert_eq!(stored.len(), 1000);
    let seeds: BTreeSet<Vec<u8>> = stored
        .iter()
        .map(|(path, value)| match Stored::parse(value) {
            Stored::KmsV2 { object, .. } => object.encrypted_dek_source,
            other => panic!("{path} lies in etcd as {other:?}"),
        })
        .collect();
    assert_eq!(seeds.len(), 1, "one distinct seed in etcd");
    assert_eq!(rig.plugin.metric(encrypts), 1.0);
}
