//! Bad input at start: what is said, and the exit code (2 for the configuration, 1 for what the machine refuses).

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;

use crate::process::{local, run};

/// Runs `serve` with this configuration; it must end with the code, and say each of the words.
fn refuses(dir: &Path, text: &str, code: i32, words: &[&str]) {
    let file = dir.join("config.yaml");
    fs::write(&file, text).unwrap();
    let output = run(&["serve", "--config", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}\n{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}\nof:\n{text}");
    }
}

#[test]
fn a_configuration_that_is_wrong_names_line_and_remedy() {
    let (dir, good) = local("admin: off\n");
    let cases: &[(&str, String, &[&str])] = &[
        ("misspelt field", good.replace("socket:", "sockte:"), &["config.yaml:2:", "sockte", "socket"]),
        ("wrong type", good.replace("admin: off", "admin: [1]"), &["config.yaml:1:"]),
        ("two documents", format!("{good}---\n{good}"), &["document"]),
        ("empty file", String::new(), &["empty"]),
        ("unknown KMS", good.replace("local:", "lokal:"), &["config.yaml:5", "lokal"]),
        ("template without a value", good.replace("name: test", "name: <no value>"), &["<no value>"]),
        ("address without scheme", vault(dir.path(), "address: vault.example:8200"), &["https://"]),
        ("http without consent", vault(dir.path(), "address: http://vault.example:8200"), &["allowHttp"]),
        ("epoch with metadata", vault(dir.path(), "address: https://v:1\n      epoch: 2"), &["epoch"]),
        ("no unit", format!("health: {{grace: 30}}\n{good}"), &["config.yaml:1:"]),
    ];
    for (name, text, words) in cases {
        assert!(*text != good, "{name} is no bad input");
        refuses(dir.path(), text, 2, words);
    }
    let long = "s".repeat(108 - dir.path().to_str().unwrap().len() - 1);
    refuses(dir.path(), &good.replace("kms.sock", &long), 2, &["107"]);
}

fn vault(dir: &Path, address: &str) -> String {
    format!(
        "admin: off\nsocket: {{path: {}/kms.sock}}\nkeys:\n  - name: test\n    vault:\n      {address}\n      transit: {{key: k}}\n",
        dir.display()
    )
}

#[test]
fn a_key_file_that_will_not_do_is_refused() {
    let (dir, good) = local("admin: off\n");
    let key = dir.path().join("local.key");
    let text = fs::read_to_string(&key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    refuses(dir.path(), &good, 2, &["local.key", "chmod"]);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let short = text.lines().map(|line| match line.split_once("key:") {
        Some((before, _)) => format!("{before}key: c2hvcnQ="),
        None => line.to_owned(),
    });
    fs::write(&key, short.collect::<Vec<_>>().join("\n")).unwrap();
    refuses(dir.path(), &good, 2, &["local.key", "must have 32"]);
    fs::write(&key, text.replace("version: 1", "version: 0")).unwrap();
    refuses(dir.path(), &good, 2, &["local.key", "version"]);
    fs::remove_file(&key).unwrap();
    refuses(dir.path(), &good, 2, &["local.key", "keygen"]);
}

#[test]
fn what_the_machine_refuses_ends_with_1() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let (dir, good) = local(&format!("admin: {}\n", port.local_addr().unwrap()));
    refuses(dir.path(), &good, 1, &["can't listen on 127.0.0.1:", "--admin"]);
    let (dir, good) = local("admin: off\n");
    let missing = good.replace("/kms.sock", "/absent/kms.sock");
    refuses(dir.path(), &missing, 1, &["absent", "does not exist; make it"]);
    let group = good.replace("kms.sock}", "kms.sock, group: no-such-group}");
    refuses(dir.path(), &group, 1, &["no-such-group", "/etc/group"]);
    fs::write(dir.path().join("kms.sock"), "precious").unwrap();
    refuses(dir.path(), &good, 1, &["no socket", "left alone"]);
}

#[test]
fn flags_and_files_do_not_mix() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("x");
    for with in [&["--config", file.to_str().unwrap()][..], &["--dev"]] {
        let output = run(&[&["serve", "--transit-key", "k"], with].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("don't mix"));
    }
}
