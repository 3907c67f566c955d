use std::path::Path;

use super::KeyFile;
use crate::error::LocalError;

/// Base64 of 32 bytes, and what no error may show.
const KEY: &str = "Q0FOQVJZX0NBTkFSWV9DQU5BUllfQ0FOQVJZX0NBTkE=";

fn entry(version: &str) -> String {
    format!(
        "  - version: {version}\n    created: 2026-11-22T10:00:00Z\n    activeFrom: 2026-11-23T10:00:00Z\n    key: {KEY}\n"
    )
}

fn refused(text: &str) -> String {
    let Err(error) = KeyFile::parse(Path::new("/etc/trousseau/keys.yaml"), text.as_bytes()) else {
        panic!("it was accepted:\n{text}");
    };
    let (shown, debugged) = (error.to_string(), format!("{error:?}"));
    assert!(matches!(error, LocalError::Content { .. }), "{debugged}");
    assert!(shown.starts_with("key file /etc/trousseau/keys.yaml, line "), "{shown}");
    for canary in [KEY, &KEY[..12], "CANARY"] {
        assert!(!shown.contains(canary) && !debugged.contains(canary), "i9: it shows the key: {shown} {debugged}");
    }
    shown.trim_start_matches("key file /etc/trousseau/keys.yaml, ").to_owned()
}

fn with(entries: &[String]) -> String {
    format!("versions:\n{}", entries.concat())
}

#[test]
fn versions_are_found_by_number() {
    let file = KeyFile::parse(Path::new("f"), with(&[entry("3"), entry("4")]).as_bytes()).unwrap();
    assert_eq!(file.get(3).unwrap().active_from, 1_795_428_000);
    assert!(file.get(4).is_some());
    for number in [0, 1, 2, 5, u32::MAX] {
        assert!(file.get(number).is_none(), "{number}");
    }
}

#[test]
fn numbers_must_rise_by_one() {
    assert!(refused(&with(&[entry("1"), entry("1")])).starts_with("line 6: version 1 stands behind version 1"));
    assert!(refused(&with(&[entry("1"), entry("3")])).starts_with("line 6: version 3 stands behind version 1"));
    assert!(refused(&with(&[entry("2"), entry("1")])).starts_with("line 6: version 1 stands behind version 2"));
    assert!(refused(&with(&[entry("0")])).starts_with("line 2: version 0 is none"));
    assert!(refused(&with(&[entry("-1")])).starts_with("line 2: is not what a key file looks like"));
    assert!(refused(&with(&[entry("4294967296")])).starts_with("line 2: is not what"));
    let last = with(&[entry("4294967295"), entry("1")]);
    assert!(refused(&last).starts_with("line 6: version 1 stands behind version 4294967295"));
}

#[test]
fn a_file_without_keys_is_refused() {
    assert!(refused("").contains("is empty"), "{}", refused(""));
    assert!(refused("# only a comment\n").contains("is empty"));
    assert!(refused("versions: []\n").starts_with("line 1: has no version"));
    assert!(refused("versions:\n").starts_with("line "));
    assert!(refused("{}").contains("`versions` is missing"));
    assert!(refused(KEY).starts_with("line 1: is not what"));
}

#[test]
fn two_documents_are_refused() {
    let one = with(&[entry("1")]);
    assert!(refused(&format!("{one}---\n{one}")).contains("a second YAML document"));
}

#[test]
fn unknown_missing_and_doubled_fields_are_refused() {
    let unknown = with(&[entry("1")]) + &format!("    {KEY}: 1\n");
    assert!(refused(&unknown).starts_with("line 6: an unknown field"), "{}", refused(&unknown));
    assert!(refused(&(with(&[entry("1")]) + "    key: x\n")).contains("a field stands twice"));
    assert!(refused(&with(&[entry("1")]).replace("created", "# ")).contains("`created` is missing"));
    let twice = format!("versions:\n  - {KEY}: 1\n    {KEY}: 2\n");
    refused(&twice);
}

#[test]
fn a_key_must_be_base64_of_32_bytes() {
    let with_key = |key: &str| with(&[entry("1")]).replace(KEY, key);
    assert!(refused(&with_key("Q0FOQVJZ")).starts_with("line 5: `key` has 6 bytes; it must have 32"));
    assert!(refused(&with_key(&format!("{KEY}=="))).starts_with("line 5: `key` is no base64"));
    assert!(refused(&with_key("''")).starts_with("line 5: `key` has 0 bytes"));
    assert!(refused(&with_key(&format!("[{KEY}]"))).starts_with("line 5: is not what"));
    assert!(refused(&with_key(&format!("{{a: {KEY}}}"))).starts_with("line 5: is not what"));
}

#[test]
fn times_must_be_rfc_3339() {
    let with_time = |time: &str| with(&[entry("1")]).replace("2026-11-23T10:00:00Z", time);
    for bad in ["tomorrow", "2026-11-23", "1795428000", "2026-11-23T10:00:00+01:00", KEY] {
        assert!(refused(&with_time(bad)).starts_with("line 4: `activeFrom` is no time"), "{bad}");
    }
    assert!(refused(&with(&[entry("1")]).replace("2026-11-22T", "2026-99-22T")).starts_with("line 3: `created`"));
}

#[test]
fn i9_a_key_in_the_wrong_place_is_not_shown() {
    refused(&with(&[entry(KEY)]));
    refused(&format!("versions: {KEY}\n"));
    refused(&format!("versions: !!{KEY} x\n"));
    refused(&format!("versions: *{KEY}\n"));
    refused(&format!("{KEY}\n  bad: [indent\n"));
    let not_text = KeyFile::parse(Path::new("f"), &[0xFF, 0xFE]);
    assert!(matches!(not_text, Err(LocalError::Content { .. })));
}
