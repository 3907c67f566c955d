use crate::error::{Code, ErrorKind};
use crate::events::Operation;
use crate::fake::{Fault, Habits};
use crate::keyring::{Api, DecryptRequest};
use crate::rig::{Rig, call, seed};

#[tokio::test(start_paused = true)]
async fn two_probes_of_an_active_node_make_gone_certain() {
    let mut rig = Rig::ready().await;
    rig.kms.delete();
    assert_eq!(rig.round().await, Err(ErrorKind::Gone));
    assert_eq!(rig.healthz(), "ok", "one probe says nothing");
    assert_eq!(rig.round().await, Err(ErrorKind::Gone));
    assert_eq!(rig.ring.status().unwrap_err().kind().code(), Code::FailedPrecondition);
    assert_eq!(rig.events.count("Stopped"), 1);
}

#[tokio::test(start_paused = true)]
async fn without_an_active_node_it_takes_four() {
    let mut rig = Rig::new();
    rig.kms.set(Habits { active_node: false, ..Habits::default() });
    rig.round().await.unwrap();
    rig.kms.delete();
    for _ in 0..3 {
        assert_eq!(rig.round().await, Err(ErrorKind::Gone));
        assert!(rig.ring.status().is_ok());
    }
    assert_eq!(rig.round().await, Err(ErrorKind::Gone));
    assert!(rig.ring.status().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_good_probe_between_starts_the_count_again() {
    let mut rig = Rig::ready().await;
    for _ in 0..5 {
        rig.kms.script(Operation::Unwrap, [Fault::fail(ErrorKind::Gone)]);
        assert_eq!(rig.round().await, Err(ErrorKind::Gone));
        rig.round().await.unwrap();
    }
    assert_eq!(rig.healthz(), "ok");
}

#[tokio::test(start_paused = true)]
async fn while_stopped_both_apis_refuse_to_encrypt_and_decrypt_is_tried() {
    let mut rig = Rig::ready().await;
    let written = rig.encrypt().await.unwrap();
    let backup = rig.kms.backup();
    rig.kms.delete();
    let _ = (rig.round().await, rig.round().await);
    rig.kms.forget();
    for api in [Api::V1, Api::V2] {
        let error = rig.ring.encrypt(api, &seed(), &call()).await.unwrap_err();
        assert_eq!(error.kind().code(), Code::FailedPrecondition);
        assert!(error.to_string().contains("restore it from the KMS's backup"), "{error}");
    }
    assert_eq!(rig.kms.count(Operation::Wrap), 0);
    let request = DecryptRequest { ciphertext: &written.ciphertext, key_id: Some(written.key_id.as_str()) };
    assert_eq!(rig.ring.decrypt(request, &call()).await.unwrap_err().kind(), ErrorKind::Gone);
    rig.kms.restore(&backup);
    assert_eq!(rig.reads(&written).await, Ok(()), "readable before the next probe");
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_when_the_old_wrap_opens_again() {
    let mut rig = Rig::ready().await;
    let key_id = rig.key_id();
    let backup = rig.kms.backup();
    rig.kms.delete();
    let _ = (rig.round().await, rig.round().await);
    rig.kms.outage(Some(ErrorKind::Unreachable));
    for _ in 0..3 {
        let _ = rig.round().await;
        assert_eq!(rig.ring.status().unwrap_err().kind(), ErrorKind::Stopped, "an outage does not end it");
    }
    rig.kms.outage(None);
    rig.kms.restore(&backup);
    rig.round().await.unwrap();
    assert_eq!((rig.healthz(), rig.key_id()), ("ok".into(), key_id));
    assert_eq!(rig.events.count("Resumed"), 1);
    rig.encrypt().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn another_key_under_the_name_of_a_lost_one_does_not_end_it() {
    let mut rig = Rig::ready().await;
    rig.kms.delete();
    let _ = (rig.round().await, rig.round().await);
    rig.kms.replace(crate::rig::START);
    rig.kms.forget();
    for _ in 0..5 {
        assert_eq!(rig.round().await, Err(ErrorKind::Unauthentic));
        assert_eq!(rig.ring.status().unwrap_err().kind(), ErrorKind::Stopped);
    }
    assert_eq!(rig.kms.count(Operation::Wrap), 0, "nothing is wrapped under the new key");
}

#[tokio::test(start_paused = true)]
async fn a_lost_key_is_not_made_again_by_us() {
    let mut rig = Rig::ready().await;
    rig.kms.set(Habits { creates: true, ..Habits::default() });
    rig.kms.delete();
    rig.kms.forget();
    for _ in 0..5 {
        assert_eq!(rig.round().await, Err(ErrorKind::Gone));
    }
    assert_eq!(rig.kms.count(Operation::Wrap), 0);
}

/// An outage hid that the key had been gone a moment before, and an Encrypt could make it anew.
#[tokio::test(start_paused = true)]
async fn from_the_first_probe_that_misses_the_key_on_nothing_is_encrypted_until_it_is_found() {
    let mut rig = Rig::ready().await;
    rig.kms.set(Habits { creates: true, ..Habits::default() });
    let backup = rig.kms.backup();
    rig.kms.delete();
    rig.kms.forget();
    assert_eq!(rig.round().await, Err(ErrorKind::Gone));
    assert_eq!(rig.encrypt().await, Err(ErrorKind::Stopped));
    rig.kms.outage(Some(ErrorKind::Unreachable));
    assert_eq!(rig.round().await, Err(ErrorKind::Unreachable));
    rig.kms.outage(None);
    assert_eq!(rig.encrypt().await, Err(ErrorKind::Stopped));
    assert_eq!(rig.kms.count(Operation::Wrap), 0);
    rig.kms.restore(&backup);
    rig.round().await.unwrap();
    assert!(rig.encrypt().await.is_ok());
}

/// A node that lags has no list of the key yet, and opens what it wrapped.
#[tokio::test(start_paused = true)]
async fn a_key_that_opens_its_wrap_is_not_missed() {
    let mut rig = Rig::ready().await;
    rig.kms.script(Operation::Observe, [Fault::fail(ErrorKind::Gone)]);
    assert_eq!(rig.round().await, Err(ErrorKind::Gone));
    assert!(rig.encrypt().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_disabled_key_stops_at_once_and_goes_on_when_enabled() {
    let mut rig = Rig::ready().await;
    rig.kms.disable(true);
    assert_eq!(rig.round().await, Err(ErrorKind::Disabled));
    let error = rig.ring.status().unwrap_err();
    assert!(error.kind() == ErrorKind::Stopped && error.to_string().contains("enable it"), "{error}");
    rig.kms.disable(false);
    rig.round().await.unwrap();
    assert_eq!(rig.healthz(), "ok");
}
