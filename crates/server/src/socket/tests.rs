use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener as StdListener, UnixStream};
use std::path::PathBuf;

use tempfile::TempDir;

use super::{Found, MAX_PATH, SocketConfig, SocketError, inherit, prepare};

fn config(path: PathBuf) -> SocketConfig {
    SocketConfig { path, mode: 0o660, uid: None, gid: None, take_over: false }
}

fn place() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kms.sock");
    (folder, path)
}

#[tokio::test]
async fn the_socket_appears_with_its_mode_and_goes_with_its_owner() {
    let (folder, path) = place();
    let prepared = prepare(config(path.clone())).unwrap();
    assert!(!path.exists(), "nothing is at the path before it is published");
    let published = prepared.publish().await.unwrap();
    let metadata = fs::symlink_metadata(&path).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o660);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the name beside is gone");
    assert!(UnixStream::connect(&path).is_ok());
    drop(published);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_stale_socket_is_replaced() {
    let (_folder, path) = place();
    drop(StdListener::bind(&path).unwrap());
    assert!(path.exists(), "left behind, as after kill -9");
    let published = prepare(config(path.clone())).unwrap().publish().await.unwrap();
    assert!(published.file.is_ours());
}

#[tokio::test]
async fn a_live_socket_is_refused_without_take_over() {
    let (_folder, path) = place();
    let _live = StdListener::bind(&path).unwrap();
    let error = prepare(config(path.clone())).unwrap_err();
    assert!(matches!(error, SocketError::Live(_)), "{error}");
    assert!(error.to_string().contains("--take-over"));
}

#[tokio::test]
async fn a_live_socket_is_taken_over_and_the_old_owner_leaves_it_alone() {
    let (_folder, path) = place();
    let old = prepare(config(path.clone())).unwrap().publish().await.unwrap();
    let taking = SocketConfig { take_over: true, ..config(path.clone()) };
    let new = prepare(taking).unwrap().publish().await.unwrap();
    assert!(!old.file.is_ours() && new.file.is_ours());
    drop(old);
    assert!(path.exists(), "the old owner removes only its own file");
    assert!(UnixStream::connect(&path).is_ok());
}

#[tokio::test]
async fn two_starts_at_once_do_not_both_win() {
    let (_folder, path) = place();
    let (first, second) = (prepare(config(path.clone())).unwrap(), prepare(config(path.clone())).unwrap());
    let _won = first.publish().await.unwrap();
    assert!(matches!(second.publish().await.unwrap_err(), SocketError::Live(_)));
}

/// Whoever may read the folder may lock it.
#[tokio::test(start_paused = true)]
async fn a_folder_that_another_holds_locked_is_an_error_and_no_wait_for_ever() {
    let (folder, path) = place();
    let held = fs::File::open(folder.path()).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockShared).unwrap();
    let error = prepare(config(path.clone())).unwrap().publish().await.unwrap_err();
    assert!(error.to_string().contains("lock its folder"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left beside");
    drop(held);
    assert!(prepare(config(path)).unwrap().publish().await.unwrap().file.is_ours());
}

#[tokio::test]
async fn a_file_that_is_gone_is_told_from_one_that_is_anothers() {
    let (_folder, path) = place();
    let published = prepare(config(path.clone())).unwrap().publish().await.unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(published.file.found(), Found::Nothing);
    let _other = StdListener::bind(&path).unwrap();
    assert_eq!(published.file.found(), Found::Another);
    drop(published);
    assert!(path.exists());
}

/// systemd passes the same socket on at each restart, and makes its file only once.
#[tokio::test]
async fn an_inherited_socket_whose_file_is_gone_is_served() {
    let (_folder, path) = place();
    let unit = StdListener::bind(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(inherit(&unit).unwrap().file.found(), Found::Nothing);
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let (folder, path) = place();
    fs::write(&path, "precious").unwrap();
    let taking = SocketConfig { take_over: true, ..config(path.clone()) };
    assert!(prepare(taking).unwrap_err().to_string().contains("no socket"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    let link = folder.path().join("link.sock");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(prepare(config(link)).unwrap_err().to_string().contains("no socket"));
}

#[tokio::test]
async fn a_path_that_fits_exactly_works_and_one_more_byte_is_refused() {
    let folder = TempDir::new().unwrap();
    let base = folder.path().to_str().unwrap().len() + 1;
    let path = |length: usize| folder.path().join("s".repeat(length - base));
    let published = prepare(config(path(MAX_PATH))).unwrap().publish().await.unwrap();
    assert!(UnixStream::connect(path(MAX_PATH)).is_ok());
    drop(published);
    let error = prepare(config(path(MAX_PATH + 1))).unwrap_err().to_string();
    assert!(error.contains("108 bytes") && error.contains("107"), "{error}");
}

#[tokio::test]
async fn a_bad_folder_is_refused_with_the_remedy() {
    let (folder, _) = place();
    let missing = prepare(config(folder.path().join("absent/kms.sock"))).unwrap_err().to_string();
    assert!(missing.contains("does not exist; make it"), "{missing}");
    let open = folder.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let error = prepare(config(open.join("kms.sock"))).unwrap_err().to_string();
    assert!(error.contains("writable for everyone"), "{error}");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).unwrap();
    assert!(prepare(config(open.join("kms.sock"))).is_ok(), "sticky is safe: nobody else can swap the file");
    assert!(prepare(config("kms.sock".into())).unwrap_err().to_string().contains("absolute"));
}

#[tokio::test]
async fn a_name_of_one_byte_has_room_beside_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("s");
    let _published = prepare(config(path.clone())).unwrap().publish().await.unwrap();
    assert!(UnixStream::connect(path).is_ok());
}
