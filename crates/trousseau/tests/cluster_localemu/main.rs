//! A control plane on LocalEmu, whose keys rotate and can be switched off. It needs Python 3.13: see the target of the
//! same name in the crate `trousseau-aws`.
#![expect(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something is not as it must be; the rig is the target `cluster`'s, of which this uses a part"
)]

#[path = "../cluster/client.rs"]
mod client;
#[path = "../cluster/plane.rs"]
mod plane;
#[path = "../cluster/plugin.rs"]
mod plugin;
#[path = "../cluster/rig.rs"]
mod rig;

use std::time::Duration;

use tempfile::TempDir;
use trousseau_cluster::{AwsKms, Emulator, wait};

use plane::{Plane, in_aws};

const PATIENCE: Duration = Duration::from_secs(60);

fn start() -> (AwsKms, String, Plane) {
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let kms = AwsKms::start(Emulator::LocalEmu, dir.path().join("kms")).unwrap();
    let arn = kms.create_key("eu-west-1", false).unwrap();
    let key = in_aws("primary", &kms, &arn, dir.path());
    (kms, arn, Plane::start(dir, &[&key]))
}

#[test]
fn a_rotation_in_aws_kms_reaches_etcd_and_old_records_stay_readable() {
    let (kms, arn, rig) = start();
    let before = rig.key_id();
    assert!(rig.create("old"));
    assert_eq!(rig.record("old").key_id, before);
    kms.with_key("RotateKeyOnDemand", &arn).unwrap();
    let rotated = || Ok((rig.key_id() != before).then_some(()));
    wait::until(PATIENCE, "the new key_id", rotated).unwrap();
    let after = rig.key_id();
    // kube-apiserver asks for Status once a minute, and then makes a seed under the new id.
    let mut attempt = 0;
    let written = || {
        attempt += 1;
        let name = format!("new-{attempt}");
        assert!(rig.create(&name), "writes go on");
        Ok((rig.record(&name).key_id == after).then_some(()))
    };
    wait::until(2 * PATIENCE, "a record under the new key_id", written).unwrap();
    assert!(rig.is_readable("old") && rig.is_readable("new-1"));
}

#[test]
fn a_disabled_key_ends_writes_and_an_enabled_one_brings_them_back() {
    let (kms, arn, rig) = start();
    assert!(rig.create("one"));
    let record = rig.record("one");
    kms.with_key("DisableKey", &arn).unwrap();
    rig.plugin.wait_page("/readyz", 503, PATIENCE);
    let (_, page) = rig.plugin.page("/readyz?verbose");
    assert!(page.contains("disabled in the KMS"), "{page}");
    let refused = rig.plugin.client().encrypt(b"seed").unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition, "{refused}");
    assert!(rig.plugin.client().status().is_err(), "so that kube-apiserver's writes end");
    kms.with_key("EnableKey", &arn).unwrap();
    rig.plugin.wait_ready();
    assert_eq!(rig.plugin.client().decrypt(&record).unwrap().len(), 32);
    assert!(rig.is_readable("one"));
}
