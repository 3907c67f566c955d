use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use trousseau_local::{Config, LocalError, LocalProvider, keygen};

use crate::keygen::{NEW, folder};

fn build(path: &Path, credentials: Option<&Path>) -> Result<LocalProvider, LocalError> {
    Config { file: Some(path.to_owned()), credential: None }.build(credentials)
}

fn refusal(path: &Path) -> String {
    build(path, None).unwrap_err().to_string()
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_that_others_may_use_is_refused() {
    let (_folder, path) = folder();
    keygen(&path, &NEW).unwrap();
    for mode in [0o640, 0o604, 0o660, 0o611, 0o644] {
        chmod(&path, mode);
        let text = refusal(&path);
        assert!(text.contains(&format!("mode 0{mode:o}")) && text.contains("chmod 600"), "{text}");
    }
    for mode in [0o600, 0o400] {
        chmod(&path, mode);
        build(&path, None).unwrap();
    }
}

#[test]
fn a_file_of_another_user_is_refused() {
    let (_folder, path) = folder();
    keygen(&path, &NEW).unwrap();
    // Only root can give a file away; to anyone else this test says nothing.
    if chown(&path, Some(12_345), None).is_ok() {
        assert!(refusal(&path).contains("belongs to user 12345"), "{}", refusal(&path));
    }
}

#[test]
fn a_folder_in_which_anyone_may_replace_it_is_refused() {
    let (folder, path) = folder();
    keygen(&path, &NEW).unwrap();
    chmod(folder.path(), 0o777);
    assert!(refusal(&path).contains("anyone may replace it in"), "{}", refusal(&path));
    chmod(folder.path(), 0o1777);
    build(&path, None).unwrap();
}

#[test]
fn both_ends_of_a_link_count() {
    let (folder, path) = folder();
    keygen(&path, &NEW).unwrap();
    let open = folder.path().join("open");
    fs::create_dir(&open).unwrap();
    symlink(&path, open.join("link")).unwrap();
    chmod(&open, 0o777);
    assert!(refusal(&open.join("link")).contains("anyone may replace it"));
    chmod(&open, 0o700);
    build(&open.join("link"), None).unwrap();
    chmod(folder.path(), 0o777);
    assert!(refusal(&open.join("link")).contains("anyone may replace it"));
}

#[test]
fn what_is_no_file_is_refused() {
    let (folder, path) = folder();
    assert!(matches!(build(&path, None).unwrap_err(), LocalError::Missing { .. }));
    assert!(refusal(&path).contains("trousseau keygen"));
    assert!(refusal(folder.path()).contains("is a folder"), "{}", refusal(folder.path()));
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(refusal(&pipe).contains("is no regular file"));
    keygen(&path, &NEW).unwrap();
    fs::OpenOptions::new().append(true).open(&path).unwrap().set_len(2 << 20).unwrap();
    assert!(refusal(&path).contains("is no key file"));
}

#[test]
fn credentials_need_no_modes() {
    let (folder, path) = folder();
    keygen(&path, &NEW).unwrap();
    chmod(&path, 0o444);
    let by_name = |name: &str| Config { file: None, credential: Some(name.to_owned()) };
    by_name("keys.yaml").build(Some(folder.path())).unwrap();
    build(&path, Some(folder.path())).unwrap();
    let around = folder.path().join("x/../keys.yaml");
    fs::create_dir(folder.path().join("x")).unwrap();
    assert!(matches!(build(&around, Some(folder.path())).unwrap_err(), LocalError::Access { .. }), "a way around");
    for bad in ["", ".", "..", "a/b", "/etc/passwd"] {
        assert!(matches!(by_name(bad).build(Some(folder.path())).unwrap_err(), LocalError::Credential { .. }), "{bad}");
    }
    let without = by_name("keys.yaml").build(None).unwrap_err().to_string();
    assert!(without.contains("LoadCredential="), "{without}");
}

#[test]
fn exactly_one_source() {
    let both = Config { file: Some("f".into()), credential: Some("c".into()) };
    assert!(matches!(both.build(None).unwrap_err(), LocalError::Choice));
    assert!(matches!(Config::default().build(None).unwrap_err(), LocalError::Choice));
}
