//! A serving process: signals, drain, take-over, late configuration, admin pages.

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;
use tonic::Code;

use crate::process::{Client, Serve, UID, command, free_port, get, http, local, wait_for};

#[test]
fn sigterm_drains_and_unlinks_though_a_client_says_nothing() {
    let (dir, text) = local("admin: off\nlimits: {drain: 1s}\n");
    let mut serve = Serve::configured(dir.path(), &text);
    let socket = dir.path().join("kms.sock");
    let mut client = Client::connect(&socket);
    client.wait_ok(&serve);
    assert_eq!(fs::symlink_metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    let _silent = UnixStream::connect(&socket).unwrap();
    let began = Instant::now();
    serve.signal(Signal::TERM);
    assert_eq!(serve.wait(10), Some(0), "{}", serve.log());
    assert!(began.elapsed() < Duration::from_secs(5), "the drain has an end");
    assert!(!socket.exists());
}

#[test]
fn a_live_socket_is_refused_and_taken_over_on_request() {
    let (dir, text) = local("admin: off\nlimits: {drain: 1s}\n");
    let mut old = Serve::configured(dir.path(), &text);
    let socket = dir.path().join("kms.sock");
    let mut client = Client::connect(&socket);
    client.wait_ok(&old);
    let made = client.encrypt(&[7; 32]).unwrap();

    let mut second = Serve::configured(dir.path(), &text);
    assert_eq!(second.wait(10), Some(1));
    assert!(second.log().contains("--take-over"), "{}", second.log());

    let config = dir.path().join("config.yaml");
    let _new = Serve::start(dir.path(), &["--config", config.to_str().unwrap(), "--take-over"]);
    assert_eq!(old.wait(15), Some(0), "the old process sees that its path is another's, and drains");
    assert!(socket.exists(), "and leaves the new one's socket alone");
    let mut client = Client::connect(&socket);
    assert_eq!(client.decrypt(&made).unwrap(), [7; 32]);
}

/// As behind a journal that hangs, or a pipe whose reader was stopped.
#[test]
fn a_log_that_nobody_reads_holds_up_no_call() {
    let (dir, text) = local("admin: off\n");
    fs::write(dir.path().join("config.yaml"), text).unwrap();
    let config = dir.path().join("config.yaml").display().to_string();
    let mut child = command(&["serve", "--config", &config]).stderr(Stdio::piped()).spawn().unwrap();
    let mut client = Client::connect(&dir.path().join("kms.sock"));
    wait_for("Status", 20, || client.status().is_ok_and(|status| status.healthz == "ok"));
    let mut refused = client.encrypt(&[7; 32]).unwrap();
    refused.ciphertext[0] ^= 1;
    // A line each, some 300 bytes long: more than five pipes full.
    for _ in 0..1_000 {
        assert!(client.decrypt(&refused).is_err());
    }
    let answer = client.status();
    let working = client.encrypt(&[7; 32]);
    child.kill().unwrap();
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    child.wait().unwrap();
    assert_eq!((answer.unwrap().healthz.as_str(), working.is_ok()), ("ok", true));
    assert!(log.len() >= 60_000, "the pipe was full: {} bytes", log.len());
}

/// kubelet asks the endpoint at intervals, and restarts a plugin that does not answer.
#[test]
fn silent_connections_to_the_admin_endpoint_keep_nobody_out() {
    let admin = free_port();
    let (dir, text) = local(&format!("admin: 127.0.0.1:{admin}\n"));
    let serve = Serve::configured(dir.path(), &text);
    wait_for("readyz", 20, || get(admin, "/readyz").starts_with("HTTP/1.1 200"));
    let silent: Vec<_> = (0..200).map(|_| TcpStream::connect(("127.0.0.1", admin)).unwrap()).collect();
    let began = Instant::now();
    for page in ["/livez", "/readyz", "/metrics"] {
        assert!(get(admin, page).starts_with("HTTP/1.1 200"), "{page}");
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // Of those, the oldest had to go.
    silent[0].set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let end = (&silent[0]).read(&mut [0; 1]).map_err(|error| error.kind());
    assert!(matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)), "{end:?}");
    drop(serve);
}

#[test]
fn a_socket_file_that_is_removed_is_made_anew_and_connections_live_on() {
    let admin = free_port();
    let (dir, text) = local(&format!("admin: 127.0.0.1:{admin}\n"));
    let mut serve = Serve::configured(dir.path(), &text);
    let socket = dir.path().join("kms.sock");
    let mut client = Client::connect(&socket);
    client.wait_ok(&serve);
    let made = client.encrypt(&[7; 32]).unwrap();
    fs::remove_file(&socket).unwrap();
    assert_eq!(client.decrypt(&made).unwrap(), [7; 32], "whoever is connected stays so");
    wait_for("the socket", 10, || UnixStream::connect(&socket).is_ok());
    assert_eq!(Client::connect(&socket).decrypt(&made).unwrap(), [7; 32]);
    wait_for("readyz", 10, || get(admin, "/readyz").starts_with("HTTP/1.1 200"));
    serve.signal(Signal::TERM);
    assert_eq!(serve.wait(20), Some(0), "{}", serve.log());
    assert!(!socket.exists());
}

