//! systemd's side: what it is told, and the socket that it passes on.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process};

use crate::load::{Load, assert_no_gap};
use crate::notify::Manager;
use crate::process::{Client, Serve, free_port, get, local, pause, wait_for};

/// A `serve` that systemd would hear, with so much patience for its watchdog.
fn notifying(dir: &Path, text: &str, watchdog_micros: &str) -> (Manager, Serve) {
    let (config, notify) = (dir.join("config.yaml"), dir.join("notify"));
    let manager = Manager::listen(&notify);
    fs::write(&config, text).unwrap();
    let variables = [("NOTIFY_SOCKET", notify.to_str().unwrap()), ("WATCHDOG_USEC", watchdog_micros)];
    (manager, Serve::start_in(dir, &["--config", config.to_str().unwrap()], &variables))
}

#[test]
fn ready_status_watchdog_reloading_and_stopping_are_told() {
    let (dir, text) = local("admin: off\n");
    let (manager, mut serve) = notifying(dir.path(), &text, "30000000");
    manager.wait("READY=1");
    assert!(dir.path().join("kms.sock").exists(), "ready is who answers");
    manager.wait("STATUS=encrypting under t1.");
    manager.wait("WATCHDOG=1");
    serve.signal(Signal::HUP);
    let reloading = manager.wait("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    manager.wait("READY=1");
    serve.signal(Signal::TERM);
    manager.wait("STOPPING=1");
    assert_eq!(serve.wait(20), Some(0), "{}", serve.log());
}

/// systemd kills who is silent for as long as WatchdogSec, so a process that is well must go on saying it.
#[test]
fn the_watchdog_hears_of_a_live_process_again_and_again() {
    let (dir, text) = local("admin: off\n");
    let (manager, _serve) = notifying(dir.path(), &text, "2000000");
    for _ in 0..5 {
        manager.wait("WATCHDOG=1");
    }
}

/// Boots must not wait for a KMS, nor for a configuration that an agent renders.
#[test]
fn i6_ready_is_told_before_there_is_a_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let manager = Manager::listen(&dir.path().join("notify"));
    let (config, notify) = (dir.path().join("config.yaml"), dir.path().join("notify"));
    let variables = [("NOTIFY_SOCKET", notify.to_str().unwrap())];
    let args = ["--config", config.to_str().unwrap(), "--admin", "off"];
    let _serve = Serve::start_in(dir.path(), &args, &variables);
    manager.wait("READY=1");
    manager.wait("STATUS=waiting for a configuration");
}

/// `serve` as a `.service` whose `.socket` unit holds this listener.
fn activated(listener: &UnixListener, dir: &Path, arguments: &str) -> Unit {
    // The shell becomes the service: LISTEN_PID is its own, and the listener goes from its stdin to descriptor 3.
    let script =
        format!("LISTEN_PID=$$ LISTEN_FDS=1 exec {} serve {arguments} 3<&0 2>>log", env!("CARGO_BIN_EXE_trousseau"));
    let listener = OwnedFd::from(listener.try_clone().unwrap());
    Unit(Command::new("/bin/sh").args(["-c", &script]).current_dir(dir).stdin(listener).spawn().unwrap())
}

struct Unit(Child);

impl Unit {
    fn stop(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        wait_for("the end of the service", 30, || self.0.try_wait().unwrap().is_some());
        self.0.wait().unwrap().code()
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn ten_restarts_behind_a_socket_unit_under_load_fail_no_call() {
    let (dir, text) = local("admin: off\n");
    fs::write(dir.path().join("config.yaml"), text).unwrap();
    let socket = dir.path().join("kms.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let mut unit = activated(&listener, dir.path(), "--config config.yaml");
    let log = || fs::read_to_string(dir.path().join("log")).unwrap();
    wait_for("Status", 20, || Client::connect(&socket).status().is_ok_and(|answer| answer.healthz == "ok"));
    let load = Load::start(socket.to_str().unwrap(), "encrypt");
    for _ in 0..10 {
        pause(300);
        assert_eq!(unit.stop(), Some(0), "{}", log());
        assert!(socket.exists(), "the socket is the unit's");
        unit = activated(&listener, dir.path(), "--config config.yaml");
    }
    wait_for("Status", 20, || Client::connect(&socket).status().is_ok_and(|answer| answer.healthz == "ok"));
    let report = load.end();
    assert_no_gap(&report, 10, &log());
    drop(unit);
}

#[test]
fn i6_an_inherited_socket_answers_before_there_is_a_configuration_and_keeps_its_place() {
    let (dir, text) = local("");
    let admin = free_port();
    let socket = dir.path().join("unit.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let _unit = activated(&listener, dir.path(), &format!("--config config.yaml --admin 127.0.0.1:{admin}"));
    wait_for("an answer", 20, || get(admin, "/livez").starts_with("HTTP/1.1 200"));
    let early = Client::connect(&socket).status().unwrap_err();
    assert_eq!(early.code(), tonic::Code::FailedPrecondition);
    fs::write(dir.path().join("config.yaml"), text).unwrap();
    wait_for("Status", 20, || Client::connect(&socket).status().is_ok_and(|answer| answer.healthz == "ok"));
    let log = fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(log.contains("ListenStream= counts"), "another path than the configured one is named:\n{log}");
    assert!(!dir.path().join("kms.sock").exists());
}
