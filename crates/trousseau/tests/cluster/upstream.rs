//! Kubernetes' own integration tests of KMS, with a real plugin instead of its mock
//! (kubernetes/kubernetes, test/integration/controlplane/transformation). docs/upstream-tests.md maps all of them.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use trousseau_cluster::{ApiServer, ApiServerConfig, Etcd, wait};
use trousseau_local::{KeygenOptions, keygen};
use trousseau_record::Stored;

use crate::plugin::Plugin;
use crate::rig::{KEY, Rig, api_server, secret_path};

/// A write that the API server must not need a new seed for: nothing changes.
fn no_op(rig: &Rig, name: &str) -> Result<(), String> {
    rig.rewrite_secret(name)
}

/// Steps 4 to 8: the plugin is gone; writes go on for three minutes, then end with "expired"; no-op updates and reads
/// go on; all of it heals.
#[test]
fn test_kms_v2_provider_key_id_staleness_writes_expire_after_three_minutes_and_recover() {
    let mut rig = Rig::start();
    rig.create_secret("before", "kept").unwrap();
    rig.plugin.stop();
    let gone = Instant::now();
    rig.wait_api(false, Duration::from_secs(60));
    rig.create_secret("coasting", "kept").expect("writes go on with the seed that the API server holds");
    let mut written = 1;
    let error = loop {
        match rig.create_secret(&format!("coasting-{written}"), "kept") {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(gone.elapsed() < Duration::from_secs(300), "writes still go on");
        wait::pause(Duration::from_secs(2));
    };
    let expired = gone.elapsed();
    assert!(error.contains("expired"), "{error}");
    assert!(expired > Duration::from_secs(110) && expired < Duration::from_secs(240), "{expired:?}");
    assert_eq!(rig.read_secret("before").unwrap(), "kept", "reads never expire");
    assert_eq!(rig.read_secret("coasting").unwrap(), "kept");
    no_op(&rig, "before").expect("an update that changes nothing is not written");

    rig.plugin.start_again();
    rig.plugin.wait_ready();
    // grpc-go waits up to 120 s and a fifth between two dials after a long outage.
    rig.wait_for_a_write("after", Duration::from_secs(200));
    rig.wait_api(true, Duration::from_secs(60));
    for number in 1..written {
        assert_eq!(rig.read_secret(&format!("coasting-{number}")).unwrap(), "kept");
    }
}

/// An API server, two plugins with a key of their own, Secrets by one and ConfigMaps by the other.
pub(crate) fn local(dir: &Path) -> Plugin {
    Plugin::start(dir, |dir, admin| {
        let key = dir.join("local.key");
        keygen(&key, &KeygenOptions::default()).unwrap();
        format!(
            "cluster: test\nsocket: {{path: {}/kms.sock}}\nadmin: 127.0.0.1:{admin}\nkeys:\n  - name: primary\n    local: {{file: {}}}\n",
            dir.display(),
            key.display()
        )
    })
}

pub(crate) struct Bare {
    pub(crate) api: ApiServer,
    etcd: Etcd,
    dir: TempDir,
}

impl Bare {
    pub(crate) fn start(dir: TempDir, resources: &str, extra: &[&str]) -> Self {
        let etcd = Etcd::start(dir.path().join("etcd")).unwrap();
        let config = ApiServerConfig {
            etcd: etcd.endpoint(),
            encryption: Some(configured(resources)),
            extra_args: extra.iter().map(ToString::to_string).collect(),
            dir: dir.path().join("api"),
            ..ApiServerConfig::default()
        };
        Self { api: ApiServer::start(&config).unwrap(), etcd, dir }
    }

    fn stored(&self, path: &str) -> Vec<u8> {
        self.etcd.get(path).unwrap().unwrap_or_else(|| panic!("{path} is not in etcd"))
    }

    pub(crate) fn secret(&self, name: &str) -> Result<(), String> {
        let output = self.api.kubectl(&["create", "secret", "generic", name, "--from-literal=password=kept"]).unwrap();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }
}

fn configured(resources: &str) -> String {
    format!("apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n{resources}")
}

pub(crate) fn by(resources: &str, name: &str, plugin: &Plugin) -> String {
    format!(
        "  - resources: [{resources}]\n    providers:\n      - kms: {{apiVersion: v2, name: {name}, endpoint: 'unix://{}'}}\n      - identity: {{}}\n",
        plugin.socket().display()
    )
}

/// Core resources and a custom resource share one provider, and so one connection.
#[test]
fn test_kms_v2_single_service_one_connection_serves_core_and_custom_resources() {
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let plugin = local(&dir.path().join("one"));
    let bare = Bare::start(dir, &by("secrets, configmaps, widgets.example.com", "single", &plugin), &[]);
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: widgets.example.com}\nspec:\n  group: example.com\n  scope: Namespaced\n  names: {plural: widgets, singular: widget, kind: Widget}\n  versions:\n    - name: v1\n      served: true\n      storage: true\n      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}\n";
    let output = bare.api.kubectl_stdin(&["create", "-f", "-"], definition).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: one}\nspec: {colour: hidden-colour}\n";
    wait::until(Duration::from_secs(60), "the custom resource is served", || {
        Ok(bare.api.kubectl_stdin(&["create", "-f", "-"], widget)?.status.success().then_some(()))
    })
    .unwrap();
    bare.secret("core").unwrap();
    for path in ["/registry/example.com/widgets/default/one".to_owned(), secret_path("core")] {
        assert!(bare.stored(&path).starts_with(b"k8s:enc:kms:v2:single:"), "{path}");
    }
    let sockets = fs::read_to_string("/proc/net/unix").unwrap();
    // The kernel shows the name that the socket was bound under, before the rename; 00010000 marks the listening one.
    let folder = plugin.dir.display().to_string();
    let open = sockets.lines().filter(|line| line.contains(&folder) && !line.contains(" 00010000 ")).count();
    assert_eq!(open, 1, "{sockets}");
}

