//! One process follows another on a live socket: under load, and no call fails.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::load::{Load, assert_no_gap};
use crate::process::{Client, Serve, local, pause, wait_for};

#[test]
fn ten_upgrades_by_take_over_under_load_fail_no_call() {
    let (dir, text) = local("admin: off\n");
    fs::write(dir.path().join("config.yaml"), text).unwrap();
    let config = dir.path().join("config.yaml").display().to_string();
    let socket = dir.path().join("kms.sock").display().to_string();
    let mut running = Serve::start(dir.path(), &["--config", &config]);
    Client::connect(socket.as_ref()).wait_ok(&running);
    let loads = ["encrypt", "decrypt", "status"].map(|call| Load::start(&socket, call));
    for _ in 0..10 {
        pause(300);
        let new = Serve::start(dir.path(), &["--config", &config, "--take-over"]);
        assert_eq!(running.wait(60), Some(0), "{}", running.log());
        running = new;
    }
    for report in loads.map(Load::end) {
        assert_no_gap(&report, 10, &running.log());
    }
}

/// The same with a Vault that isn't there.
fn unreachable(dir: &Path, text: &str) -> PathBuf {
    let (head, _) = text.split_once("local:").unwrap();
    let (token, config) = (dir.join("token"), dir.join("new.yaml"));
    fs::write(&token, "hvs.none").unwrap();
    let auth = format!("auth: {{token: {{file: {}}}}}", token.display());
    let vault = format!("{{address: 'http://127.0.0.1:1', allowHttp: true, transit: {{key: none}}, {auth}}}");
    fs::write(&config, format!("{head}vault: {vault}\n")).unwrap();
    config
}

#[test]
fn a_take_over_without_a_good_probe_exits_1_and_the_old_process_stays() {
    let (dir, text) = local("admin: off\n");
    let mut old = Serve::configured(dir.path(), &text);
    let mut client = Client::connect(&dir.path().join("kms.sock"));
    client.wait_ok(&old);
    let config = unreachable(dir.path(), &text);
    let mut new = Serve::start(dir.path(), &["--config", config.to_str().unwrap(), "--take-over"]);
    assert_eq!(new.wait(60), Some(1), "{}", new.log());
    assert!(new.log().contains("no good probe within 30 s"), "{}", new.log());
    assert!(old.child.try_wait().unwrap().is_none(), "{}", old.log());
    client.wait_ok(&old);
    assert_eq!(sockets(dir.path()), 1);
}

/// An operator who changes their mind need not wait for the probe.
#[test]
fn a_take_over_that_waits_ends_at_sigterm() {
    let (dir, text) = local("admin: off\n");
    let old = Serve::configured(dir.path(), &text);
    Client::connect(&dir.path().join("kms.sock")).wait_ok(&old);
    let (config, socket) = (unreachable(dir.path(), &text), dir.path().join("kms.sock"));
    let mut new = Serve::start(dir.path(), &["--config", config.to_str().unwrap(), "--take-over"]);
    wait_for("the name beside", 20, || sockets(dir.path()) == 2);
    new.signal(rustix::process::Signal::TERM);
    assert_eq!(new.wait(10), Some(0), "{}", new.log());
    Client::connect(&socket).wait_ok(&old);
}

/// The configuration comes when the process that takes over runs already.
#[test]
fn i6_a_take_over_whose_configuration_comes_late_waits_for_it_without_an_error() {
    let (dir, text) = local("admin: off\n");
    let mut old = Serve::configured(dir.path(), &text);
    let mut client = Client::connect(&dir.path().join("kms.sock"));
    client.wait_ok(&old);
    let late = dir.path().join("late.yaml");
    let new = Serve::start(dir.path(), &["--config", late.to_str().unwrap(), "--take-over"]);
    wait_for("it to wait", 5, || new.log().contains("waiting for it"));
    fs::write(&late, text).unwrap();
    assert_eq!(old.wait(20), Some(0), "{}", new.log());
    Client::connect(&dir.path().join("kms.sock")).wait_ok(&new);
    assert!(!new.log().contains("ERROR"), "{}", new.log());
}

/// A unit may have `--take-over` in its command line for good: after a power cut there is nobody to take over from.
#[test]
fn i6_with_nobody_to_take_over_from_the_socket_answers_before_there_is_a_kms() {
    let (dir, text) = local("admin: off\n");
    let (config, socket) = (unreachable(dir.path(), &text), dir.path().join("kms.sock"));
    // A dead process's socket is nobody's.
    drop(UnixListener::bind(&socket).unwrap());
    let new = Serve::start(dir.path(), &["--config", config.to_str().unwrap(), "--take-over"]);
    wait_for("the socket", 5, || UnixStream::connect(&socket).is_ok());
    let status = Client::connect(&socket).status().unwrap_err();
    assert!(status.message().contains("127.0.0.1:1"), "{status:?}\n{}", new.log());
}

#[test]
fn i6_a_take_over_whose_old_process_dies_while_it_waits_serves_at_once() {
    let (dir, text) = local("admin: off\n");
    let mut old = Serve::configured(dir.path(), &text);
    Client::connect(&dir.path().join("kms.sock")).wait_ok(&old);
    let (config, socket) = (unreachable(dir.path(), &text), dir.path().join("kms.sock"));
    let new = Serve::start(dir.path(), &["--config", config.to_str().unwrap(), "--take-over"]);
    wait_for("the name beside", 20, || sockets(dir.path()) == 2);
    old.signal(rustix::process::Signal::KILL);
    old.wait(10);
    wait_for("the socket", 10, || UnixStream::connect(&socket).is_ok());
    assert!(Client::connect(&socket).status().is_err(), "it has no key yet\n{}", new.log());
}

/// Flags say where the socket is before there is a configuration, and the other process has it.
#[test]
fn i6_a_take_over_with_a_socket_flag_and_a_late_configuration_waits_for_it() {
    let (dir, text) = local("admin: off\n");
    let mut old = Serve::configured(dir.path(), &text);
    let socket = dir.path().join("kms.sock");
    Client::connect(&socket).wait_ok(&old);
    let late = dir.path().join("late.yaml");
    let args = ["--config", late.to_str().unwrap(), "--socket", socket.to_str().unwrap(), "--admin", "off"];
    let new = Serve::start(dir.path(), &[&args[..], &["--take-over"]].concat());
    wait_for("it to wait", 5, || new.log().contains("waiting for it"));
    Client::connect(&socket).wait_ok(&old);
    fs::write(&late, text).unwrap();
    assert_eq!(old.wait(20), Some(0), "{}", new.log());
    Client::connect(&socket).wait_ok(&new);
    assert!(!new.log().contains("ERROR"), "{}", new.log());
}

fn sockets(dir: &Path) -> usize {
    let is_socket = |entry: &fs::DirEntry| entry.file_type().unwrap().is_socket();
    fs::read_dir(dir).unwrap().filter(|entry| is_socket(entry.as_ref().unwrap())).count()
}
