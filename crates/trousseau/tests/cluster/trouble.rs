//! Proof 5: what becomes of writes and reads when Vault or its key is in trouble. Each test waits for the API server's
//! own clock (3 minutes without a good Status end its writes), so they run side by side.

use std::time::{Duration, Instant};

use serde_json::json;
use tonic::Code;
use trousseau_cluster::wait;

use crate::rig::{KEY, Rig, new_token};

const MINUTES: fn(u64) -> Duration = |minutes| Duration::from_secs(60 * minutes);

/// Waits for the first answer c, from Status itself.
fn wait_for_c(rig: &Rig) -> Instant {
    let mut client = rig.plugin.client();
    wait::until(MINUTES(1), "answer c", || Ok(client.status().is_err().then_some(()))).unwrap_or_else(|error| {
        panic!("{error}; log:\n{}", rig.plugin.log());
    });
    let error = client.status().unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition, "{error}");
    assert_eq!(client.encrypt(&[7; 32]).unwrap_err().code(), Code::FailedPrecondition, "c stops every Encrypt");
    Instant::now()
}

/// In c the API server's writes end within 3 minutes; the seeds that it knows still read.
fn writes_stop_and_known_seeds_read(rig: &Rig, c: Instant) {
    let mut number = 0;
    let stopped = wait::until(MINUTES(4), "the end of writes", || {
        rig.api_ready();
        number += 1;
        wait::pause(Duration::from_secs(1));
        Ok(rig.create_secret(&format!("after-{number}"), "x").err())
    });
    let error = stopped.unwrap();
    assert!(c.elapsed() < MINUTES(3) + Duration::from_secs(10), "writes went on for {:?}", c.elapsed());
    assert!(error.contains("expired") || error.contains("Internal"), "{error}");
    assert_eq!(rig.read_secret("old").unwrap(), "kept", "a seed in the API server's cache still reads");
    assert!(!rig.api_ready());
}

#[test]
fn sealed_is_first_a_then_b_and_writes_go_on() {
    let rig = Rig::start();
    rig.create_secret("old", "kept").unwrap();
    let key_id = rig.key_id();
    rig.vault.seal().unwrap();
    let sealed = Instant::now();
    let mut client = rig.plugin.client();
    while sealed.elapsed() < Duration::from_secs(3) {
        assert_eq!(client.status().unwrap().healthz, "ok", "a: within the grace of 5 s");
        wait::pause(Duration::from_millis(200));
    }
    let text = wait::until(MINUTES(1), "answer b", || {
        let status = client.status()?;
        assert_eq!(status.key_id, key_id, "b goes on with the last key_id");
        Ok((status.healthz != "ok").then_some(status.healthz))
    });
    let first_b = Instant::now();
    assert!(text.unwrap().contains("sealed"));
    rig.wait_api(false, MINUTES(1));
    assert_eq!(rig.plugin.page("/livez").0, 200);
    assert_eq!(rig.plugin.page("/readyz").0, 503);
    // kubernetes#138950: a bad healthz with a good key_id keeps the API server's seed alive.
    while first_b.elapsed() < MINUTES(3) + Duration::from_secs(20) {
        rig.api_ready();
        wait::pause(Duration::from_secs(2));
    }
    rig.create_secret("in-b", "x").expect("kubernetes#138950: writes go on in answer b");
    assert_eq!(rig.read_secret("old").unwrap(), "kept");
    rig.vault.unseal().unwrap();
    rig.plugin.wait_ready();
    rig.wait_api(true, MINUTES(2));
    assert_eq!(rig.key_id(), key_id);
    rig.wait_for_a_write("after", MINUTES(1));
}

#[test]
fn a_revoked_token_is_replaced_in_its_file() {
    let rig = Rig::start();
    rig.create_secret("old", "kept").unwrap();
    let token = std::fs::read_to_string(rig.dir().join("token")).unwrap();
    rig.vault.revoke(token.trim()).unwrap();
    rig.plugin.wait_page("/readyz", 503, MINUTES(1));
    let (_, report) = rig.plugin.page("/readyz?verbose");
    assert!(report.contains("denied"), "{report}");
    assert!(!report.contains(token.trim()), "i9: no token in the report");
    new_token(&rig.vault, &rig.dir());
    rig.plugin.wait_ready();
    rig.wait_api(true, MINUTES(2));
    rig.wait_for_a_write("after", MINUTES(1));
    assert!(!rig.plugin.log().contains(token.trim()), "i9: no token in the log");
}

