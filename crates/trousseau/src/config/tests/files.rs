use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::with;
use crate::config::{Environment, load};

fn refused(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.yaml");
    fs::write(&file, bytes).unwrap();
    load(&file, &Environment::default()).expect_err("a bad file").to_string()
}

#[test]
fn i6_a_file_that_is_not_there_yet_is_told_from_a_bad_one() {
    let folder = tempfile::tempdir().unwrap();
    let late = folder.path().join("late/c.yaml");
    let error = load(&late, &Environment::default()).unwrap_err();
    assert!(error.is_missing());
    assert!(error.to_string().contains("does not exist"), "{error}");
    let error = load(folder.path(), &Environment::default()).unwrap_err();
    assert!(!error.is_missing());
    assert!(error.to_string().contains("is no file"), "{error}");
}

#[test]
fn a_file_that_is_no_text_or_too_large_is_refused() {
    assert!(refused(b"cluster: a\nkeys: \xff\xfe\n").contains("is not UTF-8 (line 2)"));
    assert!(refused("a: b\n".repeat(300_000).as_bytes()).contains("larger than 1 MB"));
}

#[test]
fn the_mode_of_a_native_file_does_not_matter_and_its_digest_is_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.yaml");
    fs::write(&file, with("")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let first = load(&file, &Environment::default()).unwrap();
    assert_eq!(first.warnings, [], "it holds no secret");
    fs::write(&file, with("# another comment")).unwrap();
    let second = load(&file, &Environment::default()).unwrap();
    assert_ne!(first.digest, second.digest);
    assert!(second.origins["keys[0].name"].ends_with("c.yaml:3"));
}
