use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use trousseau_core::AadPolicy;
use trousseau_vault::{Auth, IdentitySource};

use super::{CANARY, codes, environment, read, refused};
use crate::config::{Environment, Loaded, load, parse};

/// What Vault Agent makes of the documented template: an empty first line, blanks behind everything.
fn rendered(key: &str, address: &str, token: &str) -> String {
    format!("\n--- \nprovider: vault\nvault:\n keynames:\n - {key} \n address: {address} \n token: {token} \n \n")
}

fn section(loaded: &Loaded) -> &trousseau_vault::Config {
    loaded.config.keys[0].provider.get().unwrap()
}

fn token(loaded: &Loaded) -> Option<&str> {
    let Auth::Token(token) = &section(loaded).auth;
    token.inline.as_ref().map(|token| token.expose())
}

#[test]
fn the_rendered_template_is_taken_as_it_is() {
    let loaded = read(&rendered("trousseau-kms-vault", "http://vault.example.org:8200", CANARY)).unwrap();
    assert!(loaded.legacy);
    let vault = section(&loaded);
    assert_eq!(vault.address, "http://vault.example.org:8200");
    assert_eq!((vault.transit.mount.as_str(), vault.transit.key.as_str()), ("transit", "trousseau-kms-vault"));
    assert_eq!(token(&loaded), Some(CANARY));
    assert_eq!(vault.identity, IdentitySource::Version);
    assert_eq!(loaded.config.keys[0].aad, AadPolicy::Discover);
    assert_eq!(loaded.config.clusters().unwrap().first().0, "");
    assert_eq!(loaded.config.socket.path, Path::new("/opt/vaultkms.socket"));
    let admin = loaded.config.admin.unwrap();
    assert_eq!((admin.address.to_string().as_str(), admin.health_only), ("0.0.0.0:8787", true));
    assert_eq!(codes(&loaded), ["legacy-file", "inline-token", "plain-http"]);
    assert!(!format!("{loaded:?}{}", loaded.show()).contains("canary"));
}

#[test]
fn all_fields_count_in_any_case_nested_and_flat() {
    let flat = "KeyNames: [k8s]\nADDRESS: https://v\ntoken: t\nclientCert: /c\nclientkey: /k\nvaultCaCert: /ca\n\
                tlsservername: v.example\ntransitPath: kms\nauthPath: auth\nttl: 30s\n";
    let nested =
        format!("provider: vault\nvault:\n{}", flat.lines().map(|line| format!("  {line}\n")).collect::<String>());
    for (text, ttl) in [(flat, "`ttl`"), (nested.as_str(), "`vault.ttl`")] {
        let loaded = read(text).unwrap();
        let vault = section(&loaded);
        assert_eq!((vault.transit.mount.as_str(), vault.transit.key.as_str()), ("kms", "k8s"));
        assert_eq!(vault.tls.ca.as_deref(), Some(Path::new("/ca")));
        assert_eq!(vault.tls.cert.as_deref(), Some(Path::new("/c")));
        assert_eq!(vault.tls.key.as_deref(), Some(Path::new("/k")));
        assert_eq!(vault.tls.server_name.as_deref(), Some("v.example"));
        assert_eq!(codes(&loaded), ["legacy-file", "ignored-field", "inline-token"]);
        assert!(loaded.warnings[1].text.contains(ttl), "{:?}", loaded.warnings);
    }
}

#[test]
fn only_the_first_key_name_counts_as_it_always_did() {
    let loaded = read("keyNames: [one, two]\naddress: https://v\ntoken: t\n").unwrap();
    assert_eq!(section(&loaded).transit.key, "one");
    assert_eq!(loaded.config.keys.len(), 1);
    assert_eq!(codes(&loaded), ["legacy-file", "ignored-field", "inline-token"]);
    assert_eq!(section(&read("keynames: one\naddress: https://v\ntoken: t\n").unwrap()).transit.key, "one");
}

