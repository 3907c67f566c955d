use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use trousseau_local::{Config, Generated, KeygenOptions, LocalError, keygen};

pub(crate) const NEW: KeygenOptions = KeygenOptions { add: false, active_in: None };
pub(crate) const ADD: KeygenOptions = KeygenOptions { add: true, active_in: None };

pub(crate) fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.yaml");
    (folder, path)
}

fn seconds_from_now(time: &str) -> i64 {
    let at = humantime::parse_rfc3339(time).unwrap();
    match at.duration_since(SystemTime::now()) {
        Ok(ahead) => ahead.as_secs().cast_signed(),
        Err(behind) => -behind.duration().as_secs().cast_signed(),
    }
}

fn builds(path: &Path) {
    Config { file: Some(path.to_owned()), credential: None }.build(None).unwrap();
}

#[test]
fn a_new_file_is_ours_alone_and_writes_at_once() {
    let (_folder, path) = folder();
    let Generated { version, active_from } = keygen(&path, &NEW).unwrap();
    assert_eq!(version, 1);
    assert!((-2..=0).contains(&seconds_from_now(&active_from)), "{active_from}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    builds(&path);
}

#[test]
fn a_file_is_never_overwritten() {
    let (_folder, path) = folder();
    keygen(&path, &NEW).unwrap();
    let before = fs::read(&path).unwrap();
    let refused = keygen(&path, &NEW).unwrap_err();
    assert!(matches!(refused, LocalError::Exists { .. }), "{refused}");
    assert!(refused.to_string().contains("--add"));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn adding_keeps_every_byte_that_was_there() {
    let (folder, path) = folder();
    keygen(&path, &NEW).unwrap();
    let commented = fs::read_to_string(&path).unwrap() + "    # ours\n";
    fs::write(&path, &commented).unwrap();
    let made = keygen(&path, &ADD).unwrap();
    assert_eq!(made.version, 2);
    assert!((86_390..=86_400).contains(&seconds_from_now(&made.active_from)), "{made:?}");
    let soon = KeygenOptions { add: true, active_in: Some(Duration::from_secs(60)) };
    let made = keygen(&path, &soon).unwrap();
    assert_eq!(made.version, 3);
    assert!((50..=60).contains(&seconds_from_now(&made.active_from)), "{made:?}");
    assert!(fs::read_to_string(&path).unwrap().starts_with(&commented));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    builds(&path);
}

#[test]
fn adding_needs_a_good_file() {
    let (_folder, path) = folder();
    assert!(matches!(keygen(&path, &ADD).unwrap_err(), LocalError::Missing { .. }));
    keygen(&path, &NEW).unwrap();
    let flow = fs::read_to_string(&path).unwrap();
    let key = flow.split('"').nth(1).unwrap();
    let time = "2026-11-22T10:00:00Z";
    let flow = format!("versions: [{{version: 1, created: {time}, activeFrom: {time}, key: '{key}'}}]\n");
    fs::write(&path, &flow).unwrap();
    builds(&path);
    let refused = keygen(&path, &ADD).unwrap_err();
    assert!(refused.to_string().contains("lines of its own") && !refused.to_string().contains(key), "{refused}");
    assert_eq!(fs::read_to_string(&path).unwrap(), flow);
    fs::write(&path, "versions: [\n").unwrap();
    assert!(matches!(keygen(&path, &ADD).unwrap_err(), LocalError::Content { .. }));
}

#[test]
fn a_run_that_was_cut_short_is_no_obstacle() {
    let (_folder, path) = folder();
    keygen(&path, &NEW).unwrap();
    fs::write(path.with_extension("yaml.new"), "half").unwrap();
    assert_eq!(keygen(&path, &ADD).unwrap().version, 2);
}

#[test]
fn adding_goes_through_a_link() {
    let (folder, path) = folder();
    keygen(&path, &NEW).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert_eq!(keygen(&link, &ADD).unwrap().version, 2);
    assert!(link.is_symlink());
    assert!(matches!(keygen(&link, &NEW).unwrap_err(), LocalError::Exists { .. }));
}

#[test]
fn of_many_at_once_none_is_lost() {
    let (_folder, path) = folder();
    keygen(&path, &NEW).unwrap();
    let mut made: Vec<u32> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| keygen(&path, &ADD).unwrap().version)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    made.sort_unstable();
    assert_eq!(made, (2..=9).collect::<Vec<_>>());
    builds(&path);
}

#[test]
fn no_time_beyond_the_year_9999() {
    let (_folder, path) = folder();
    for seconds in [u64::MAX, 300_000_000_000] {
        let far = KeygenOptions { add: false, active_in: Some(Duration::from_secs(seconds)) };
        assert!(matches!(keygen(&path, &far).unwrap_err(), LocalError::Limit(_)));
    }
    assert!(!path.exists());
}
