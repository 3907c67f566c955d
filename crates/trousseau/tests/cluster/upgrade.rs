//! No gap at an upgrade: one process follows another on the live socket of a real API server.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use trousseau_cluster::{ApiServer, ApiServerConfig, Etcd, wait};

use crate::load::{Load, assert_no_gap};
use crate::plugin::Plugin;
use crate::rig::{configuration, vault};

/// By v1 every write asks the plugin, and every read that is not in a cache of one; by v2 the Status poll does.
fn encryption(plugin: &Plugin) -> String {
    let socket = plugin.socket().display().to_string();
    format!(
        "apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - kms: {{apiVersion: v2, name: new, endpoint: 'unix://{socket}'}}
  - resources: [configmaps]
    providers:
      - kms: {{apiVersion: v1, name: old, endpoint: 'unix://{socket}', cachesize: 1}}
"
    )
}

/// Calls to the plugin that the API server counts as failed.
pub(crate) fn failed_calls(api: &ApiServer) -> Vec<String> {
    let page = api.metrics().unwrap();
    let counts = "apiserver_envelope_encryption_kms_operations_latency_seconds_count";
    let (good, bad): (Vec<&str>, Vec<_>) =
        page.lines().filter(|line| line.starts_with(counts)).partition(|line| line.contains("grpc_status_code=\"OK\""));
    assert!(!good.is_empty(), "the API server counts calls under another name");
    bad.into_iter().filter(|line| !line.ends_with(" 0")).map(ToOwned::to_owned).collect()
}

#[test]
fn ten_upgrades_under_load_of_a_real_api_server_and_of_bench_fail_no_call() {
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let etcd = Etcd::start(dir.path().join("etcd")).unwrap();
    let vault = vault(dir.path());
    let mut plugin = Plugin::start(dir.path(), |dir, admin| configuration(dir, admin, &vault.address()));
    plugin.wait_ready();
    let api = ApiServer::start(&ApiServerConfig {
        etcd: etcd.endpoint(),
        encryption: Some(encryption(&plugin)),
        feature_gates: vec!["KMSv1=true".into()],
        dir: dir.path().join("api"),
        ..ApiServerConfig::default()
    })
    .unwrap();
    let before = failed_calls(&api);

    let socket = plugin.socket().display().to_string();
    let bench = Load::start(&socket, "encrypt");

    let (over, written) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let (api, over, written) = (&api, &over, &written);
            scope.spawn(move || {
                for number in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let name = format!("upgrade-{worker}-{number}");
                    let made = api.kubectl_text(&["create", "configmap", &name, "--from-literal=value=kept"]);
                    made.unwrap_or_else(|error| panic!("write {name}: {error:#}"));
                    let made = api.kubectl_text(&["create", "secret", "generic", &name, "--from-literal=value=kept"]);
                    made.unwrap_or_else(|error| panic!("write {name}: {error:#}"));
                    let read = api.kubectl_text(&["get", "configmap", &name, "-o", "jsonpath={.data.value}"]);
                    assert_eq!(read.unwrap_or_else(|error| panic!("read {name}: {error:#}")), "kept");
                    written.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let upgrades = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..10 {
                // Writes on both sides of each upgrade.
                let seen = written.load(Ordering::Relaxed);
                wait::until(Duration::from_secs(60), "writes between two upgrades", || {
                    Ok((written.load(Ordering::Relaxed) >= seen + 2).then_some(()))
                })
                .unwrap();
                plugin.upgrade();
                assert!(api.readyz().unwrap().ready, "log:\n{}", plugin.log());
            }
        }));
        over.store(true, Ordering::Relaxed);
        upgrades.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });

    let report = bench.end();
    assert_no_gap(&report, 10, &plugin.log());
    assert_eq!(failed_calls(&api), before, "log:\n{}", plugin.log());
    let log = plugin.log();
    assert_eq!(log.matches("another process took the socket over: draining").count(), 10, "{log}");
    assert_eq!(log.matches("\"message\":\"stopped\"").count(), 10, "{log}");
}
