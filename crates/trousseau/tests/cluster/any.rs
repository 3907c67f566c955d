//! Two KMS at once, on a real API server: either one may die, at a write and at a read.

use std::time::Duration;

use trousseau_cluster::{ApiServer, Etcd, Vault, wait};
use trousseau_local::{KeygenOptions, keygen};
use trousseau_record::{EncryptedObject, Stored};

use crate::plugin::Plugin;
use crate::rig::{api_server, encryption, secret_path, vault};
use crate::vault_and_aws::in_vault;

const HEAD: &str = "health: {grace: 6s}\nprobe: {interval: 1s, afterFailure: 1s, promotionDelay: 6s}\n";

struct Pair {
    api: ApiServer,
    plugin: Plugin,
    etcd: Etcd,
    second: Option<Vault>,
    first: Vault,
    dir: tempfile::TempDir,
}

impl Pair {
    /// Two Vaults, whose keys have one name, or a Vault and a local key; any one of them is enough to write.
    fn start(two_vaults: bool) -> Self {
        let dir = tempfile::TempDir::with_prefix("trousseau-").unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        for folder in [&one, &two] {
            std::fs::create_dir_all(folder).unwrap();
        }
        let first = vault(&one);
        let second = two_vaults.then(|| vault(&two));
        let other = match &second {
            Some(second) => in_vault("two", second, &two),
            None => {
                keygen(&two.join("local.key"), &KeygenOptions::default()).unwrap();
                format!("{{name: two, local: {{file: {}/local.key}}}}", two.display())
            }
        };
        let etcd = Etcd::start(dir.path().join("etcd")).unwrap();
        let plugin = Plugin::start(dir.path(), |dir, admin| {
            format!(
                "cluster: test\nsocket: {{path: {}/kms.sock}}\nadmin: 127.0.0.1:{admin}\n{HEAD}keys:\n  - name: both\n    any:\n      writeQuorum: 1\n      returnAfter: 8s\n      of:\n        - {}\n        - {other}\n",
                dir.display(),
                in_vault("one", &first, &one),
            )
        });
        plugin.wait_ready();
        let api = ApiServer::start(&api_server(dir.path(), &etcd, &plugin.socket())).unwrap();
        Self { api, plugin, etcd, second, first, dir }
    }

    fn create(&self, name: &str) {
        let mut last = String::new();
        let waited = wait::until(Duration::from_secs(90), "a write", || {
            self.api.readyz()?;
            let output = self.api.kubectl(&["create", "secret", "generic", name, "--from-literal=password=kept"])?;
            last = String::from_utf8_lossy(&output.stderr).into_owned();
            Ok(output.status.success().then_some(()))
        });
        assert!(waited.is_ok(), "{name}: {last}\n{}", self.plugin.log());
    }

    fn record(&self, name: &str) -> EncryptedObject {
        match Stored::parse(&self.etcd.get(&secret_path(name)).unwrap().expect("it is in etcd")) {
            Stored::KmsV2 { object, .. } => object,
            other => panic!("{name} lies in etcd as {other:?}"),
        }
    }

    /// The plugin opens the record, as it would for an API server that has just started.
    fn opens(&self, name: &str) -> Result<(), String> {
        let opened = self.plugin.client().decrypt(&self.record(name)).map_err(|status| status.to_string())?;
        if opened.len() == 32 { Ok(()) } else { Err(format!("{} bytes", opened.len())) }
    }

    /// Waits until the API server writes under another key_id than this one.
    fn wait_written_under_another(&self, than: &str, prefix: &str) -> String {
        let mut number = 0;
        wait::until(Duration::from_secs(120), "another key_id in etcd", || {
            let name = format!("{prefix}-{number}");
            number += 1;
            self.create(&name);
            let id = self.record(&name).key_id;
            Ok((id != than).then_some(id))
        })
        .unwrap()
    }

    fn key_id(&self) -> String {
        self.plugin.client().status().unwrap().key_id
    }
}

