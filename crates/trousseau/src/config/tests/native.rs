use std::path::Path;
use std::time::Duration;

use super::{codes, environment, read, refused, vault, with};
use crate::config::{Allow, LogFormat, LogLevel, Mode, Size, StatusVersion, parse};
use trousseau_core::AadPolicy;

const WHOLE: &str = r#"
cluster: [prod-eu-1, old]
socket: {path: /run/t/kms.sock, mode: "0666", owner: root, group: kube-apiserver, allow: {uids: [0], gids: [7]}}
admin: off
log: {level: debug, format: text}
statusVersion: v2
health: {grace: 4m}
probe: {interval: 1m, promotionDelay: 5m, observations: 4, afterFailure: 2s, timeout: 3s}
limits: {inFlight: 8, queue: 0, drain: 1s, request: 64KiB, connections: 9, margin: 100ms, attempts: 1}
force: true
keys:
  - name: primary
    vault:
      address: https://vault-0:8200
      namespace: team
      transit: {mount: kms, key: kubernetes}
      auth: {token: {file: /run/secrets/token, renew: true}}
      timeouts: {whole: 3s}
    accept: [trousseau-no-aad]
  - name: before
    local: {file: /etc/trousseau/local.key}
    aad: off
  - name: other
    plugin: {socket: /run/other/kms.sock, name: hsm}
"#;

#[test]
fn every_field_is_taken_over() {
    let loaded = read(WHOLE).unwrap();
    let config = loaded.config;
    assert_eq!(config.clusters().unwrap().names().collect::<Vec<_>>(), ["prod-eu-1", "old"]);
    assert_eq!(config.socket.path, Path::new("/run/t/kms.sock"));
    assert_eq!(config.socket.mode, Mode(0o666));
    assert_eq!(config.socket.allow, Some(Allow { uids: vec![0], gids: vec![7] }));
    assert_eq!(
        (config.socket.owner.as_deref(), config.socket.group.as_deref()),
        (Some("root"), Some("kube-apiserver"))
    );
    assert_eq!(config.admin, None);
    assert_eq!((config.log.level, config.log.format), (LogLevel::Debug, LogFormat::Text));
    assert_eq!(config.status_version, StatusVersion::V2);
    assert_eq!(config.health.grace, Duration::from_secs(240));
    assert_eq!(config.probe.rule().delay, Duration::from_secs(300));
    assert_eq!(config.probe.times().after_failure, Duration::from_secs(2));
    assert_eq!((config.limits.guard().in_flight, config.limits.guard().attempts), (8, 1));
    assert_eq!((config.limits.request, config.limits.connections), (Size(65536), 9));
    assert!(config.force);
    let [primary, before, other] = config.keys.as_slice() else { panic!("three keys") };
    assert_eq!((primary.name.as_str(), primary.aad), ("primary", AadPolicy::Required { accept_without: true }));
    let vault = primary.provider.get::<trousseau_vault::Config>().unwrap();
    assert_eq!((vault.namespace.as_str(), vault.transit.mount.as_str()), ("team", "kms"));
    assert_eq!(vault.timeouts.whole, Duration::from_secs(3));
    assert_eq!((before.name.as_str(), before.aad), ("before", AadPolicy::Off));
    assert!(before.provider.get::<trousseau_local::Config>().unwrap().file.is_some());
    let other = other.provider.get::<trousseau_plugin::Config>().unwrap();
    assert_eq!((other.socket.as_path(), other.name.as_str()), (Path::new("/run/other/kms.sock"), "hsm"));
    assert!(!loaded.legacy);
    assert_eq!(loaded.warnings, []);
}

