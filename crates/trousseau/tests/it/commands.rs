//! Commands that end by themselves.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use crate::process::run;

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
fn usage_errors_end_with_2() {
    for args in [&["nonsense"][..], &["serve", "--no-such-flag"], &["serve"], &["serve", "--config", "x", "--dev"]] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(run(&["--version"]).status.success());
}