#[test]
fn the_environment_fills_what_is_unset_and_may_skip_verification() {
    let variables = environment(&[("VAULT_ADDR", "http://e:8200"), ("VAULT_TOKEN", "x"), ("VAULT_SKIP_VERIFY", "1")]);
    let loaded = parse("provider: vault\nvault: {keyNames: [k]}\n", "t.yaml", &variables).unwrap();
    assert_eq!(section(&loaded).address, "http://e:8200");
    assert!(section(&loaded).allow_http && section(&loaded).tls.skip_verify);
    assert_eq!(token(&loaded), None, "it is read where the key is built");
    assert_eq!(codes(&loaded), ["legacy-file", "plain-http", "skip-verify"]);
    let variables = environment(&[("VAULT_TOKEN", "x"), ("VAULT_SKIP_VERIFY", "yes")]);
    let error = parse("keynames: k\naddress: https://v\n", "t.yaml", &variables).unwrap_err().to_string();
    assert!(error.contains("VAULT_SKIP_VERIFY"), "{error}");
}

#[test]
fn a_file_that_others_can_read_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, rendered("k", "https://v", "t")).unwrap();
    for (mode, expected) in [(0o600, 2), (0o644, 3)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let loaded = load(&file, &Environment::default()).unwrap();
        assert_eq!(codes(&loaded).len(), expected, "{:?}", loaded.warnings);
    }
    let last = load(&file, &Environment::default()).unwrap().warnings.pop().unwrap();
    assert_eq!(last.code, "file-mode");
    assert!(last.text.contains("0644") && last.text.contains("0600"), "{}", last.text);
}

#[test]
fn each_mistake_is_named() {
    for (text, parts) in [
        (rendered("k", "https://v", "<no value>"), ["t.yaml:8:9: `vault.token` is `<no value>`", "KV secret"]),
        (rendered("<no value>", "https://v", "t"), ["t.yaml:6:4: `vault.keynames[0]` is `<no value>`", "KV secret"]),
        (rendered("", "https://v", "t"), ["`vault.keynames[0]` is empty", ""]),
        (rendered("k", "", "t"), ["t.yaml:7:9: `vault.address` is empty or missing", "https://"]),
        (rendered("k", "https://v", ""), ["t.yaml:8:7: `vault.token` is empty or missing", "token"]),
        (rendered("k", CANARY, "https://v"), ["t.yaml:7:11: `vault.address` has no scheme", "https://"]),
        (rendered("k", "https://v", "t\n extra: {a: *x}"), ["alias without its anchor", ""]),
        ("provider: vault\n".to_owned(), ["`vault` is empty or missing", "`keyNames`"]),
        ("provider: vault\nvault:\n".to_owned(), ["`vault` is empty or missing", "`keyNames`"]),
        ("provider: \nvault: {}\n".to_owned(), ["t.yaml:1:9: `provider` is empty", "`provider: vault`"]),
        (
            "provider: awskms\nawskms: {keyArn: x}\n".to_owned(),
            ["t.yaml:1:11: `provider` is not `vault`", "keep the Go"],
        ),
        (
            "keyArn: 'arn:aws:kms:x'\nprofile: y\n".to_owned(),
            ["t.yaml:1:9: `keyArn` belongs to a provider", "keep the Go"],
        ),
        ("keynames: []\naddress: https://v\ntoken: t\n".to_owned(), ["`keyNames` is empty", "transit key's name"]),
        (
            "keynames: [k]\naddress: https://v\nroleID: a\nsecretID: b\n".to_owned(),
            ["t.yaml:3:9: `roleID` logs in by a method that comes later (AppRole)", "use `token`"],
        ),
        (
            "keynames: [k]\naddress: https://v\nclientCert: /a\nclientKey: /b\n".to_owned(),
            ["`clientCert` logs in by a method that comes later", "use `token`"],
        ),
        (
            "keynames: [k]\naddress: https://v\ntoken: t\nvaultCACert: ca.pem\n".to_owned(),
            ["t.yaml:4:14: `vaultCACert` is no absolute path", "begin it"],
        ),
        ("provider: vault\nvault: [a]\n".to_owned(), ["t.yaml:2:8: `vault` must be fields", ""]),
    ] {
        let error = refused(&text);
        assert!(parts.iter().all(|part| error.contains(part)), "{parts:?}\n{error}");
        assert!(!error.contains("canary"), "{error}");
    }
}

#[test]
fn a_native_file_is_never_taken_for_a_legacy_one() {
    let error = refused("provider: vault\nkeys: [{name: a, vault: {transit: {key: x}}}]\n");
    assert!(error.contains("unknown field `provider`"), "{error}");
}
