//! When nothing is down any more: what must have healed, and what must not have grown.

use std::time::Duration;

use super::calm::assert_calm;
use super::identity::Identities;
use super::ledger::CANARY;
use super::load::Load;
use super::storm::{Storm, token};
use crate::rig::Rig;

// grpc-go redials after up to 144 s.
const HEALED: Duration = Duration::from_secs(200);
const MOST_MEMORY: f64 = 100e6;
const MOST_DESCRIPTORS: f64 = 200.0;
/// What `serve` prints instead of Rust's own text.
const PANIC: &str = "trousseau: panic";

pub(crate) fn checkpoint(rig: &mut Rig, storm: &mut Storm, load: &Load<'_>, identities: &Identities, length: Duration) {
    // A token lives for an hour.
    storm.replace_token(rig);
    rig.plugin.wait_ready();
    if storm.api_may_be_gone {
        rig.api.restart().unwrap();
        storm.api_may_be_gone = false;
    } else {
        rig.api.wait_ready(HEALED).unwrap();
    }
    rig.wait_for_a_write(&format!("healed-{}", fastrand::u32(..)), HEALED);
    // What is written now is in use, so that a rotation of this stretch counts.
    rig.api.restart().unwrap();
    let acknowledged = load.assert_all_readable();
    let stored = identities.scan(&rig.etcd, load.run());
    assert!(stored >= acknowledged, "{stored} Secrets in etcd, {acknowledged} were acknowledged");
    assert_calm(&rig.plugin, length);
    look_at_the_plugin(rig);
}

fn look_at_the_plugin(rig: &Rig) {
    let (_, metrics) = rig.plugin.page("/metrics");
    assert!(metrics.contains("trousseau_stopped "), "{metrics}");
    let alarms: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with("trousseau_alarms_total{") || line.starts_with("trousseau_stopped"))
        .filter(|line| !line.ends_with(" 0"))
        .collect();
    assert!(alarms.is_empty(), "nobody replaced or restored the key: {alarms:?}");
    let memory = rig.plugin.metric("trousseau_process_resident_memory_bytes");
    let descriptors = rig.plugin.metric("trousseau_process_open_fds");
    assert!(memory > 0.0 && memory < MOST_MEMORY, "{memory} bytes resident");
    assert!(descriptors > 0.0 && descriptors < MOST_DESCRIPTORS, "{descriptors} open descriptors");
    let log = rig.plugin.log();
    assert!(!log.contains(PANIC), "{log}");
    assert!(!log.contains(CANARY) && !log.contains(&token(rig)), "i9: a secret in the log");
}
