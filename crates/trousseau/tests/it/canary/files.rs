//! Files that hold secrets and are broken: token, key file, TLS client key.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::https::{Front, Reply, ScriptedServer};

use super::search::{Canary, Outputs, Search};
use super::stage::{Stage, files};
use crate::honest_vault::honest;
use crate::process::{free_port, get, local, run, wait_for};

pub(crate) fn settings(dir: &Path, admin: u16, vault: &str) -> String {
    format!(
        "admin: 127.0.0.1:{admin}\nsocket: {{path: {0}/kms.sock}}\nlog: {{level: trace}}\nhealth: {{grace: 1s}}\n\
         probe: {{interval: 200ms, afterFailure: 100ms, promotionDelay: 400ms}}\n\
         limits: {{attempts: 1, breakerFailures: 1000000}}\n\
         keys:\n  - name: primary\n    vault:\n      transit: {{key: k}}\n      auth: {{token: {{file: {0}/token}}}}\n{vault}",
        dir.display()
    )
}

pub(crate) fn start(dir: &Path, admin: u16, text: &str, variables: &[(&str, &str)]) -> Stage {
    let file = dir.join("config.yaml");
    fs::write(&file, text).unwrap();
    Stage::start(dir, admin, &["--config", file.to_str().unwrap()], variables)
}

/// Starts `serve` with a file that it must refuse, and takes what it says.
fn refused(dir: &Path, what: &str, args: &[&str], outputs: &mut Outputs) {
    let output = run(args);
    assert!(!output.status.success(), "{what} was taken");
    let said = [output.stdout, output.stderr].concat();
    assert!(!said.is_empty(), "{what}: not a word");
    outputs.add(format!("{args:?} with {what}"), said);
    outputs.add(what, fs::read(dir.join("log")).unwrap_or_default());
}

#[test]
fn i9_no_token_file_is_quoted() {
    let token = Canary::text("a token in a bad file", "hvs.");
    let ca = TestCa::new();
    let server = ScriptedServer::start(Front::tls(&ca.server(&["127.0.0.1"])), |request| {
        let known = request.header("x-vault-token").is_none_or(|token| token == "hvs.good");
        if known { honest(request) } else { Reply::json(403, &serde_json::json!({"errors": ["invalid token"]})) }
    });
    let (dir, admin) = (TempDir::with_prefix("trousseau-").unwrap(), free_port());
    let file = dir.path().join("token");
    let word = token.as_str();
    let contents: Vec<Vec<u8>> = vec![
        format!("{word}\n{word}\n").into(),
        format!("{word} {word}").into(),
        format!("token: {word}\r\nother: x").into(),
        format!("{{\"token\": \"{word}\"}}").into(),
        [b"\xFF\xFE", word.as_bytes()].concat(),
        format!("{word}\u{0}").into(),
        format!("\u{feff}{word}é").into(),
        word.repeat(1000).into(),
        word.repeat(300_000).into(),
        "<no value>".into(),
        Vec::new(),
    ];
    let mut outputs = Outputs::default();
    fs::write(&file, &contents[0]).unwrap();
    let vault = format!("      address: {}\n      tls: {{ca: {}}}\n", server.url(), ca.file().display());
    let stage = start(dir.path(), admin, &settings(dir.path(), admin, &vault), &[]);
    let page = || get(admin, "/readyz?verbose");
    let probes = || stage.serve.log().matches("probe good").count() + stage.serve.log().matches("probe failed").count();
    // The one under way may have read the file before; the next one has not.
    let two_probes = |what| {
        let before = probes();
        wait_for(what, 10, || probes() >= before + 2);
    };
    for (number, content) in contents.iter().enumerate() {
        // Back to one that works, so that each bad one is met by a running process too.
        fs::write(&file, "hvs.good").unwrap();
        stage.wait_ready();
        two_probes("probes of the good token");
        let before = stage.serve.log().len();
        fs::write(&file, content).unwrap();
        two_probes("probes of a bad token");
        // Either it can't be a token, or Vault takes it for none.
        let said = stage.serve.log().split_off(before);
        assert!(said.contains("no new token for Vault") || said.contains("probe failed"), "{number} was not read");
        stage.pages(&mut outputs, "with a bad token");
        stage.caller.encrypt(&[7; 32], &mut outputs);
        stage.caller.status(&mut outputs);
    }
    fs::remove_file(&file).unwrap();
    wait_for("the token's absence", 10, || page().contains("ok"));
    stage.finish(&mut outputs, &["token"]);
    assert!(outputs.contain("the token file") && outputs.contain("something else than a token"));

    // And at a start, when there is no token before.
    for content in &contents {
        let dir = TempDir::with_prefix("trousseau-").unwrap();
        fs::write(dir.path().join("token"), content).unwrap();
        let stage = start(dir.path(), admin, &settings(dir.path(), admin, &vault), &[]);
        wait_for("a failed probe", 10, || stage.serve.log().contains("probe failed"));
        stage.pages(&mut outputs, "with a bad token at start");
        stage.finish(&mut outputs, &["token"]);
    }
    outputs.assert_clean(&Search::new(&[token]));
}