#[test]
fn vault_and_vault_one_dies_at_a_write_then_the_other_at_a_read_then_both() {
    let mut pair = Pair::start(true);
    pair.create("by-both");
    let both = pair.record("by-both").key_id;
    let mut second = pair.second.take().unwrap();
    // The second dies: reads go on, and soon writes are under an id without it.
    second.stop().unwrap();
    assert_eq!(pair.opens("by-both"), Ok(()));
    let alone = pair.wait_written_under_another(&both, "alone");
    assert_ne!(alone, both);
    assert_eq!(pair.plugin.metric("trousseau_member_left_out{key=\"both\",member=\"both/two\"}"), 1.0);
    // It comes back: one new id, the one of both, and no more changes.
    second.restart().unwrap();
    second.unseal().unwrap();
    let again = pair.wait_written_under_another(&alone, "again");
    assert_eq!(again, both, "what both wrapped is fresh again, and what one wrapped is stale");
    let changes = pair.plugin.metric("trousseau_key_id_changes_total");
    wait::pause(Duration::from_secs(12));
    assert_eq!(pair.plugin.metric("trousseau_key_id_changes_total"), changes, "no storm");
    assert_eq!(changes, 2.0, "left, and came back");
    // A migration writes what only the first wrapped again, with both.
    let all = pair.api.kubectl_text(&["get", "secrets", "-o", "json"]).unwrap();
    assert!(pair.api.kubectl_stdin(&["replace", "-f", "-"], &all).unwrap().status.success());
    assert_eq!(pair.record("alone-0").key_id, both);
    // The first dies: the second reads, at an API server's start too.
    pair.first.stop().unwrap();
    assert_eq!(pair.opens("by-both"), Ok(()));
    pair.wait_written_under_another(&both, "by-second");
    pair.api.restart().unwrap();
    let read = pair.api.kubectl_text(&["get", "secret", "by-both", "-o", "jsonpath={.data.password}"]);
    assert_eq!(read.unwrap(), "a2VwdA==");
    // Both dead: nothing is lost and nothing lies.
    second.stop().unwrap();
    let error = pair.opens("by-both").unwrap_err();
    assert!(error.contains("no member could open it"), "{error}");
    pair.first.restart().unwrap();
    pair.first.unseal().unwrap();
    wait::until(Duration::from_secs(60), "a read", || Ok(pair.opens("by-both").is_ok().then_some(()))).unwrap();
    let (_, page) = pair.plugin.page("/readyz?verbose");
    assert!(page.contains("member `both/one` (vault)") && page.contains("member `both/two` (vault)"), "{page}");
}

#[test]
fn vault_and_a_local_key_survive_the_loss_of_the_vault() {
    let mut pair = Pair::start(false);
    pair.create("by-both");
    let both = pair.key_id();
    assert_eq!(pair.record("by-both").key_id, both);
    assert!(pair.record("by-both").encrypted_dek_source.len() <= 1024);
    pair.first.stop().unwrap();
    pair.api.restart().unwrap();
    assert_eq!(pair.opens("by-both"), Ok(()));
    pair.create("by-local");
    assert_ne!(pair.record("by-local").key_id, both);
    // A process that starts while the Vault is down reads and writes with what is left.
    pair.plugin.stop();
    pair.plugin.start_again();
    pair.plugin.wait_ready();
    assert_eq!((pair.opens("by-both"), pair.opens("by-local")), (Ok(()), Ok(())));
    pair.first.restart().unwrap();
    pair.first.unseal().unwrap();
    wait::until(Duration::from_secs(60), "the id of both", || Ok((pair.key_id() == both).then_some(()))).unwrap();
}

/// From one KMS to two, and on to the other alone, without a plaintext phase: by the order of `keys`.
#[test]
fn from_one_vault_to_both_and_on_to_the_other() {
    let mut pair = Pair::start(true);
    let (one, two) = (pair.dir.path().join("one"), pair.dir.path().join("two"));
    pair.create("first");
    let second = pair.second.as_ref().unwrap();
    let file = pair.dir.path().join("config.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let only = |name: &str, lines: &[String]| {
        let keys: String = lines.iter().map(|line| format!("  - {line}\n")).collect();
        format!("{}keys:\n{keys}{name}", text.split("keys:").next().unwrap())
    };
    let list = text.split("keys:\n").nth(1).unwrap();
    let step = |text: String| {
        std::fs::write(pair.dir.path().join("config.yaml.new"), text).unwrap();
        std::fs::rename(pair.dir.path().join("config.yaml.new"), &file).unwrap();
    };
    let before = pair.key_id();
    let alone = in_vault("two", second, &two);
    step(format!(
        "{}keys:\n{list}  - {}\n",
        text.split("keys:").next().unwrap(),
        alone.replace("name: two", "name: alone")
    ));
    wait::until(Duration::from_secs(30), "the new list in use", || {
        Ok(pair.plugin.page("/readyz?verbose").1.contains("key `alone` (vault) reads").then_some(()))
    })
    .unwrap();
    assert_eq!(pair.key_id(), before, "{}\n{}", pair.plugin.page("/readyz?verbose").1, pair.plugin.log());
    let members = [alone.replace("name: two", "name: alone")];
    step(only(list, &members));
    wait::until(Duration::from_secs(30), "the other key writes", || Ok((pair.key_id() != before).then_some(())))
        .unwrap();
    pair.wait_written_under_another(&before, "second");
    let all = pair.api.kubectl_text(&["get", "secrets", "-o", "json"]).unwrap();
    assert!(pair.api.kubectl_stdin(&["replace", "-f", "-"], &all).unwrap().status.success());
    let id = pair.key_id();
    for (path, value) in pair.etcd.range("/registry/secrets/").unwrap() {
        assert!(matches!(Stored::parse(&value), Stored::KmsV2 { object, .. } if object.key_id == id), "{path}");
    }
    step(only("", &members));
    pair.first.stop().unwrap();
    pair.api.restart().unwrap();
    let read = pair.api.kubectl_text(&["get", "secret", "first", "-o", "jsonpath={.data.password}"]).unwrap();
    assert_eq!(read, "a2VwdA==");
    assert!(one.exists() && encryption(&pair.plugin.socket()).contains("secrets"));
}