#[test]
fn test_encrypt_all_with_wildcard_and_what_is_never_encrypted() {
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let plugin = local(&dir.path().join("one"));
    let bare = Bare::start(dir, &by("'*.*'", "all", &plugin), &[]);
    bare.secret("one").unwrap();
    bare.api.kubectl_text(&["create", "job", "one", "--image=none"]).unwrap();
    bare.api.kubectl_text(&["create", "configmap", "one"]).unwrap();
    let (mut encrypted, mut plain) = (0, Vec::new());
    for (path, value) in bare.etcd.range("/registry/").unwrap() {
        if value.starts_with(b"k8s:enc:kms:v2:all:") {
            encrypted += 1;
        } else {
            plain.push(path);
        }
    }
    assert!(encrypted > 50, "{encrypted} encrypted, plain: {plain:?}");
    for path in &plain {
        let known = ["/registry/masterleases/", "/registry/peerserverleases/", "/registry/ranges/", "/registry/health"];
        assert!(known.iter().any(|known| path.starts_with(known)), "{path} is plain");
    }
}

#[test]
fn test_encrypt_all_with_wildcard_of_one_group() {
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let plugin = local(&dir.path().join("one"));
    let bare = Bare::start(dir, &by("'*.batch'", "batch", &plugin), &[]);
    bare.secret("one").unwrap();
    bare.api.kubectl_text(&["create", "job", "one", "--image=none"]).unwrap();
    assert!(bare.stored("/registry/jobs/default/one").starts_with(b"k8s:enc:kms:v2:batch:"));
    assert!(bare.stored(&secret_path("one")).starts_with(b"k8s\0"), "Secrets are not in the group");
}

