//! From one kind of KMS to another, and two kinds at once, on a running cluster.

use std::time::Duration;

use trousseau_cluster::wait;

use crate::plane::Plane;
use crate::vault_and_aws::Both;

/// No step leaves a Secret in clear, and none leaves one that cannot be read: the order of `keys` is the way.
#[test]
fn from_vault_to_aws_kms_and_the_vault_is_then_switched_off() {
    let Both { mut vault, in_vault, aws: _aws, in_aws, dir } = Both::start();
    let mut plane = Plane::start(dir, &[&in_vault]);
    for number in 0..20 {
        assert!(plane.create(&format!("secret-{number}")));
    }
    let by_vault = plane.key_id();
    let seed = plane.record("secret-0");
    // The new key is first only read with: on every node, before any node writes with it.
    plane.reconfigure(&[&in_vault, &in_aws]);
    assert_eq!(plane.key_id(), by_vault);
    assert!(plane.create("between"));
    plane.reconfigure(&[&in_aws, &in_vault]);
    let by_aws = plane.wait_another_key_id(&by_vault);
    assert!(plane.is_readable("secret-0") && plane.opens("secret-0").is_ok(), "what the Vault wrapped is read on");
    plane.rewrite_all_under(&by_aws);
    assert_eq!(plane.record("secret-7").encrypted_dek_source[..5], [0xFE, 0x54, 1, 1, 3], "wrapped by AWS KMS");
    // Nothing in etcd needs the Vault any more.
    plane.reconfigure(&[&in_aws]);
    vault.stop().unwrap();
    assert_eq!(plane.key_id(), by_aws);
    plane.api.restart().unwrap();
    for number in 0..20 {
        assert!(plane.is_readable(&format!("secret-{number}")));
    }
    plane.plugin.stop();
    plane.plugin.start_again();
    plane.plugin.wait_ready();
    assert!(plane.create("after") && plane.is_readable("after"));
    let refused = plane.plugin.client().decrypt(&seed).unwrap_err();
    assert!(refused.message().contains("no configured key has"), "and not for an outage: {refused}");
}

/// One dead member at a write, the other at a read, both.
#[test]
fn vault_and_aws_kms_at_once() {
    let Both { mut vault, in_vault, mut aws, in_aws, dir } = Both::start();
    let both = format!("{{name: both, any: {{writeQuorum: 1, returnAfter: 8s, of: [{in_vault}, {in_aws}]}}}}");
    let mut plane = Plane::start(dir, &[&both]);
    assert!(plane.create("by-both"));
    let by_both = plane.key_id();
    let record = plane.record("by-both");
    assert_eq!(record.key_id, by_both);
    assert!(record.encrypted_dek_source.len() <= 1024, "{} bytes", record.encrypted_dek_source.len());
    // The Vault is dead: AWS alone reads, and soon writes under an id of its own.
    vault.stop().unwrap();
    assert_eq!(plane.opens("by-both"), Ok(()));
    let by_aws = plane.wait_another_key_id(&by_both);
    plane.api.restart().unwrap();
    assert!(plane.is_readable("by-both") && plane.create("by-aws"));
    assert_eq!(plane.record("by-aws").key_id, by_aws);
    // Back: the id of both, once; what AWS alone wrapped is written again with both.
    vault.restart().unwrap();
    vault.unseal().unwrap();
    assert_eq!(plane.wait_another_key_id(&by_aws), by_both);
    plane.rewrite_all_under(&by_both);
    assert_eq!(plane.plugin.metric("trousseau_key_id_changes_total"), 2.0, "left, and came back");
    // AWS is dead at a read.
    aws.stop().unwrap();
    assert_eq!(plane.opens("by-aws"), Ok(()));
    plane.api.restart().unwrap();
    assert!(plane.is_readable("by-aws") && plane.is_readable("by-both"));
    // Both dead: nothing opens, and the error says so.
    vault.stop().unwrap();
    let error = plane.opens("by-both").unwrap_err();
    assert!(error.contains("no member could open it"), "{error}");
    vault.restart().unwrap();
    vault.unseal().unwrap();
    wait::until(Duration::from_secs(60), "a read", || Ok(plane.opens("by-both").is_ok().then_some(()))).unwrap();
}
