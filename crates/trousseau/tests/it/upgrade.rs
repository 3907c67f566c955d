//! One process follows another on a live socket: under load, and no call fails.

use std::fs;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::process::{Client, Serve, command, local, pause, wait_for};

/// `trousseau bench` as it runs.
pub(crate) struct Load(Child);

impl Load {
    pub(crate) fn start(socket: &str, call: &str) -> Self {
        let args = ["bench", "--socket", socket, "--call", call, "--concurrency", "8", "--connections", "4"];
        let mut command = command(&args);
        // A busy machine is no failure; a call that is lost still is.
        let bounds = ["--duration", "5m", "--timeout", "60s", "--warmup", "0s", "--output", "json"];
        Self(command.args(bounds).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Ends it as Ctrl-C does; its report.
    pub(crate) fn end(mut self) -> Value {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        wait_for("the end of bench", 90, || self.0.try_wait().unwrap().is_some());
        let mut text = String::new();
        std::io::Read::read_to_string(self.0.stdout.as_mut().unwrap(), &mut text).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

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
        assert!(report["reconnects"].as_u64().unwrap() >= 10, "{report}");
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

fn is_socket(entry: &fs::DirEntry) -> bool {
    std::os::unix::fs::FileTypeExt::is_socket(&entry.file_type().unwrap())
}
