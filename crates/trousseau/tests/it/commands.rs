//! Commands that end by themselves.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use crate::picture::{Step, picture};
use crate::process::{local, run};

#[test]
fn demo_runs_to_its_end() {
    let output = run(&["demo"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for part in ["healthz: ok", "k8s:enc:kms:v2:t", "equal to what was written: yes", "the old record: still readable"]
    {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "no colour into a pipe");
    let from = text.find("==> A Secret as it would lie in etcd").unwrap();
    picture(
        "demo",
        &[Step { command: "cargo run --release -- demo".into(), printed: format!("...\n{}", &text[from..]) }],
    );
}

#[test]
fn keygen_never_overwrites_and_adds_a_version_on_request() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("local.key");
    let path = file.to_str().unwrap();
    assert!(run(&["keygen", "--file", path]).status.success());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let first = fs::read_to_string(&file).unwrap();
    let again = run(&["keygen", "--file", path]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("--add"), "{again:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), first);
    let added = run(&["keygen", "--file", path, "--add", "--active-in", "1h"]);
    assert!(added.status.success(), "{added:?}");
    let key = |text: &str| text.lines().filter(|line| line.contains("key:")).map(str::to_owned).collect::<Vec<_>>();
    let second = key(&fs::read_to_string(&file).unwrap());
    assert_eq!((second.len(), &second[0]), (2, &key(&first)[0]));
    assert!(!String::from_utf8_lossy(&added.stdout).contains(second[1].trim()), "i9: no key on the screen");
}

#[test]
fn config_is_checked_and_shown() {
    let (dir, text) = local("cluster: here\n");
    let file = dir.path().join("config.yaml");
    let path = file.to_str().unwrap();
    fs::write(&file, text).unwrap();
    let checked = run(&["config", "check", path]);
    assert!(checked.status.success() && String::from_utf8_lossy(&checked.stdout).contains("good; keys: `test`"));
    let shown: serde_json::Value = serde_json::from_slice(&run(&["config", "show", path]).stdout).unwrap();
    assert_eq!(shown["config"]["probe"]["interval"], "30s", "{shown}");
    assert!(shown["origins"].to_string().contains("config.yaml:"), "{shown}");
    fs::write(&file, "keys: 7").unwrap();
    assert_eq!(run(&["config", "check", path]).status.code(), Some(2));
}

#[test]
fn completions_and_man_page_come_from_the_same_definitions() {
    for args in [&["completions", "bash"][..], &["man"]] {
        let output = run(args);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("keygen"), "{args:?}: {text}");
    }
}

#[test]
fn usage_errors_end_with_2() {
    for args in [&["nonsense"][..], &["serve", "--no-such-flag"], &["serve"], &["serve", "--config", "x", "--dev"]] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(run(&["--version"]).status.success());
}

#[test]
fn providers_lists_what_this_binary_has_with_every_field() {
    let output = run(&["providers", "--output", "json"]);
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let providers = listed["providers"].as_array().unwrap();
    let vault = providers.iter().find(|provider| provider["section"] == "vault").unwrap();
    assert_eq!((vault["name"].as_str(), vault["code"].as_u64()), (Some("vault"), Some(2)));
    let field = |name: &str| {
        let fields = vault["fields"].as_array().unwrap();
        fields.iter().find(|field| field["field"] == name).unwrap_or_else(|| panic!("no {name} in {vault:#}")).clone()
    };
    let address = field("address");
    assert_eq!((&address["flag"], &address["variables"][0]), (&"--vault-address".into(), &"VAULT_ADDR".into()));
    assert_eq!(field("transit.key")["required"], true);
    assert_eq!(field("transit.mount")["default"], "transit");
    assert_eq!(field("identity")["form"], "`metadata` or `version`");
    for provider in providers {
        for field in provider["fields"].as_array().unwrap() {
            assert_ne!(field["description"], "", "{}: {field} says nothing", provider["section"]);
        }
    }
    let text = String::from_utf8(run(&["providers", "vault"]).stdout).unwrap();
    assert!(text.contains("  transit.key (text; required; --transit-key)") && !text.contains("local:"), "{text}");
    let unknown = run(&["providers", "vualt"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no section `vualt`"), "{unknown:?}");
}
