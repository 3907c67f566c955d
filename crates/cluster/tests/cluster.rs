//! Every server really runs; what it does afterwards is seen from outside.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use trousseau_cluster::{
    ApiServer, ApiServerConfig, AwsKms, Emulator, Etcd, SEEDS_TEMPLATE, Vault, VaultAgent, VaultConfig,
};

#[test]
fn etcd_keeps_values_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut etcd = Etcd::start(dir.path()).unwrap();
    assert_eq!(etcd.get("/a/1").unwrap(), None);
    etcd.put("/a/1", b"\x00\xff").unwrap();
    etcd.put("/a/2", b"two").unwrap();
    etcd.put("/b", b"outside").unwrap();
    let endpoint = etcd.endpoint();
    etcd.stop().unwrap();
    assert!(etcd.get("/a/1").is_err());
    etcd.restart().unwrap();
    assert_eq!(etcd.endpoint(), endpoint);
    assert_eq!(etcd.get("/a/1").unwrap().unwrap(), b"\x00\xff");
    let range = etcd.range("/a/").unwrap();
    assert_eq!(range, [("/a/1".to_owned(), b"\x00\xff".to_vec()), ("/a/2".to_owned(), b"two".to_vec())]);
}

#[test]
fn api_server_stores_a_secret_in_etcd_in_clear_without_encryption() {
    let dir = tempfile::tempdir().unwrap();
    let etcd = Etcd::start(dir.path().join("etcd")).unwrap();
    let config = ApiServerConfig { etcd: etcd.endpoint(), dir: dir.path().join("api"), ..Default::default() };
    let mut api = ApiServer::start(&config).unwrap();
    api.kubectl_text(&["create", "secret", "generic", "s", "--from-literal=k=in-the-clear"]).unwrap();
    let stored = etcd.get("/registry/secrets/default/s").unwrap().unwrap();
    assert!(stored.starts_with(b"k8s\0"), "no Kubernetes object in protobuf");
    assert!(stored.windows(12).any(|window| window == b"in-the-clear"));

    let readyz = api.readyz().unwrap();
    assert!(readyz.ready && readyz.text.contains("[+]etcd ok"), "{}", readyz.text);
    assert!(api.metrics().unwrap().contains("apiserver_request_total"));
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: b}\n";
    let applied = api.kubectl_stdin(&["apply", "-f", "-"], map).unwrap();
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    assert!(!api.kubectl(&["get", "secret", "missing"]).unwrap().status.success());

    api.kill().unwrap();
    assert!(!api.readyz().unwrap().ready);
    api.restart().unwrap();
    assert_eq!(api.kubectl_text(&["get", "configmap", "m", "-o", "jsonpath={.data.a}"]).unwrap(), "b");
}

#[test]
fn api_server_that_cannot_start_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let config = ApiServerConfig {
        etcd: "http://127.0.0.1:1".to_owned(),
        encryption: Some("kind: Nonsense".to_owned()),
        dir: dir.path().to_owned(),
        ..Default::default()
    };
    let error = format!("{:#}", ApiServer::start(&config).unwrap_err());
    assert!(error.contains("kube-apiserver ended while it should start"), "{error}");
    assert!(error.contains("Nonsense"), "the log's tail is missing: {error}");
}

#[test]
fn vault_encrypts_and_survives_seal_and_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut vault = Vault::start(dir.path()).unwrap();
    vault.enable_transit("transit").unwrap();
    vault.create_key("transit", "k", "aes256-gcm96").unwrap();
    let policy = r#"path "transit/encrypt/k" { capabilities = ["update"] }"#;
    vault.policy("encrypt", policy).unwrap();
    let token = vault.token(&["encrypt"], "1h", true).unwrap();
    let encrypt =
        |vault: &Vault| vault.api("POST", "transit/encrypt/k", &json!({"plaintext": "AAAA"}), &token).unwrap();

    let (status, answer) = encrypt(&vault);
    assert_eq!(status, 200, "{answer}");
    let first = answer["data"]["ciphertext"].as_str().unwrap().to_owned();
    assert!(first.starts_with("vault:v1:"));
    assert_eq!(vault.api("GET", "transit/keys/k", &Value::Null, &token).unwrap().0, 403);

    vault.seal().unwrap();
    assert_eq!(encrypt(&vault).0, 503);
    vault.unseal().unwrap();

    vault.rotate("transit", "k").unwrap();
    let address = vault.address();
    vault.restart().unwrap();
    assert_eq!(vault.address(), address);
    assert_eq!(encrypt(&vault).0, 503, "it comes back sealed");
    vault.unseal().unwrap();
    assert!(encrypt(&vault).1["data"]["ciphertext"].as_str().unwrap().starts_with("vault:v2:"));
    let opened = vault.root("POST", "transit/decrypt/k", &json!({"ciphertext": first})).unwrap();
    assert_eq!(opened["data"]["plaintext"], "AAAA");

    vault.revoke(&token).unwrap();
    assert_eq!(encrypt(&vault).0, 403);
}

