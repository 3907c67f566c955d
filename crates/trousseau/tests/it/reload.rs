//! A configuration that changes below a running process: a bad one ends nothing, and another key is another key.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{Client, Serve, free_port, get, pause, run, wait_for};

fn configuration(dir: &Path, admin: u16, keys: &[&str]) -> String {
    let key = |name: &&str| format!("  - name: {name}\n    local: {{file: {}/{name}.key}}\n", dir.display());
    let keys: String = keys.iter().map(key).collect();
    format!("admin: 127.0.0.1:{admin}\nsocket: {{path: {}/kms.sock}}\nkeys:\n{keys}", dir.display())
}

fn key_file(dir: &Path, name: &str) {
    let file = dir.join(format!("{name}.key"));
    assert!(run(&["keygen", "--file", file.to_str().unwrap()]).status.success());
}

/// A node on key `a`, with the file of another key `b` beside it.
fn two_keys() -> (TempDir, Serve, Client, u16) {
    let (dir, admin) = (TempDir::with_prefix("trousseau-").unwrap(), free_port());
    ["a", "b"].iter().for_each(|name| key_file(dir.path(), name));
    let serve = Serve::configured(dir.path(), &configuration(dir.path(), admin, &["a"]));
    let mut client = Client::connect(&dir.path().join("kms.sock"));
    client.wait_ok(&serve);
    (dir, serve, client, admin)
}

#[test]
fn i10_a_reload_whose_admin_address_is_taken_ends_nothing_and_heals() {
    let (dir, serve, mut client, admin) = two_keys();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let wanted = taken.local_addr().unwrap().port();
    let text = configuration(dir.path(), wanted, &["a"]);
    fs::write(dir.path().join("config.yaml"), text).unwrap();
    wait_for("the refusal", 10, || get(admin, "/readyz?verbose").contains("is another process there?"));
    assert!(client.encrypt(&[7; 32]).is_ok(), "{}", serve.log());
    assert!(get(admin, "/livez").starts_with("HTTP/1.1 200"), "the old address goes on");
    drop(taken);
    wait_for("the new address", 15, || get(wanted, "/readyz").starts_with("HTTP/1.1 200"));
    assert!(!get(wanted, "/readyz?verbose").contains("not as configured"));
    assert_eq!(get(admin, "/livez"), "", "the old one is free");
}

#[test]
fn i10_the_same_port_on_an_address_of_another_node_ends_nothing() {
    let (dir, serve, mut client, admin) = two_keys();
    let text = configuration(dir.path(), admin, &["a"]).replace("127.0.0.1", "192.0.2.1");
    fs::write(dir.path().join("config.yaml"), text).unwrap();
    wait_for("the refusal", 10, || get(admin, "/readyz?verbose").contains("192.0.2.1"));
    assert!(client.encrypt(&[7; 32]).is_ok(), "{}", serve.log());
    // Tried again meanwhile, and the endpoint that is there is left alone.
    for _ in 0..70 {
        assert!(get(admin, "/livez").starts_with("HTTP/1.1 200"));
        pause(100);
    }
    assert_eq!(serve.log().matches("can't be listened on").count(), 1, "{}", serve.log());
}

/// Only an endpoint on the same address can be what holds the port.
#[test]
fn i10_a_taken_address_with_the_same_port_does_not_close_the_endpoint_at_each_try() {
    let (dir, serve, _client, admin) = two_keys();
    let _taken = TcpListener::bind(("127.0.0.2", admin)).unwrap();
    let text = configuration(dir.path(), admin, &["a"]).replace("127.0.0.1", "127.0.0.2");
    fs::write(dir.path().join("config.yaml"), text).unwrap();
    wait_for("the refusal", 10, || serve.log().contains("is another process there?"));
    pause(6_000);
    assert!(get(admin, "/livez").starts_with("HTTP/1.1 200"));
    assert_eq!(serve.log().matches("\"admin endpoint\"").count(), 1, "{}", serve.log());
}