#[test]
fn i9_no_key_file_is_quoted() {
    let (dir, config) = local("admin: off\nlog: {level: trace}\n");
    let (key, file) = (dir.path().join("local.key"), dir.path().join("config.yaml"));
    fs::write(&file, config).unwrap();
    let good = fs::read_to_string(&key).unwrap();
    let base64 = good.lines().find_map(|line| line.trim().strip_prefix("key: \"")?.strip_suffix('"')).unwrap();
    let material = Canary { name: "local key material", bytes: STANDARD.decode(base64).unwrap() };
    let short = &base64[..base64.len() - 2];
    let mut outputs = Outputs::default();
    for (from, to) in [
        ("\"S\"", "S".to_owned()),
        ("\"S\"", "\"S".to_owned()),
        ("\"S\"", "[S]".to_owned()),
        ("\"S\"", "{S: S}".to_owned()),
        ("\"S\"", format!("\"{short}\"")),
        ("\"S\"", "\"SS\"".to_owned()),
        ("\"S\"", "!!binary S".to_owned()),
        ("\"S\"", "\"\\xS\"".to_owned()),
        ("key: \"S\"", "S: key".to_owned()),
        ("key: \"S\"", "kee: \"S\"".to_owned()),
        ("key: \"S\"", "key: \"S\"\n  key: \"S\"".to_owned()),
        ("key: \"S\"", "\tkey: S".to_owned()),
        ("version: 1", "version: S".to_owned()),
        ("activeFrom: ", "activeFrom: S".to_owned()),
        ("created: ", "created: S ".to_owned()),
        ("versions:", "versions: S".to_owned()),
        ("versions:", "S:".to_owned()),
    ] {
        let text = good.replace(&from.replace('S', base64), &to.replace('S', base64));
        assert_ne!(text, good, "{from}");
        fs::write(&key, text).unwrap();
        if to == "S" {
            continue;
        }
        refused(dir.path(), &to, &["serve", "--config", file.to_str().unwrap()], &mut outputs);
        refused(dir.path(), &to, &["keygen", "--add", "--file", key.to_str().unwrap()], &mut outputs);
    }
    fs::write(&key, &good).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o666)).unwrap();
    refused(dir.path(), "an open file", &["serve", "--config", file.to_str().unwrap()], &mut outputs);
    refused(dir.path(), "a key for a file", &["serve", "--config", key.to_str().unwrap()], &mut outputs);
    files(dir.path(), &mut outputs, &["local.key"]);
    assert!(outputs.contain("local.key, line"));
    outputs.assert_clean(&Search::new(&[material]));
}

#[test]
fn i9_no_client_key_is_quoted() {
    let (ca, clients) = (TestCa::new(), TestCa::new());
    let server = ScriptedServer::start(Front::mutual_tls(&ca.server(&["127.0.0.1"]), &clients), honest);
    let (mine, other) = (clients.client("trousseau"), clients.client("other"));
    let good = fs::read_to_string(mine.key_file()).unwrap();
    let body: String = good.lines().filter(|line| !line.starts_with("-----")).collect();
    // Without the first and last bytes: they are the same in every such key, or public.
    let der = STANDARD.decode(&body).unwrap();
    let key = Canary { name: "TLS client key", bytes: der[36..68].to_vec() };
    let (dir, admin) = (TempDir::with_prefix("trousseau-").unwrap(), free_port());
    fs::write(dir.path().join("token"), "hvs.good").unwrap();
    let file = dir.path().join("client.key");
    let vault = format!(
        "      address: {}\n      tls: {{ca: {}, cert: {}, key: {}}}\n",
        server.url(),
        ca.file().display(),
        mine.certificate_file().display(),
        file.display()
    );
    let mut outputs = Outputs::default();
    let broken: Vec<(&str, Vec<u8>)> = vec![
        ("one line", good.replace('\n', "").into()),
        ("one line behind BEGIN", format!("-----BEGIN {body}").into()),
        ("no end", good.split("-----END").next().unwrap().into()),
        ("the end is the key", format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END {body}").into()),
        ("wrong name", good.replace("PRIVATE", &body).into()),
        ("no base64", good.replace(&body[..4], "????").into()),
        ("half", good.replace(&body[body.len() - 40..], "").into()),
        ("DER", der.clone()),
        ("base64 alone", body.clone().into()),
    ];
    let config = dir.path().join("config.yaml");
    fs::write(&config, settings(dir.path(), admin, &vault)).unwrap();
    for (what, content) in broken {
        fs::write(&file, content).unwrap();
        refused(dir.path(), what, &["serve", "--config", config.to_str().unwrap()], &mut outputs);
    }
    fs::copy(other.key_file(), &file).unwrap();
    refused(dir.path(), "another's", &["serve", "--config", config.to_str().unwrap()], &mut outputs);

    fs::write(&file, &good).unwrap();
    let stage = start(dir.path(), admin, &settings(dir.path(), admin, &vault), &[]);
    stage.wait_ready();
    fs::write(&file, good.replace('\n', "")).unwrap();
    wait_for("the changed key", 10, || stage.serve.log().contains("the changed certificates"));
    stage.finish(&mut outputs, &["client.key"]);
    outputs.assert_clean(&Search::new(&[key]));
}
