//! Secrets under a key in an emulator of AWS KMS with real cryptography.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use trousseau_cluster::{AwsKms, Emulator};

use crate::plane::{Plane, in_aws};

#[test]
fn a_secret_is_stored_under_a_key_in_aws_kms_and_outlives_a_restart_of_the_plugin() {
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let kms = AwsKms::start(Emulator::Moto, dir.path().join("kms")).unwrap();
    let arn = kms.create_key("eu-west-1", false).unwrap();
    let key = in_aws("primary", &kms, &arn, dir.path());
    let mut rig = Plane::start(dir, &[&key]);
    let key_id = rig.key_id();
    assert!(rig.create("one") && rig.is_readable("one"));
    let record = rig.record("one");
    assert_eq!(record.key_id, key_id);
    // Our header with the kind of AWS KMS, and at most what Kubernetes stores.
    assert_eq!(record.encrypted_dek_source[..5], [0xFE, 0x54, 1, 1, 3]);
    assert!(record.encrypted_dek_source.len() <= 1024);
    assert_eq!(rig.plugin.client().decrypt(&record).unwrap().len(), 32);

    rig.plugin.kill();
    rig.plugin.start_again();
    rig.plugin.wait_ready();
    assert_eq!(rig.key_id(), key_id, "the same id after a restart");
    assert_eq!(rig.plugin.client().decrypt(&record).unwrap().len(), 32);
    assert!(rig.create("two") && rig.is_readable("one") && rig.is_readable("two"));
    let (_, page) = rig.plugin.page("/readyz?verbose");
    assert!(page.contains("key_id is made of the ARN alone"), "{page}");

    // The emulator goes on encrypting, which AWS would not; the key's state is what tells.
    kms.with_key("ScheduleKeyDeletion", &arn).unwrap();
    rig.plugin.wait_page("/readyz", 503, Duration::from_secs(60));
    let (_, page) = rig.plugin.page("/readyz?verbose");
    assert!(page.contains("is disabled in the KMS") && page.contains("cancel-key-deletion"), "{page}");
    assert!(rig.plugin.client().encrypt(b"seed").is_err());
    for action in ["CancelKeyDeletion", "EnableKey"] {
        kms.with_key(action, &arn).unwrap();
    }
    rig.plugin.wait_ready();
    assert!(rig.is_readable("one"));

    let log = rig.plugin.log();
    assert!(!log.contains("hunter2") && !log.contains("AKIATEST"), "{log}");
}

#[test]
fn an_alias_is_refused_with_the_arn_that_it_points_to() {
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let kms = AwsKms::start(Emulator::Moto, dir.path().join("kms")).unwrap();
    let arn = kms.create_key("eu-west-1", false).unwrap();
    kms.call("eu-west-1", "CreateAlias", &json!({"AliasName": "alias/k8s", "TargetKeyId": arn})).unwrap();
    let alias = arn.split_once(":key/").map(|(place, _)| format!("{place}:alias/k8s")).unwrap();
    let file = dir.path().join("config.yaml");
    for name in [alias.as_str(), "alias/k8s"] {
        let key = in_aws("primary", &kms, name, dir.path());
        fs::write(&file, format!("keys:\n  - {key}\n")).unwrap();
        for command in [["config", "check"].as_slice(), &["serve", "--config"]] {
            let mut trousseau = Command::new(env!("CARGO_BIN_EXE_trousseau"));
            let output = trousseau.args(command).arg(&file).env("AWS_REGION", "eu-west-1").output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains("is an alias") && said.contains(&arn), "{command:?}: {said}");
        }
    }
    drop(kms);
    let output = Command::new(env!("CARGO_BIN_EXE_trousseau")).args(["config", "check"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("aws kms describe-key --key-id alias/k8s"), "without AWS the command that tells it: {said}");
}