#[test]
fn a_deleted_key_stops_writes() {
    let rig = Rig::start();
    rig.create_secret("old", "kept").unwrap();
    rig.vault.delete_key("transit", KEY).unwrap();
    let c = wait_for_c(&rig);
    let (_, report) = rig.plugin.page("/readyz?verbose");
    assert!(report.contains("does not exist"), "{report}");
    let (code, _) = rig.vault.api("GET", &format!("transit/keys/{KEY}"), &json!(null), rig.vault.root_token()).unwrap();
    assert_eq!(code, 404, "no probe made the key anew");
    writes_stop_and_known_seeds_read(&rig, c);
}

#[test]
fn a_key_replaced_at_version_1_stops_writes() {
    let rig = Rig::start();
    rig.create_secret("old", "kept").unwrap();
    replace(&rig, 0);
    let c = wait_for_c(&rig);
    assert!(rig.plugin.page("/readyz?verbose").1.contains("replaced"));
    writes_stop_and_known_seeds_read(&rig, c);
}

#[test]
fn a_key_replaced_after_rotations_stops_writes_until_sighup_accepts_it() {
    let mut rig = Rig::start();
    rig.create_secret("old", "kept").unwrap();
    for _ in 0..2 {
        rig.vault.rotate("transit", KEY).unwrap();
    }
    let first = rig.key_id();
    wait::until(MINUTES(1), "promotion", || Ok((rig.key_id() != first).then_some(()))).unwrap();
    let promoted = rig.key_id();
    replace(&rig, 0);
    let c = wait_for_c(&rig);
    assert!(rig.plugin.page("/readyz?verbose").1.contains("replaced"), "{}", rig.plugin.page("/readyz?verbose").1);
    writes_stop_and_known_seeds_read(&rig, c);

    rig.plugin.signal(rustix::process::Signal::HUP);
    rig.plugin.wait_ready();
    assert_ne!(rig.key_id(), promoted, "the new key has another identity");
    rig.wait_api(true, MINUTES(2));
    rig.wait_for_a_write("accepted", MINUTES(1));
}

#[test]
fn a_raised_min_decryption_version_stops_nothing() {
    let rig = Rig::start();
    rig.create_secret("old", "kept").unwrap();
    let first = rig.key_id();
    // Above the active version at once: version 2 is too young to write yet, and version 1 is no longer allowed.
    rig.vault.rotate("transit", KEY).unwrap();
    rig.vault.configure_key("transit", KEY, &json!({"min_decryption_version": 2})).unwrap();
    let mut client = rig.plugin.client();
    wait::until(MINUTES(1), "the successor", || {
        let status = client.status()?;
        assert_eq!(status.healthz, "ok", "nothing may stop");
        Ok((status.key_id != first).then_some(()))
    })
    .unwrap();
    rig.wait_for_a_write("after", MINUTES(1));
    assert_eq!(rig.read_secret("old").unwrap(), "kept", "its seed is in the API server's cache");
    assert_eq!(rig.plugin.metric("trousseau_stopped"), 0.0);
}

#[test]
fn an_older_backup_goes_down_with_an_alarm() {
    let rig = Rig::start();
    rig.create_secret("old", "kept").unwrap();
    let first = rig.key_id();
    let backup = rig.vault.snapshot().unwrap();
    rig.vault.rotate("transit", KEY).unwrap();
    wait::until(MINUTES(1), "promotion", || Ok((rig.key_id() != first).then_some(()))).unwrap();
    // Used, so that it is lost and not merely taken back when Vault is away for a moment.
    rig.plugin.client().encrypt(&[7; 32]).unwrap();
    rig.vault.restore_snapshot(&backup).unwrap();
    rig.vault.unseal().ok();
    wait::until(MINUTES(1), "version 1 again", || Ok((rig.plugin.client().status()?.key_id == first).then_some(())))
        .unwrap_or_else(|error| panic!("{error}; log:\n{}", rig.plugin.log()));
    rig.plugin.wait_ready();
    assert_eq!(rig.plugin.metric("trousseau_alarms_total{alarm=\"restored\"}"), 1.0);
    rig.wait_api(true, MINUTES(2));
    rig.wait_for_a_write("after", MINUTES(1));
    assert_eq!(rig.read_secret("old").unwrap(), "kept");
}

/// Deletes the key and makes another one under its name.
fn replace(rig: &Rig, rotations: u32) {
    rig.vault.delete_key("transit", KEY).unwrap();
    rig.vault.create_key("transit", KEY, "aes256-gcm96").unwrap();
    for _ in 0..rotations {
        rig.vault.rotate("transit", KEY).unwrap();
    }
}