/// A rollout must not go on to the next node, and somebody has to be told.
#[test]
fn a_process_that_can_not_listen_is_not_ready() {
    let (dir, text) = local("");
    let (admin, file, socket) = (free_port(), dir.path().join("late.yaml"), dir.path().join("kms.sock"));
    let serve =
        Serve::start(dir.path(), &["--config", file.to_str().unwrap(), "--admin", &format!("127.0.0.1:{admin}")]);
    wait_for("it to wait", 5, || serve.log().contains("waiting for it"));
    let other = UnixListener::bind(&socket).unwrap();
    fs::write(&file, text).unwrap();
    wait_for("its trouble", 10, || get(admin, "/readyz?verbose").contains("another process answers there"));
    wait_for("its key", 10, || get(admin, "/readyz?verbose").contains("[+] key_id t1."));
    let page = get(admin, "/readyz?verbose");
    assert!(page.starts_with("HTTP/1.1 503") && page.contains("[-] nothing listens on the socket"), "{page}");
    drop(other);
    wait_for("readyz", 15, || get(admin, "/readyz").starts_with("HTTP/1.1 200"));
    Client::connect(&socket).wait_ok(&serve);
}

#[test]
fn i6_a_configuration_that_comes_late_is_waited_for() {
    let (dir, text) = local("");
    let admin = free_port();
    let file = dir.path().join("late/config.yaml");
    let socket = dir.path().join("kms.sock");
    let admin_flag = format!("127.0.0.1:{admin}");
    let args =
        ["--config", file.to_str().unwrap(), "--socket", socket.to_str().unwrap(), "--admin", admin_flag.as_str()];
    let serve = Serve::start(dir.path(), &args);
    wait_for("the socket", 5, || socket.exists());
    let mut client = Client::connect(&socket);
    wait_for("/livez", 5, || get(admin, "/livez").starts_with("HTTP/1.1 200"));
    assert!(get(admin, "/readyz?verbose").contains("waiting for"), "{}", get(admin, "/readyz?verbose"));
    assert_eq!(client.status().unwrap_err().code(), Code::FailedPrecondition);

    fs::create_dir(dir.path().join("late")).unwrap();
    fs::write(&file, "keys: nonsense").unwrap();
    wait_for("the refusal", 10, || get(admin, "/readyz?verbose").contains("refused"));
    assert!(get(admin, "/livez").starts_with("HTTP/1.1 200"), "a bad file that comes late: stay, not ready, say why");

    fs::write(&file, text.replace("kms.sock}", "kms.sock, mode: \"0600\"}")).unwrap();
    client.wait_ok(&serve);
    let mode = || fs::symlink_metadata(&socket).unwrap().permissions().mode() & 0o777;
    wait_for("the mode that the configuration says", 5, || mode() == 0o600);
    assert!(get(admin, "/readyz").starts_with("HTTP/1.1 200"));
}