#[test]
fn vault_listens_with_tls_too_when_given_a_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (dir.path().join("tls.pem"), dir.path().join("tls.key"));
    fs::write(&certificate, pair.cert.pem()).unwrap();
    fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let config = VaultConfig { dir: dir.path().join("vault"), tls: Some((certificate, key)) };
    let vault = Vault::start_with(&config).unwrap();

    let address = vault.tls_address().unwrap();
    let mut stream = TcpStream::connect(address.strip_prefix("https://").unwrap()).unwrap();
    stream.write_all(b"GET /v1/sys/health HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("Client sent an HTTP request to an HTTPS server"), "{answer}");
}

#[test]
fn vault_goes_back_to_an_older_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::start(dir.path()).unwrap();
    let audit = dir.path().join("audit.log");
    vault.audit(&audit).unwrap();
    vault.enable_transit("transit").unwrap();
    vault.create_key("transit", "k", "aes256-gcm96").unwrap();
    let latest = || vault.root("GET", "transit/keys/k", &Value::Null).map(|key| key["data"]["latest_version"].clone());
    let snapshot = vault.snapshot().unwrap();
    vault.rotate("transit", "k").unwrap();
    vault.configure_key("transit", "k", &json!({"min_decryption_version": 2})).unwrap();
    assert_eq!(latest().unwrap(), 2);
    vault.restore_snapshot(&snapshot).unwrap();
    assert_eq!(latest().unwrap(), 1);
    vault.delete_key("transit", "k").unwrap();
    assert!(latest().unwrap_err().to_string().contains("404"));
    assert!(fs::read_to_string(audit).unwrap().contains("transit/keys/k/rotate"));
}

#[test]
fn agent_renders_the_seeds_template_and_follows_changes() {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::start(dir.path().join("vault")).unwrap();
    vault.enable_kv("secret").unwrap();
    let config = |token: &str| json!({"transitkeyname": "k", "vaultaddress": vault.address(), "vaulttoken": token});
    vault.kv_put("secret", "trousseau/config", &config("first")).unwrap();
    vault.policy("config", r#"path "secret/data/trousseau/config" { capabilities = ["read"] }"#).unwrap();
    let role = vault.approle("trousseau", &["config"]).unwrap();
    let file = dir.path().join("config.yaml");
    let mut agent =
        VaultAgent::start(&vault.address(), &role, SEEDS_TEMPLATE, &file, dir.path().join("agent")).unwrap();

    let timeout = Duration::from_secs(60);
    let text = agent.wait_rendered(timeout, |text| text.contains("first")).unwrap();
    let expected = format!(
        "\n--- \nprovider: vault\nvault:\n keynames:\n - k \n address: {} \n token: first \n \n",
        vault.address()
    );
    assert_eq!(text, expected);
    vault.kv_put("secret", "trousseau/config", &config("second")).unwrap();
    agent.wait_rendered(timeout, |text| text.contains("token: second \n")).unwrap();
}

#[test]
fn moto_makes_a_key_that_encrypts() {
    let dir = tempfile::tempdir().unwrap();
    let mut kms = AwsKms::start(Emulator::Moto, dir.path()).unwrap();
    let arn = kms.create_key("eu-west-1", false).unwrap();
    assert!(arn.starts_with("arn:aws:kms:eu-west-1:"), "{arn}");
    let wrapped = kms.call("eu-west-1", "Encrypt", &json!({"KeyId": arn, "Plaintext": "c2VlZA=="})).unwrap();
    let opened = kms.call("eu-west-1", "Decrypt", &json!({"CiphertextBlob": wrapped["CiphertextBlob"]})).unwrap();
    assert_eq!(opened["Plaintext"], "c2VlZA==");
    assert_eq!(kms.with_key("DisableKey", &arn).unwrap(), Value::Null);
    assert!(kms.with_key("DescribeKey", &arn.replace("key/", "key/00")).is_err());
    kms.stop().unwrap();
    assert!(kms.create_key("eu-west-1", false).is_err());
}
