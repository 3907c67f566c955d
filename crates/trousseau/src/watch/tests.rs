use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::timeout;

use super::Watcher;

/// No poll helps a test along.
const NEVER: Duration = Duration::from_secs(3600);

fn scene() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    (folder, file)
}

async fn settled(file: &Path) -> Watcher {
    let mut watcher = Watcher::new([file.to_owned()], NEVER);
    assert!(tells(&mut watcher).await, "the first look counts");
    watcher
}

async fn tells(watcher: &mut Watcher) -> bool {
    timeout(Duration::from_secs(10), watcher.changed()).await.is_ok()
}

async fn is_silent(watcher: &mut Watcher) -> bool {
    timeout(Duration::from_millis(900), watcher.changed()).await.is_err()
}

#[tokio::test]
async fn an_overwritten_file_is_told_and_the_same_content_is_not() {
    let (_folder, file) = scene();
    fs::write(&file, "one").unwrap();
    let mut watcher = settled(&file).await;
    fs::write(&file, "one").unwrap();
    assert!(is_silent(&mut watcher).await);
    fs::write(&file, "two").unwrap();
    assert!(tells(&mut watcher).await);
    assert!(is_silent(&mut watcher).await, "once");
}

#[tokio::test]
async fn a_file_renamed_into_place_is_told() {
    let (folder, file) = scene();
    fs::write(&file, "one").unwrap();
    let mut watcher = settled(&file).await;
    let fresh = folder.path().join(".config.yaml.123");
    fs::write(&fresh, "two").unwrap();
    fs::rename(&fresh, &file).unwrap();
    assert!(tells(&mut watcher).await);
}

#[tokio::test]
async fn a_config_map_swapped_by_its_symlink_is_told() {
    let (folder, file) = scene();
    let version = |name: &str, text: &str| {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("config.yaml"), text).unwrap();
    };
    version("..one", "one");
    symlink("..one", folder.path().join("..data")).unwrap();
    symlink("..data/config.yaml", &file).unwrap();
    let mut watcher = settled(&file).await;
    version("..two", "two");
    symlink("..two", folder.path().join("..data_tmp")).unwrap();
    fs::rename(folder.path().join("..data_tmp"), folder.path().join("..data")).unwrap();
    fs::remove_dir_all(folder.path().join("..one")).unwrap();
    assert!(tells(&mut watcher).await);
}

#[tokio::test]
async fn a_file_that_goes_is_no_change_and_its_return_is_one_only_if_it_is_another() {
    let (_folder, file) = scene();
    fs::write(&file, "one").unwrap();
    let mut watcher = settled(&file).await;
    fs::remove_file(&file).unwrap();
    assert!(is_silent(&mut watcher).await);
    fs::write(&file, "one").unwrap();
    assert!(is_silent(&mut watcher).await);
    fs::remove_file(&file).unwrap();
    fs::write(&file, "two").unwrap();
    assert!(tells(&mut watcher).await);
}

#[tokio::test]
async fn i6_a_file_may_come_late_and_its_folder_too() {
    let (folder, _) = scene();
    let late = folder.path().join("late");
    let file = late.join("config.yaml");
    let mut watcher = Watcher::new([file.clone()], NEVER);
    assert!(is_silent(&mut watcher).await);
    fs::create_dir(&late).unwrap();
    fs::write(&file, "one").unwrap();
    assert!(tells(&mut watcher).await);
    // From here on by the watch: the poll is an hour away.
    fs::write(&file, "two").unwrap();
    assert!(tells(&mut watcher).await);
}

#[tokio::test]
async fn any_of_several_files_is_told() {
    let (folder, file) = scene();
    let other = tempfile::tempdir().unwrap();
    let token = other.path().join("token");
    fs::write(&file, "one").unwrap();
    fs::write(&token, "one").unwrap();
    let mut watcher = Watcher::new([file.clone(), token.clone()], NEVER);
    assert!(tells(&mut watcher).await);
    fs::write(&token, "two").unwrap();
    assert!(tells(&mut watcher).await);
    fs::write(&file, "two").unwrap();
    assert!(tells(&mut watcher).await);
    drop(folder);
}

#[tokio::test]
async fn the_poll_finds_what_no_watch_tells() {
    let (folder, link) = scene();
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("real.yaml");
    fs::write(&file, "one").unwrap();
    symlink(&file, &link).unwrap();
    let mut watcher = Watcher::new([link], Duration::from_millis(300));
    assert!(tells(&mut watcher).await);
    fs::write(&file, "two").unwrap();
    assert!(tells(&mut watcher).await);
    drop(folder);
}
