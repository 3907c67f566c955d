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
fn another_login_is_not_replaced_by_the_environments_token() {
    let variables = environment(&[("VAULT_TOKEN", "x")]);
    for login in ["roleID: a\nsecretID: b\n", "clientCert: /a\nclientKey: /b\n"] {
        let text = format!("keynames: [k]\naddress: https://v\n{login}");
        let error = parse(&text, "t.yaml", &variables).unwrap_err().to_string();
        assert!(error.contains("logs in by a method that comes later"), "{error}");
    }
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
            ["t.yaml:2:18: `awskms.keyArn` is not the ARN of a KMS key", "key/ID"],
        ),
        (
            "keyArn: 'arn:aws:kms:x'\nkeynames: [y]\n".to_owned(),
            ["t.yaml:1:9: `keyArn` belongs to another provider", "one provider"],
        ),
        ("provider: awskms\n".to_owned(), ["`awskms` is empty or missing", "fields"]),
        ("provider: debug\n".to_owned(), ["t.yaml:1:11: `provider` is none of `vault`, `awskms`", "protected nothing"]),
        ("keyArn: 'arn:aws:kms:eu-central-1:111122223333:alias/x'\n".to_owned(), ["t.yaml:1:9: `keyArn`", "alias"]),
        (
            "keyVaultName: v\nkeyName: k\nconfigFilePath: /nowhere/azure.json\n".to_owned(),
            ["t.yaml:3:17: `configFilePath` names a file that can't be read", "native"],
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

const ARN: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

#[cfg(feature = "aws")]
#[test]
fn the_file_of_its_aws_provider_is_taken_flat_and_nested() {
    let flat = format!(
        "endpoint: http://127.0.0.1:4566\nPROFILE: prod\nkeyArn: {ARN}\nroleArn: arn:aws:iam::111122223333:role/kms\n\
         encryptionContext: {{Team: platform}}\ntimeout: 3s\n"
    );
    let below = flat.lines().map(|line| format!("  {line}\n")).collect::<String>();
    for (text, ignored) in
        [(flat.as_str(), "`timeout`"), (&format!("provider: awskms\nawskms:\n{below}"), "`awskms.timeout`")]
    {
        let loaded = read(text).unwrap();
        let aws: &trousseau_aws::Config = loaded.config.keys[0].provider.get().unwrap();
        assert_eq!((aws.key.as_str(), aws.profile.as_deref()), (ARN, Some("prod")));
        assert_eq!((aws.endpoint.as_deref(), aws.allow_http), (Some("http://127.0.0.1:4566"), true));
        assert_eq!(aws.assume_role.as_ref().unwrap().arn, "arn:aws:iam::111122223333:role/kms");
        assert_eq!(aws.encryption_context["Team"], "platform", "values and names keep their case");
        assert_eq!(
            loaded.config.keys[0].aad,
            AadPolicy::Required { accept_without: false },
            "nothing was written without additional data"
        );
        assert_eq!(loaded.config.socket.path, Path::new("/opt/vaultkms.socket"));
        assert_eq!(codes(&loaded)[..2], ["legacy-file", "ignored-field"]);
        assert!(loaded.warnings[1].text.contains(ignored), "{:?}", loaded.warnings);
    }
}

/// What `configFilePath` names, with these fields.
fn azure_json(fields: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("azure.json");
    std::fs::write(&file, format!("{{\"subscriptionId\": \"s\", {fields}}}")).unwrap();
    let path = file.display().to_string();
    (folder, path)
}

#[test]
fn the_file_of_its_azure_provider_is_taken_with_the_login_of_azure_json() {
    use trousseau_azure::Auth as Azure;
    let version = "0123456789abcdef0123456789abcdef";
    let read_with = |fields: &str, hsm: &str| {
        let (_folder, path) = azure_json(fields);
        let text = format!(
            "configFilePath: {path}\nkeyVaultName: prod\nkeyName: kubernetes\nkeyVersion: {version}\nmanagedHSM: {hsm}\n"
        );
        read(&text)
    };
    let secret = format!("\"tenantId\": \"t\", \"aadClientId\": \"c\", \"aadClientSecret\": \"{CANARY}\"");
    let loaded = read_with(&secret, "false").unwrap();
    let azure: &trousseau_azure::Config = loaded.config.keys[0].provider.get().unwrap();
    assert_eq!((azure.vault.as_str(), azure.key.as_str()), ("https://prod.vault.azure.net", "kubernetes"));
    assert_eq!(azure.version.as_deref(), Some(version));
    assert_eq!(azure.signing_key.as_ref().unwrap().name, "kubernetes-signing");
    let Azure::ClientSecret(auth) = &azure.auth else { panic!("{loaded:?}") };
    assert_eq!((auth.tenant_id.as_deref(), auth.client_id.as_deref()), (Some("t"), Some("c")));
    assert_eq!(auth.inline.as_ref().unwrap().expose(), CANARY);
    assert!(codes(&loaded).contains(&"signing-key"), "{:?}", loaded.warnings);
    assert!(!format!("{loaded:?}{}", loaded.show()).contains("canary"));

    for (fields, expected) in [
        ("\"useManagedIdentityExtension\": true", None),
        ("\"useManagedIdentityExtension\": true, \"userAssignedIdentityID\": \"u\"", Some("u")),
        ("\"aadClientId\": \"msi\", \"aadClientSecret\": \"msi\"", None),
    ] {
        let loaded = read_with(&format!("\"cloud\": \"AzureChinaCloud\", {fields}"), "true").unwrap();
        let azure: &trousseau_azure::Config = loaded.config.keys[0].provider.get().unwrap();
        assert_eq!(azure.vault, "https://prod.managedhsm.azure.cn");
        let Azure::ManagedIdentity(identity) = &azure.auth else { panic!("{loaded:?}") };
        assert_eq!(identity.client_id.as_deref(), expected);
    }
    for (fields, part) in [
        ("\"aadClientCertPath\": \"/c.pfx\"", "PKCS#12"),
        ("\"tenantId\": \"t\"", "neither"),
        ("\"cloud\": \"Moon\"", "`cloud` is unknown"),
        (&format!("\"aadClientSecret\": {CANARY}"), "is no azure.json (line 1"),
    ] {
        let error = read_with(fields, "no").unwrap_err().to_string();
        assert!(error.contains("`configFilePath` names a file") && error.contains(part), "{error}");
        assert!(!error.contains("canary"), "{error}");
    }
    // Go reads it as YAML, and a null like a field that is not there.
    let (folder, path) = azure_json("");
    let named = |file: &str| read(&format!("configFilePath: {file}\nkeyVaultName: prod\nkeyName: k\n"));
    std::fs::write(&path, "useManagedIdentityExtension: true\ncloud: null\ntenantId: t\n").unwrap();
    assert!(named(&path).is_ok());
    std::fs::write(
        &path,
        "{\"aadClientId\": \"msi\", \"aadClientSecret\": \"msi\", \"useManagedIdentityExtension\": null}",
    )
    .unwrap();
    assert!(named(&path).is_ok());
    // A pipe would hold up the process that opens it.
    let pipe = folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    std::fs::write(&path, " ".repeat(2_000_000)).unwrap();
    for file in [pipe.to_str().unwrap(), &path] {
        let error = named(file).unwrap_err().to_string();
        assert!(error.contains("names a file that can't be read"), "{error}");
    }
    let error = read("keyVaultName: v\n").unwrap_err().to_string();
    assert!(error.contains("`keyName` is empty or missing"), "{error}");
}
