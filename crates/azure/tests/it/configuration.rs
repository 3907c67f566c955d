//! Settings that can't work are refused with the setting's name, before anything is asked.

use serde_json::{Value, json};
use trousseau_azure::{Config, Environment};
use trousseau_core::Provider;
use trousseau_core::section::Section;

use super::{CLIENT, TENANT, config};

fn good() -> Value {
    json!({
        "vault": "https://kv.vault.azure.net",
        "key": "Kubernetes",
        "signingKey": {"name": "kubernetes-signing"},
        "auth": {"managedIdentity": {}},
    })
}

fn refusal(change: impl FnOnce(&mut Value)) -> String {
    let mut section = good();
    change(&mut section);
    config(section).build(&Environment::default()).unwrap_err().to_string()
}

#[test]
fn the_least_that_can_be_said_is_enough() {
    let provider = config(good()).build(&Environment::default()).unwrap();
    let description = provider.describe();
    assert_eq!((description.kind.code, description.kind.name), (4, "azure-keyvault"));
    assert_eq!(description.identity, ["https://kv.vault.azure.net", "kubernetes", "kubernetes-signing"]);
    assert!(config(good()).check().is_ok());
}

#[test]
fn unknown_fields_and_algorithms_are_refused() {
    for (field, value) in [("vaul", json!("x")), ("algorithm", json!("RSA1_5")), ("algorithm", json!("RSA-OAEP"))] {
        let mut section = good();
        section[field] = value;
        assert!(serde_json::from_value::<Config>(section).is_err(), "{field}");
    }
    let mut section = good();
    section["auth"] = json!({"managedIdentity": {}, "clientSecret": {}});
    assert!(serde_json::from_value::<Config>(section).is_err(), "one way to log in");
}

#[test]
fn what_cannot_work_is_named() {
    let cases: Vec<(String, &str)> = vec![
        (refusal(|it| it["vault"] = "http://kv.vault.azure.net".into()), "plain"),
        (refusal(|it| it["vault"] = "kv".into()), "vault: address `kv` has no scheme"),
        (refusal(|it| it["key"] = "a/b".into()), "key `a/b`"),
        (refusal(|it| it["version"] = "3".into()), "version `3`"),
        (refusal(|it| it["signingKey"]["version"] = "x".into()), "signingKey.version"),
        (refusal(|it| it["signingKey"]["name"] = "kubernetes".into()), "signingKey.name is the key itself"),
        (refusal(|it| it["algorithm"] = "A256GCM".into()), "signingKey is set"),
        (refusal(|it| it["resource"] = "vault.azure.net".into()), "resource"),
        (refusal(|it| it["auth"] = json!({"managedIdentity": {"clientId": "a", "objectId": "b"}})), "twice"),
        (refusal(|it| it["auth"] = json!({"managedIdentity": {"endpoint": "x"}})), "managedIdentity.endpoint"),
        (refusal(|it| it["auth"] = json!({"workloadIdentity": {}})), "AZURE_FEDERATED_TOKEN_FILE"),
        (refusal(|it| it["auth"] = json!({"clientSecret": {}})), "AZURE_CLIENT_SECRET"),
        (refusal(|it| it["auth"] = json!({"clientSecret": {"file": "/s"}})), "AZURE_TENANT_ID"),
        (refusal(|it| it["auth"] = json!({"clientSecret": {"file": "/s", "tenantId": TENANT}})), "AZURE_CLIENT_ID"),
        (
            refusal(|it| it["auth"] = json!({"clientSecret": {"file": "/s", "tenantId": "a/b", "clientId": CLIENT}})),
            "tenantId is no id",
        ),
        (refusal(|it| it["tls"] = json!({"ca": "/nowhere"})), "/nowhere"),
    ];
    for (text, part) in cases {
        assert!(text.contains(part), "`{text}` lacks `{part}`");
    }
}

#[test]
fn the_check_without_files_says_the_same() {
    for (change, field) in [
        (json!({"vault": "http://kv.vault.azure.net"}), "vault"),
        (json!({"authority": "login"}), "authority"),
        (json!({"key": ""}), "key"),
        (json!({"version": "3"}), "version"),
        (json!({"signingKey": {"name": "Kubernetes"}}), "signingKey.name"),
        (json!({"signingKey": null}), "signingKey"),
        (json!({"algorithm": "A256GCM"}), "signingKey"),
        (json!({"auth": {"clientSecret": {"file": "x"}}}), "auth.clientSecret.file"),
        (json!({"auth": {"workloadIdentity": {"tokenFile": "x"}}}), "auth.workloadIdentity.tokenFile"),
        (json!({"auth": {"clientCertificate": {"certificate": "/c", "key": "k"}}}), "auth.clientCertificate.key"),
        (json!({"tls": {"ca": "x"}}), "tls.ca"),
    ] {
        let mut section = good();
        for (name, value) in change.as_object().unwrap() {
            section[name] = value.clone();
        }
        assert_eq!(config(section).check().unwrap_err().field, field, "{change}");
    }
}

#[test]
fn what_is_unset_and_comes_from_the_environment_is_known() {
    let mut section = good();
    section["auth"] = json!({"clientSecret": {"tenantId": TENANT}});
    let config = config(section);
    let unset: Vec<_> = Config::FILLS.iter().map(|fill| fill.field).filter(|field| config.is_unset(field)).collect();
    assert_eq!(unset, ["authority", "auth.clientSecret.file", "auth.clientSecret.clientId"]);
}

#[test]
fn an_emergency_is_warned_about() {
    assert!(config(good()).warnings().is_empty());
    let mut section = good();
    section["signingKey"]["acceptUnverified"] = true.into();
    assert_eq!(config(section).warnings()[0].code, "accept-unverified");
}

#[test]
fn i9_nothing_of_a_section_shows_a_password() {
    let mut section = good();
    section["proxy"] = "http://user:canary@proxy:3128".into();
    section["auth"] = json!({"clientSecret": {}});
    let config = config(section).with_credential("canary-secret".to_owned().into());
    let shown = serde_json::to_string(&config).unwrap();
    assert!(!shown.contains("canary") && !format!("{config:?}").contains("canary"), "{shown} {config:?}");
}