#[test]
fn i6_a_late_configuration_whose_admin_address_is_taken_still_serves() {
    let (dir, taken) = (TempDir::with_prefix("trousseau-").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    key_file(dir.path(), "a");
    let (file, wanted) = (dir.path().join("config.yaml"), taken.local_addr().unwrap().port());
    // A flag would hold against the file, so this one process has the default port.
    let serve = Serve::start(dir.path(), &["--config", file.to_str().unwrap()]);
    wait_for("it to wait", 5, || serve.log().contains("waiting for it"));
    fs::write(&file, configuration(dir.path(), wanted, &["a"])).unwrap();
    wait_for("the refusal", 10, || serve.log().contains("is another process there?"));
    wait_for("the socket", 5, || dir.path().join("kms.sock").exists());
    Client::connect(&dir.path().join("kms.sock")).wait_ok(&serve);
    assert!(get(8787, "/readyz?verbose").contains("not as configured"), "{}", serve.log());
}

#[test]
fn i6_a_late_configuration_whose_key_file_comes_later_still_is_tried_again() {
    let (dir, admin) = (TempDir::with_prefix("trousseau-").unwrap(), free_port());
    let (file, socket) = (dir.path().join("config.yaml"), dir.path().join("kms.sock"));
    let flag = format!("127.0.0.1:{admin}");
    let args = ["--config", file.to_str().unwrap(), "--socket", socket.to_str().unwrap(), "--admin", flag.as_str()];
    let serve = Serve::start(dir.path(), &args);
    wait_for("the socket", 5, || socket.exists());
    fs::write(&file, configuration(dir.path(), admin, &["a"])).unwrap();
    wait_for("the refusal", 10, || get(admin, "/readyz?verbose").contains("a.key"));
    key_file(dir.path(), "a");
    wait_for("the key file to be seen", 15, || get(admin, "/readyz").starts_with("HTTP/1.1 200"));
    Client::connect(&socket).wait_ok(&serve);
}

/// ConfigMap and Secret reach a node one after the other; a node that stayed on the old file would differ for good.
#[test]
fn i10_a_changed_configuration_whose_key_file_comes_later_is_tried_again() {
    let (dir, serve, mut client, admin) = two_keys();
    let file = dir.path().join("config.yaml");
    fs::write(&file, configuration(dir.path(), admin, &["a", "c"])).unwrap();
    wait_for("the refusal", 10, || get(admin, "/readyz?verbose").contains("c.key"));
    // Tried again meanwhile, and told once.
    pause(6_000);
    assert_eq!(serve.log().matches("the configuration is refused").count(), 1, "{}", serve.log());
    assert!(
        get(admin, "/metrics").contains("config_reloads_total{outcome=\"refused\"} 1"),
        "{}",
        get(admin, "/metrics")
    );
    key_file(dir.path(), "c");
    wait_for("the key file to be seen", 15, || get(admin, "/readyz?verbose").contains("configuration: in use"));
    assert!(get(admin, "/readyz?verbose").contains("`c`"), "{}", get(admin, "/readyz?verbose"));
    assert!(client.encrypt(&[7; 32]).is_ok(), "{}", serve.log());
}

#[test]
fn i10_a_refused_file_that_is_put_back_is_no_longer_told() {
    let (dir, _serve, _client, admin) = two_keys();
    let file = dir.path().join("config.yaml");
    let good = fs::read(&file).unwrap();
    fs::write(&file, "keys: []\n").unwrap();
    wait_for("the refusal", 10, || get(admin, "/readyz?verbose").contains("configuration: refused"));
    fs::write(&file, good).unwrap();
    wait_for("the file as it was", 10, || get(admin, "/readyz?verbose").contains("configuration: in use"));
}

/// The file is the one that runs; what it names was away when SIGHUP came.
#[test]
fn i10_a_refused_sighup_over_the_same_file_is_tried_again() {
    let (dir, serve, _client, admin) = two_keys();
    fs::write(dir.path().join("config.yaml"), configuration(dir.path(), admin, &["a", "b"])).unwrap();
    wait_for("b as a reading key", 10, || get(admin, "/readyz?verbose").contains("`b`"));
    let (there, away) = (dir.path().join("b.key"), dir.path().join("away"));
    fs::rename(&there, &away).unwrap();
    serve.signal(Signal::HUP);
    wait_for("the refusal", 10, || get(admin, "/readyz?verbose").contains("configuration: refused"));
    pause(6_000);
    assert!(get(admin, "/readyz?verbose").contains("configuration: refused"), "{}", serve.log());
    fs::rename(&away, &there).unwrap();
    wait_for("the file as it is", 15, || get(admin, "/readyz?verbose").contains("configuration: in use"));
}

#[test]
fn i10_a_late_configuration_whose_group_is_unknown_leaves_the_early_socket() {
    let (dir, admin) = (TempDir::with_prefix("trousseau-").unwrap(), free_port());
    key_file(dir.path(), "a");
    let (file, socket) = (dir.path().join("config.yaml"), dir.path().join("kms.sock"));
    let flag = format!("127.0.0.1:{admin}");
    let args = ["--config", file.to_str().unwrap(), "--socket", socket.to_str().unwrap(), "--admin", flag.as_str()];
    let serve = Serve::start(dir.path(), &args);
    wait_for("the socket", 5, || socket.exists());
    let good = configuration(dir.path(), admin, &["a"]);
    fs::write(&file, good.replace("kms.sock}", "kms.sock, group: nobody-has-this-group}")).unwrap();
    wait_for("the refusal", 10, || get(admin, "/readyz?verbose").contains("nobody-has-this-group"));
    Client::connect(&socket).wait_ok(&serve);
    // It would let in whom `allow` does not.
    let strict = "kms.sock, group: nobody-has-this-group, allow: {uids: [4294967294]}}";
    fs::write(&file, good.replace("kms.sock}", strict)).unwrap();
    wait_for("the early socket to go", 10, || !socket.exists());
    fs::write(&file, good).unwrap();
    wait_for("the configured socket", 10, || !get(admin, "/readyz?verbose").contains("not as configured"));
    Client::connect(&socket).wait_ok(&serve);
}

/// All local keys looked like one: the state of the first went to the second, which then seemed to be replaced.
#[test]
fn i3_the_second_local_key_takes_over_under_its_own_id() {
    let (dir, serve, mut client, admin) = two_keys();
    let (file, before) = (dir.path().join("config.yaml"), client.encrypt(&[7; 32]).unwrap());
    fs::write(&file, configuration(dir.path(), admin, &["b", "a"])).unwrap();
    wait_for("the refusal of a key that nobody reads yet", 10, || serve.log().contains("not among the running keys"));
    assert_eq!(client.status().unwrap().key_id, before.key_id);
    fs::write(&file, configuration(dir.path(), admin, &["a", "b"])).unwrap();
    wait_for("b as a reading key", 10, || get(admin, "/readyz?verbose").contains("configuration: in use"));
    fs::write(&file, configuration(dir.path(), admin, &["b", "a"])).unwrap();
    wait_for("b's id", 10, || client.status().unwrap().key_id != before.key_id);
    let after = client.encrypt(&[8; 32]).unwrap();
    assert_eq!(client.status().unwrap().key_id, after.key_id);
    assert_eq!((client.decrypt(&before).unwrap(), client.decrypt(&after).unwrap()), (vec![7; 32], vec![8; 32]));
    assert!(!serve.log().contains("ALARM"), "{}", serve.log());
}

/// The file was overwritten by mistake; what is in memory still reads, and an edit of the configuration keeps it.
#[test]
fn i10_an_overwritten_key_file_is_not_taken_by_a_change_of_the_configuration() {
    let (dir, serve, mut client, admin) = two_keys();
    let made = client.encrypt(&[7; 32]).unwrap();
    fs::copy(dir.path().join("b.key"), dir.path().join("new")).unwrap();
    fs::rename(dir.path().join("new"), dir.path().join("a.key")).unwrap();
    let text = configuration(dir.path(), admin, &["a"]);
    fs::write(dir.path().join("config.yaml"), format!("limits: {{attempts: 2}}\n{text}")).unwrap();
    wait_for("the refusal", 10, || serve.log().contains("stands for other key material"));
    assert_eq!(client.decrypt(&made).unwrap(), [7; 32]);
    wait_for("the probe to see it", 60, || client.status().is_err());
    // The loss is accepted: the same name in the configuration, whatever key is there now.
    serve.signal(Signal::HUP);
    wait_for("the new key", 10, || client.status().is_ok());
    assert_ne!(client.status().unwrap().key_id, made.key_id);
}

/// It only reads, and what is in memory is the last that can.
#[test]
fn i10_an_overwritten_key_file_of_a_key_that_only_reads_is_taken_by_sighup_after_the_alarm_alone() {
    let (dir, serve, mut client, admin) = two_keys();
    let made = client.encrypt(&[7; 32]).unwrap();
    let file = dir.path().join("config.yaml");
    let text = |keys: &[&str]| {
        format!("probe: {{interval: 1s, afterFailure: 1s}}\n{}", configuration(dir.path(), admin, keys))
    };
    fs::write(&file, text(&["a", "b"])).unwrap();
    wait_for("b as a reading key", 10, || get(admin, "/readyz?verbose").contains("`b`"));
    key_file(dir.path(), "d");
    fs::write(&file, text(&["b", "a", "d"])).unwrap();
    wait_for("b's id", 10, || client.status().unwrap().key_id != made.key_id);
    key_file(dir.path(), "c");
    fs::rename(dir.path().join("c.key"), dir.path().join("a.key")).unwrap();
    fs::write(&file, format!("limits: {{attempts: 2}}\n{}", text(&["b", "a", "d"]))).unwrap();
    wait_for("the refusal", 10, || serve.log().contains("the key `a` ("));
    assert_eq!(client.decrypt(&made).unwrap(), [7; 32]);
    wait_for("the probe to see it", 20, || get(admin, "/readyz?verbose").contains("[-] key `a`"));
    assert_eq!(client.decrypt(&made).unwrap(), [7; 32], "memory reads on");
    // One that was told does not take another with it.
    key_file(dir.path(), "e");
    fs::rename(dir.path().join("e.key"), dir.path().join("d.key")).unwrap();
    serve.signal(Signal::HUP);
    wait_for("the refusal of both", 10, || serve.log().contains("the key `d` ("));
    assert_eq!(client.decrypt(&made).unwrap(), [7; 32]);
    wait_for("the probe to see that too", 20, || get(admin, "/readyz?verbose").contains("[-] key `d`"));
    serve.signal(Signal::HUP);
    wait_for("the key as it is now", 10, || client.decrypt(&made).is_err());
    assert!(client.encrypt(&[8; 32]).is_ok(), "{}", serve.log());
}

/// What is in memory is not lost where another key of the configuration has it.
#[test]
fn i10_a_key_that_only_reads_may_move_to_another_name() {
    let (dir, serve, mut client, admin) = two_keys();
    let made = client.encrypt(&[7; 32]).unwrap();
    let file = dir.path().join("config.yaml");
    fs::write(&file, configuration(dir.path(), admin, &["a", "b"])).unwrap();
    wait_for("b as a reading key", 10, || get(admin, "/readyz?verbose").contains("`b`"));
    fs::write(&file, configuration(dir.path(), admin, &["b", "a"])).unwrap();
    wait_for("b's id", 10, || client.status().unwrap().key_id != made.key_id);
    fs::rename(dir.path().join("a.key"), dir.path().join("old.key")).unwrap();
    key_file(dir.path(), "a");
    fs::write(&file, configuration(dir.path(), admin, &["b", "a", "old"])).unwrap();
    wait_for("the new list", 10, || get(admin, "/readyz?verbose").contains("`old`"));
    assert_eq!(client.decrypt(&made).unwrap(), [7; 32]);
    assert!(!serve.log().contains("other key material"), "{}", serve.log());
}

/// A list goes on without the member whose file was overwritten; the operator's word alone takes the new key.
#[test]
fn i10_a_members_lost_key_is_accepted_by_sighup_and_by_no_change_of_the_configuration() {
    let (dir, admin) = (TempDir::with_prefix("trousseau-").unwrap(), free_port());
    ["a", "b", "c"].iter().for_each(|name| key_file(dir.path(), name));
    let keys = configuration(dir.path(), admin, &["a", "b"]);
    let (head, members) = keys.split_once("keys:\n").unwrap();
    let members = members.replace('\n', "\n    ");
    let list = format!("keys:\n  - name: both\n    any:\n      writeQuorum: 1\n      of:\n    {members}");
    let text = format!("probe: {{interval: 1s, afterFailure: 1s}}\n{head}{list}");
    let serve = Serve::configured(dir.path(), &text);
    let mut client = Client::connect(&dir.path().join("kms.sock"));
    client.wait_ok(&serve);
    let by_both = client.encrypt(&[7; 32]).unwrap();
    fs::rename(dir.path().join("c.key"), dir.path().join("a.key")).unwrap();
    wait_for("the alarm", 20, || serve.log().contains("this member can't write any more"));
    wait_for("an id without it", 20, || client.status().is_ok_and(|status| status.key_id != by_both.key_id));
    let alone = client.status().unwrap().key_id;
    fs::write(dir.path().join("config.yaml"), format!("limits: {{attempts: 2}}\n{text}")).unwrap();
    wait_for("the refusal", 10, || serve.log().contains("stands for other key material"));
    assert_eq!(client.status().unwrap().key_id, alone);
    serve.signal(Signal::HUP);
    wait_for("the new key", 20, || get(admin, "/readyz?verbose").contains("member `both/a` (local) writes and reads"));
    wait_for("an id of both", 20, || client.status().unwrap().key_id != alone);
    assert!(client.encrypt(&[8; 32]).is_ok(), "{}", serve.log());
    assert_eq!(client.decrypt(&by_both).unwrap(), [7; 32]);
    assert!(get(admin, "/metrics").contains("member_left_out{key=\"both\",member=\"both/a\"} 0"));
}

#[test]
fn i8_a_request_over_its_bound_is_refused_and_counted() {
    let (_dir, _serve, mut client, admin) = two_keys();
    assert!(client.encrypt(&vec![7; 100_000]).is_err());
    let counted = "trousseau_bound_hits_total{bound=\"request\"} 1";
    assert!(get(admin, "/metrics").contains(counted), "{}", get(admin, "/metrics"));
}
