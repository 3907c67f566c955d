//! Proof 2: restarts in every order, and kill -9 under write load.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use trousseau_cluster::{ApiServer, Etcd, wait};
use trousseau_local::{KeygenOptions, keygen};

use crate::plugin::Plugin;
use crate::rig::{Rig, api_server};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Api,
    Plugin,
    Vault,
}

const ORDERS: [[Part; 3]; 6] = [
    [Part::Api, Part::Plugin, Part::Vault],
    [Part::Api, Part::Vault, Part::Plugin],
    [Part::Plugin, Part::Api, Part::Vault],
    [Part::Plugin, Part::Vault, Part::Api],
    [Part::Vault, Part::Api, Part::Plugin],
    [Part::Vault, Part::Plugin, Part::Api],
];

#[test]
fn restarts_in_every_order_lose_nothing() {
    let mut rig = Rig::start();
    let key_id = rig.key_id();
    rig.create_secret("first", "kept").unwrap();
    for (round, order) in ORDERS.into_iter().enumerate() {
        for part in order {
            match part {
                Part::Api => rig.api.restart().unwrap(),
                Part::Plugin => {
                    rig.plugin.stop();
                    rig.plugin.start_again();
                    rig.plugin.wait_ready();
                }
                Part::Vault => {
                    rig.vault.restart().unwrap();
                    rig.vault.unseal().unwrap();
                }
            }
        }
        rig.plugin.wait_ready();
        rig.wait_api(true, Duration::from_secs(60));
        let name = format!("round-{round}");
        rig.wait_for_a_write(&name, Duration::from_secs(60));
        assert_eq!(rig.read_secret("first").unwrap(), "kept", "{order:?}");
        for earlier in 0..=round {
            let listed = rig.api.kubectl_text(&["get", "secrets", "-o", "name"]).unwrap();
            assert!(listed.contains(&format!("round-{earlier}-")), "{order:?}");
        }
    }
    assert_eq!(rig.key_id(), key_id, "i3: the same after every restart");
}

#[test]
fn kill_9_under_write_load_loses_nothing() {
    let mut rig = Rig::start();
    let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut written = BTreeMap::new();
    let Rig { api, plugin, .. } = &mut rig;
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut done = BTreeMap::new();
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let (name, value) = (format!("load-{number}"), format!("value-{number}"));
                let literal = format!("--from-literal=password={value}");
                if api.kubectl(&["create", "secret", "generic", &name, &literal]).unwrap().status.success() {
                    done.insert(name, value);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
            done
        });
        for _ in 0..5 {
            // However slow the machine: each kill comes in the midst of writes that succeed.
            let before = count.load(Ordering::Relaxed);
            let written = || Ok((count.load(Ordering::Relaxed) >= before + 4).then_some(()));
            wait::until(Duration::from_secs(120), "four writes", written).unwrap();
            plugin.kill();
            wait::pause(Duration::from_millis(500));
            plugin.start_again();
            plugin.wait_ready();
        }
        stop.store(true, Ordering::Relaxed);
        written = load.join().unwrap();
    });
    assert!(written.len() >= 20, "only {} writes", written.len());
    rig.wait_api(true, Duration::from_secs(150));
    rig.api.restart().unwrap();
    for (name, value) in &written {
        assert_eq!(rig.read_secret(name).as_ref(), Ok(value), "{name}");
    }
}

#[test]
fn a_local_key_survives_restarts_and_kill_9() {
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let etcd = Etcd::start(dir.path().join("etcd")).unwrap();
    keygen(&dir.path().join("local.key"), &KeygenOptions::default()).unwrap();
    let mut plugin = Plugin::start(dir.path(), |dir, admin| {
        format!(
            "cluster: test\nsocket: {{path: {0}/kms.sock}}\nadmin: 127.0.0.1:{admin}\nkeys:\n  - name: here\n    local: {{file: {0}/local.key}}\n",
            dir.display()
        )
    });
    plugin.wait_ready();
    let mut api = ApiServer::start(&api_server(dir.path(), &etcd, &plugin.socket())).unwrap();
    api.kubectl_text(&["create", "secret", "generic", "first", "--from-literal=password=kept"]).unwrap();
    plugin.kill();
    plugin.start_again();
    plugin.wait_ready();
    api.restart().unwrap();
    plugin.stop();
    plugin.start_again();
    let read = api.kubectl_text(&["get", "secret", "first", "-o", "jsonpath={.data.password}"]).unwrap();
    assert_eq!(read, "a2VwdA==");
    wait::until(Duration::from_secs(60), "a write", || {
        let output = api.kubectl(&["create", "secret", "generic", "second", "--from-literal=password=x"])?;
        Ok(output.status.success().then_some(()))
    })
    .unwrap();
}
