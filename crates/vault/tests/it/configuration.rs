//! What a configuration needs, and what the environment fills in.

use std::collections::HashMap;

use serde_json::{Value, json};
use trousseau_core::Provider;
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::https::{Front, ScriptedServer};
use trousseau_vault::{Config, ConfigError, Environment};

use super::{Fake, config, good, wrap};

fn environment(values: &[(&str, &str)]) -> Environment {
    let values: HashMap<String, String> = values.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    Environment::from_variables(|name| values.get(name).cloned())
}

fn parsed(value: Value) -> Config {
    serde_json::from_value(value).unwrap()
}

fn refusal(value: Value, values: &[(&str, &str)]) -> ConfigError {
    parsed(value).build(&environment(values)).unwrap_err()
}

const TOKEN: (&str, &str) = ("VAULT_TOKEN", "t");

#[test]
fn what_can_never_work_is_refused_with_a_remedy() {
    let transit = json!({"key": "k"});
    let with = |field: &str, value: Value| {
        let mut all = json!({"address": "https://v:8200", "transit": transit});
        all[field] = value;
        all
    };
    let rows = [
        (with("address", json!("v:8200")), "no scheme", "https://"),
        (with("address", json!("")), "no address", "VAULT_ADDR"),
        (with("address", json!("http://v:8200")), "not encrypted", "allowHttp"),
        (with("address", json!("https://u:secret@v")), "user or password", "authentication"),
        (with("epoch", json!(2)), "epoch", "`identity: version`"),
        (with("tls", json!({"cert": "/c.pem"})), "tls.cert is set without tls.key", "tls.key"),
        (with("tls", json!({"key": "/k.pem"})), "tls.key is set without tls.cert", "tls.cert"),
        (with("tls", json!({"ca": "/no/such.pem"})), "/no/such.pem", ""),
        (with("tls", json!({"cert": "/no/such.pem", "key": "/k.pem"})), "/no/such.pem", ""),
        (with("transit", json!({"key": ""})), "transit.key", "name"),
        (with("transit", json!({"key": ".."})), "transit.key", "name"),
        (with("transit", json!({"key": "transit/k"})), "transit.key", "transit.mount"),
        (with("transit", json!({"key": "k", "mount": "/"})), "transit.mount", "`transit`"),
        (with("transit", json!({"key": "k", "mount": "a/../b"})), "transit.mount", "`transit`"),
        (with("transit", json!({"key": "k", "mount": "a//b"})), "transit.mount", "`transit`"),
        (with("transit", json!({"key": "k\n"})), "transit.key", "name"),
        (with("transit", json!({"key": "k", "version": 0})), "transit.version", "from 1"),
        (with("namespace", json!("a\nb")), "namespace", "spelling"),
        (with("proxy", json!("socks5://u:secret@p")), "proxy", "http://"),
        (with("timeouts", json!({"connect": "0s"})), "connect", "more than zero"),
    ];
    for (value, what, remedy) in rows {
        let error = refusal(value.clone(), &[TOKEN]);
        assert!(error.what.contains(what) && error.remedy.contains(remedy), "{value}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let error = refusal(with("identity", json!("version")), &[]);
    assert!(error.what.contains("no token") && error.remedy.contains("VAULT_TOKEN"), "{error}");
    let error = refusal(with("identity", json!("version")), &[("VAULT_TOKEN", "<no value>")]);
    assert!(error.what.contains("VAULT_TOKEN is `<no value>`"), "{error}");
}

#[test]
fn unknown_fields_are_refused() {
    let value = json!({"address": "https://v", "transit": {"key": "k", "keys": 1}});
    assert!(serde_json::from_value::<Config>(value).unwrap_err().to_string().contains("keys"));
}

#[test]
fn the_identity_is_namespace_mount_key_and_an_epoch_in_version_identity_only() {
    let mut value = json!({"address": "https://v", "namespace": "/a/b/", "transit": {"mount": "/m/n/", "key": "k"}});
    let description = |value: &Value| parsed(value.clone()).build(&environment(&[TOKEN])).unwrap().describe().clone();
    assert_eq!(description(&value).identity, ["a/b", "m/n", "k"]);
    assert_eq!((description(&value).epoch, description(&value).kind.name), (None, "vault"));
    value["identity"] = json!("version");
    assert_eq!(description(&value).epoch, Some(1));
    value["epoch"] = json!(4);
    assert_eq!(description(&value).epoch, Some(4));
}

#[tokio::test]
async fn the_environment_fills_what_is_unset() {
    let (ca, clients) = (TestCa::new(), TestCa::new());
    let front = Front::mutual_tls(&ca.server(&["vault.test"]), &clients);
    let server = ScriptedServer::start(front, good);
    let leaf = clients.client("trousseau");
    let (ca_file, cert) = (ca.file(), leaf.certificate_file().to_str().unwrap().to_owned());
    let values = [
        ("VAULT_ADDR", server.url()),
        ("VAULT_TOKEN", "from-environment".to_owned()),
        ("VAULT_NAMESPACE", "team/".to_owned()),
        ("VAULT_CACERT", ca_file.to_str().unwrap().to_owned()),
        ("VAULT_CAPATH", "/no/such/folder".to_owned()),
        ("VAULT_CLIENT_CERT", cert),
        ("VAULT_CLIENT_KEY", leaf.key_file().to_str().unwrap().to_owned()),
        ("VAULT_TLS_SERVER_NAME", "vault.test".to_owned()),
        ("VAULT_SKIP_VERIFY", "true".to_owned()),
        ("HTTPS_PROXY", String::new()),
    ];
    let lookup = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    let environment = Environment::from_variables(lookup);
    let provider = parsed(json!({"transit": {"key": "k"}})).build(&environment).unwrap();
    wrap(&provider).await.unwrap();
    let request = &server.requests()[0];
    assert_eq!(request.header("X-Vault-Token"), Some("from-environment"));
    assert_eq!(request.header("X-Vault-Namespace"), Some("team"));

    let mut configured = config(&server.url());
    configured.namespace = "other".into();
    let provider = configured.build(&environment).unwrap();
    wrap(&provider).await.unwrap();
    let request = &server.requests()[1];
    assert_eq!(
        (request.header("X-Vault-Token"), request.header("X-Vault-Namespace")),
        (Some(super::TOKEN), Some("other"))
    );
}

#[tokio::test]
async fn skip_verify_is_honoured_for_the_legacy_file_only() {
    let fake = Fake::start(good);
    let variables =
        environment(&[("VAULT_SKIP_VERIFY", "1"), ("VAULT_CACERT", TestCa::new().file().to_str().unwrap())]);
    let mut config = config(&fake.server.url());
    let other = TestCa::new();
    config.tls.ca = Some(other.file());
    assert!(wrap(&config.build(&variables).unwrap()).await.is_err());
    wrap(&config.build(&variables.legacy()).unwrap()).await.unwrap();
    let odd = environment(&[("VAULT_SKIP_VERIFY", "yes")]);
    config.build(&odd).unwrap();
    assert!(config.build(&odd.legacy()).unwrap_err().what.contains("VAULT_SKIP_VERIFY"));
}

#[tokio::test]
async fn proxies_come_from_the_setting_before_vaults_variable_before_the_usual_ones() {
    let proxy =
        |status: u16| ScriptedServer::start(Front::Plain, move |_| trousseau_testkit::https::Reply::new(status));
    let (usual, vaults, configured) = (proxy(500), proxy(500), proxy(500));
    let mut values = vec![("https_proxy".to_owned(), usual.url()), ("VAULT_TOKEN".to_owned(), "t".to_owned())];
    let mut config = parsed(json!({"address": "https://vault.invalid", "transit": {"key": "k"}}));
    let asked = || [&usual, &vaults, &configured].map(|proxy| proxy.requests().len());
    let build = |config: &Config, values: &[(String, String)]| {
        let values: Vec<_> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        config.build(&environment(&values)).unwrap()
    };
    wrap(&build(&config, &values)).await.unwrap_err();
    assert_eq!(asked(), [1, 0, 0]);
    values.push(("VAULT_PROXY_ADDR".to_owned(), vaults.url()));
    wrap(&build(&config, &values)).await.unwrap_err();
    assert_eq!(asked(), [1, 1, 0]);
    config.proxy = Some(configured.url());
    wrap(&build(&config, &values)).await.unwrap_err();
    assert_eq!(asked(), [1, 1, 1]);
    config.proxy = Some("none".to_owned());
    wrap(&build(&config, &values)).await.unwrap_err();
    assert_eq!(asked(), [1, 1, 1], "asked nobody");
}