/// Add a provider second, make it first, migrate, remove the old one: all by reload, one minute apart at most.
#[test]
fn test_encryption_config_hot_reload_add_promote_migrate_remove() {
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let (mut old, new) = (local(&dir.path().join("old")), local(&dir.path().join("new")));
    let list = |providers: &[(&str, &Plugin)]| {
        let mut text = String::from("  - resources: [secrets]\n    providers:\n");
        for (name, plugin) in providers {
            let socket = plugin.socket();
            text +=
                &format!("      - kms: {{apiVersion: v2, name: {name}, endpoint: 'unix://{}'}}\n", socket.display());
        }
        text + "      - identity: {}\n"
    };
    let reload = "--encryption-provider-config-automatic-reload=true";
    let mut bare = Bare::start(dir, &list(&[("old", &old)]), &[reload]);
    bare.secret("moved").unwrap();
    assert!(bare.stored(&secret_path("moved")).starts_with(b"k8s:enc:kms:v2:old:"));
    let loaded = |bare: &Bare| {
        let line = "apiserver_encryption_config_controller_automatic_reloads_total{";
        let page = bare.api.metrics().unwrap();
        let success = page.lines().filter(|text| text.starts_with(line) && text.contains("status=\"success\""));
        success.filter_map(|text| text.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
    };
    let mut steps = 0.0;
    let mut step = |bare: &mut Bare, providers: &[(&str, &Plugin)]| {
        bare.api.set_encryption(&configured(&list(providers))).unwrap();
        steps += 1.0;
        wait::until(Duration::from_secs(120), "reload", || Ok((loaded(bare) >= steps).then_some(()))).unwrap();
    };
    step(&mut bare, &[("old", &old), ("new", &new)]);
    step(&mut bare, &[("new", &new), ("old", &old)]);
    let object = bare.api.kubectl_text(&["get", "secret", "moved", "-o", "json"]).unwrap();
    assert!(bare.api.kubectl_stdin(&["replace", "-f", "-"], &object).unwrap().status.success());
    let value = bare.stored(&secret_path("moved"));
    assert!(matches!(Stored::parse(&value), Stored::KmsV2 { provider, .. } if provider == "new"));
    step(&mut bare, &[("new", &new)]);
    // Nothing leads to the one that was removed any more.
    old.stop();
    let read = bare.api.kubectl_text(&["get", "secret", "moved", "-o", "jsonpath={.data.password}"]).unwrap();
    assert_eq!(read, "a2VwdA==");
    bare.secret("after").unwrap();
    assert!(bare.stored(&secret_path("after")).starts_with(b"k8s:enc:kms:v2:new:"));
    let health = bare.api.kubectl_text(&["get", "--raw", "/healthz/kms-providers"]).unwrap();
    assert_eq!(health.trim(), "ok");
    assert!(bare.dir.path().exists());
}

/// Every read and write fails until the plugin is there, and then none does.
#[test]
fn test_kms_v2_plugin_that_starts_late() {
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let etcd = Etcd::start(dir.path().join("etcd")).unwrap();
    let mut plugin = local(&dir.path().join("one"));
    plugin.wait_ready();
    plugin.stop();
    let mut api = ApiServer::spawn(&api_server(dir.path(), &etcd, &plugin.socket())).unwrap();
    let waited = api.wait_ready(Duration::from_secs(20));
    assert!(format!("{:#}", waited.expect_err("no plugin")).contains("kms-providers"));
    plugin.start_again();
    api.wait_ready(Duration::from_secs(150)).unwrap();
    api.kubectl_text(&["create", "secret", "generic", "one", "--from-literal=password=x"]).unwrap();
}

/// Two rotations, each seen by the API server: the stored seed differs each time, the value never does.
#[test]
fn test_kms_v2_provider_key_id_staleness_the_stored_seed_differs_after_each_change() {
    let rig = Rig::start();
    rig.create_secret("one", "kept").unwrap();
    let mut seeds = vec![rig.record("one").encrypted_dek_source];
    for _ in 0..2 {
        let before = rig.record("one").key_id;
        rig.vault.rotate("transit", KEY).unwrap();
        wait::until(Duration::from_secs(90), "the API server takes the new key", || {
            rig.api_ready();
            rig.rewrite_secret("one").map_err(anyhow::Error::msg)?;
            Ok((rig.record("one").key_id != before).then_some(()))
        })
        .unwrap();
        let seed = rig.record("one").encrypted_dek_source;
        assert!(!seeds.contains(&seed));
        seeds.push(seed);
        assert_eq!(rig.read_secret("one").unwrap(), "kept");
    }
}