#[test]
fn defaults_are_the_documented_ones() {
    let config = read(&with("")).unwrap().config;
    assert_eq!(config.clusters().unwrap().first().0, "");
    assert_eq!(config.socket.path, Path::new("/run/trousseau/kms.sock"));
    assert_eq!(config.socket.mode.to_string(), "0660");
    assert_eq!(config.admin.unwrap().address.to_string(), "127.0.0.1:8787");
    assert!(!config.admin.unwrap().health_only);
    assert_eq!(config.status_version, StatusVersion::V2beta1);
    assert_eq!(config.health.grace, Duration::from_secs(120));
    assert_eq!(config.probe.interval, Duration::from_secs(30));
    assert_eq!(config.probe.promotion_delay, Duration::from_secs(180));
    assert_eq!((config.limits.in_flight, config.limits.queue), (64, 256));
    assert_eq!((config.limits.request, config.limits.margin), (Size(64_000), Duration::from_millis(200)));
    assert_eq!(config.limits.drain, Duration::from_secs(10));
    assert!(!config.force);
    assert_eq!(config.keys[0].aad, AadPolicy::Required { accept_without: false });
}

#[test]
fn origins_name_file_and_line_of_what_is_no_default() {
    let origins = read(WHOLE).unwrap().origins;
    assert_eq!(origins["keys[0].vault.transit.key"], "t.yaml:16");
    assert_eq!(origins["health.grace"], "t.yaml:7");
    assert!(!origins.contains_key("limits.breakerOpen"));
}

#[test]
fn anchors_merges_and_yaml_niceties_work() {
    let text = "%YAML 1.2\n---\nx: &t\n";
    assert!(refused(text).contains("unknown field"), "{text}");
    let merged = "keys:\n  - name: a\n    vault: &v {address: https://v, transit: {key: a}}\n  - name: b\n    vault:\n      <<: *v\n      transit: {key: b}\n";
    let config = read(merged).unwrap().config;
    let second = config.keys[1].provider.get::<trousseau_vault::Config>().unwrap();
    assert_eq!((second.address.as_str(), second.transit.key.as_str()), ("https://v", "b"));
}

#[test]
fn consent_is_warned_about() {
    let loaded = read(&vault("address: http://vault:8200\n      allowHttp: true")).unwrap();
    assert_eq!(codes(&loaded), ["plain-http"]);
    let loaded = read(&vault("address: https://vault\n      tls: {skipVerify: true}")).unwrap();
    assert_eq!(codes(&loaded), ["skip-verify"]);
}

#[test]
fn i3_of_the_environment_only_what_is_unset_counts_and_never_silently_in_key_id() {
    let variables = environment(&[
        ("VAULT_SKIP_VERIFY", "true"),
        ("VAULT_ADDR", "https://elsewhere"),
        ("VAULT_NAMESPACE", "team"),
        ("VAULT_TOKEN", "x"),
    ]);
    let loaded = parse(&vault("address: https://vault"), "t.yaml", &variables).unwrap();
    let section = loaded.config.keys[0].provider.get::<trousseau_vault::Config>().unwrap();
    assert!(!section.tls.skip_verify, "for the legacy file only");
    assert_eq!(codes(&loaded), ["identity-from-environment"]);
    let origin = |field: &str| loaded.origins[&format!("keys[0].vault.{field}")].as_str();
    assert_eq!((origin("address"), origin("namespace")), ("t.yaml:5", "VAULT_NAMESPACE"));
    assert_eq!(origin("auth.token"), "VAULT_TOKEN");
    let loaded = parse(&vault("address: https://vault\n      namespace: team"), "t.yaml", &variables).unwrap();
    assert_eq!(loaded.warnings, []);
}

#[test]
fn what_is_shown_is_a_configuration_again() {
    let first = read(WHOLE).unwrap().config;
    let shown = first.show();
    let second = read(&shown.to_string()).unwrap().config;
    assert_eq!(shown, second.show());
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
    assert_eq!(shown["limits"]["margin"], "100ms");
    assert_eq!(shown["keys"][0]["vault"]["auth"]["token"]["file"], "/run/secrets/token");
}
