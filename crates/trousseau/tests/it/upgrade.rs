//! One process follows another on a live socket: under load, and no call fails.

use std::fs;

use crate::load::Load;
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
        assert!(report["reconnects"].as_u64().unwrap() >= 10 && report["retried"].is_u64(), "{report}");
        assert_eq!(report["errors"], serde_json::json!({}), "{report}\n{}", running.log());
    }
}

#[test]
fn a_take_over_without_a_good_probe_exits_1_and_the_old_process_stays() {
    let (dir, text) = local("admin: off\n");
    let mut old = Serve::configured(dir.path(), &text);
    let mut client = Client::connect(&dir.path().join("kms.sock"));
    client.wait_ok(&old);
    let vault = "address: http://127.0.0.1:1\n      allowHttp: true\n      transit: {key: none}\n      auth: {token: {file: token}}";
    let text = text.replace(&text[text.find("local:").unwrap()..], &format!("vault:\n      {vault}\n"));
    fs::write(dir.path().join("token"), "hvs.none").unwrap();
    let text = text.replace("{file: token}", &format!("{{file: {}}}", dir.path().join("token").display()));
    fs::write(dir.path().join("new.yaml"), text).unwrap();
    let config = dir.path().join("new.yaml");
    let mut new = Serve::start(dir.path(), &["--config", config.to_str().unwrap(), "--take-over"]);
    assert_eq!(new.wait(60), Some(1), "{}", new.log());
    assert!(new.log().contains("no good probe within 30 s"), "{}", new.log());
    assert!(old.child.try_wait().unwrap().is_none(), "{}", old.log());
    client.wait_ok(&old);
    assert_eq!(fs::read_dir(dir.path()).unwrap().filter(|entry| is_socket(entry.as_ref().unwrap())).count(), 1);
}

/// An operator who changes their mind need not wait for the probe.
#[test]
fn a_take_over_that_waits_ends_at_sigterm() {
    let (dir, text) = local("admin: off\n");
    let old = Serve::configured(dir.path(), &text);
    Client::connect(&dir.path().join("kms.sock")).wait_ok(&old);
    let config = dir.path().join("absent.yaml");
    let socket = dir.path().join("kms.sock");
    let args = ["--config", config.to_str().unwrap(), "--socket", socket.to_str().unwrap(), "--admin", "off"];
    let mut new = Serve::start(dir.path(), &[&args[..], &["--take-over"]].concat());
    wait_for("the name beside", 20, || {
        fs::read_dir(dir.path()).unwrap().filter(|entry| is_socket(entry.as_ref().unwrap())).count() == 2
    });
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

fn is_socket(entry: &fs::DirEntry) -> bool {
    std::os::unix::fs::FileTypeExt::is_socket(&entry.file_type().unwrap())
}