#[test]
fn admin_pages_answer_get_and_head_on_loopback_names_only() {
    let admin = free_port();
    let (dir, text) = local(&format!("admin: 127.0.0.1:{admin}\n"));
    let serve = Serve::configured(dir.path(), &text);
    Client::connect(&dir.path().join("kms.sock")).wait_ok(&serve);
    for path in ["/livez", "/healthz", "/readyz"] {
        assert!(get(admin, path).starts_with("HTTP/1.1 200"), "{path}");
        let head = http(admin, &format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
        let post = http(admin, &format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        assert!(post.starts_with("HTTP/1.1 405"), "{post}");
        let other = http(admin, &format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"));
        assert!(other.starts_with("HTTP/1.1 403"), "{other}");
    }
    let page = get(admin, "/metrics");
    for name in [
        "trousseau_build_info{version=\"0.1.0\"",
        "trousseau_ready 1",
        "trousseau_active_key{key=\"test\",key_id_hash=\"sha256:",
        "trousseau_rpcs_total{api=\"v2\",operation=\"Status\",code=\"OK\"}",
        "trousseau_rpc_own_seconds_bucket{le=\"0.00005\"",
        "trousseau_kms_call_seconds_count{key=\"test\",provider=\"local\",operation=\"wrap\",outcome=\"ok\"}",
        "trousseau_snapshot_age_seconds 0.",
    ] {
        assert!(page.contains(name), "`{name}` is not in:\n{page}");
    }
}

#[test]
fn the_legacy_port_shows_healthz_to_all_and_the_rest_to_this_machine() {
    let admin = free_port();
    let (dir, text) = local("");
    let port = admin.to_string();
    fs::write(dir.path().join("config.yaml"), text).unwrap();
    let file = dir.path().join("config.yaml");
    let serve = Serve::start(dir.path(), &["--config", file.to_str().unwrap(), "--healthz-port", &port]);
    Client::connect(&dir.path().join("kms.sock")).wait_ok(&serve);
    let by_address =
        |path: &str| http(admin, &format!("GET {path} HTTP/1.1\r\nHost: 10.0.0.1\r\nConnection: close\r\n\r\n"));
    assert!(by_address("/healthz").starts_with("HTTP/1.1 200"), "kubelet comes by the node's address");
    assert!(by_address("/metrics").starts_with("HTTP/1.1 403"));
    assert!(get(admin, "/metrics").starts_with("HTTP/1.1 200"), "from this machine, under a loopback name");
}

#[test]
fn the_log_level_follows_the_configuration() {
    let (dir, text) = local("admin: off\nprobe: {interval: 250ms, promotionDelay: 500ms}\n");
    let serve = Serve::configured(dir.path(), &text);
    Client::connect(&dir.path().join("kms.sock")).wait_ok(&serve);
    assert!(!serve.log().contains("probe good"));
    fs::write(dir.path().join("config.yaml"), format!("log: {{level: debug}}\n{text}")).unwrap();
    wait_for("a debug line", 10, || serve.log().contains("probe good"));
    assert!(!serve.log().contains("counts after a restart"), "the level counts at once");
    fs::write(dir.path().join("config.yaml"), format!("limits: {{drain: 7s}}\n{text}")).unwrap();
    wait_for("what does not", 10, || serve.log().contains("counts after a restart"));
}

#[test]
fn only_listed_peers_get_in() {
    let (dir, text) = local("admin: off\n");
    let text = text.replace("kms.sock}", "kms.sock, allow: {uids: [4294967294]}}");
    let serve = Serve::configured(dir.path(), &text);
    wait_for("the socket", 5, || dir.path().join("kms.sock").exists());
    let mut client = Client::connect(&dir.path().join("kms.sock"));
    assert!(client.status().is_err());
    wait_for("the log line", 5, || serve.log().contains("`socket.allow` does not name"));
}

#[test]
fn dev_makes_its_key_and_prints_what_to_paste() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let (socket, admin) = (dir.path().join("dev.sock"), free_port());
    let admin_flag = format!("127.0.0.1:{admin}");
    let args =
        ["--dev", "--data", data.to_str().unwrap(), "--socket", socket.to_str().unwrap(), "--admin", &admin_flag];
    let serve = Serve::start(dir.path(), &args);
    let mut client = Client::connect(&socket);
    client.wait_ok(&serve);
    let made = client.encrypt(b"ping").unwrap();
    assert_eq!(client.decrypt(&made).unwrap(), b"ping");
    assert!(data.join("local.key").exists());
}

#[test]
fn i5_what_is_not_ours_is_refused_with_a_reason() {
    let (dir, text) = local("admin: off\ncluster: here\n");
    let serve = Serve::configured(dir.path(), &text);
    let mut client = Client::connect(&dir.path().join("kms.sock"));
    client.wait_ok(&serve);
    let made = client.encrypt(&[7; 32]).unwrap();

    let mut foreign = made.clone();
    foreign.key_id = "1".into();
    assert_eq!(client.decrypt(&foreign).unwrap_err().code(), Code::InvalidArgument);
    let mut unlisted = made.clone();
    unlisted.key_id = "t1.AAAAAAAAAAAAAAAAAAAAAA".into();
    assert_eq!(client.decrypt(&unlisted).unwrap(), [7; 32], "an unlisted id of ours is treated like none");
    let mut elsewhere = made.clone();
    elsewhere.ciphertext[9] ^= 1;
    let error = client.decrypt(&elsewhere).unwrap_err();
    assert!(error.message().contains("another cluster name than `here`"), "{error}");
    let mut tampered = made.clone();
    *tampered.ciphertext.last_mut().unwrap() ^= 1;
    assert_eq!(client.decrypt(&tampered).unwrap_err().code(), Code::InvalidArgument);
    let mut empty = made.clone();
    empty.ciphertext.clear();
    assert_eq!(client.decrypt(&empty).unwrap_err().code(), Code::DataLoss);
    assert!(serve.log().contains(UID), "a failed call is logged with the request's uid");
    assert_eq!(client.decrypt(&made).unwrap(), [7; 32]);
}
