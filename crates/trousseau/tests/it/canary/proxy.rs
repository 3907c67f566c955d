//! The password in a proxy's URL, with a proxy that repeats it.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;
use trousseau_testkit::https::{Front, Reply, ScriptedServer};

use super::files::{settings, start};
use super::search::{Canary, Outputs, Search};
use crate::process::{free_port, run, run_with, wait_for};

/// Repeats what it was sent, in each place of its answer.
const REPLIES: [fn(&str) -> Reply; 4] = [
    |text| Reply::raw(format!("HTTP/1.1 407 {text}\r\nProxy-Authenticate: Basic realm=\"{text}\"\r\n\r\n{text}")),
    |text| Reply::raw(format!("HTTP/1.1 503 {text}\r\n\r\n{text}")),
    |text| Reply::raw(format!("{text}\r\n\r\n")),
    |text| Reply::raw(format!("HTTP/1.1 200 {text}\r\n\r\n{text}")),
];

/// A configuration with this proxy, or with none named in the file.
fn configured(proxy: Option<&str>) -> (TempDir, u16, String) {
    let (dir, admin) = (TempDir::with_prefix("trousseau-").unwrap(), free_port());
    fs::write(dir.path().join("token"), "hvs.good").unwrap();
    let proxy = proxy.map(|url| format!("      proxy: \"{url}\"\n")).unwrap_or_default();
    let vault = format!("      address: https://vault.example:8200\n{proxy}");
    let text = settings(dir.path(), admin, &vault);
    fs::write(dir.path().join("config.yaml"), &text).unwrap();
    (dir, admin, text)
}

fn search(password: Canary) -> Search {
    let basic = STANDARD.encode(format!("user:{}", password.as_str()));
    Search::new(&[password, Canary { name: "the proxy's authorization", bytes: basic.into() }])
}

#[test]
fn i9_a_proxy_gets_its_password_and_nobody_else() {
    let password = Canary::text("a proxy's password", "pw");
    let mut outputs = Outputs::default();
    for (at, reply) in REPLIES.into_iter().enumerate() {
        let proxy = ScriptedServer::start(Front::Plain, move |request| {
            reply(request.header("proxy-authorization").unwrap_or("none"))
        });
        let url = format!("http://user:{}@{}", password.as_str(), proxy.address());
        let by_file = at % 2 == 0;
        let (dir, admin, text) = configured(by_file.then_some(&url));
        let variables = [("HTTPS_PROXY", url.as_str())];
        let stage = start(dir.path(), admin, &text, if by_file { &[] } else { &variables });
        wait_for("a word on the proxy", 15, || stage.serve.log().contains("probe failed"));
        stage.pages(&mut outputs, "with a proxy");
        stage.caller.encrypt(&[7; 32], &mut outputs);
        stage.caller.status(&mut outputs);
        stage.finish(&mut outputs, &["config.yaml"]);
        let sent = proxy.requests();
        assert!(sent.iter().all(|request| request.header("proxy-authorization").is_some()), "the proxy is asked");
        assert!(!sent.is_empty());
    }
    assert!(outputs.contain("did not open a tunnel") && outputs.contain("no TLS session"));
    outputs.assert_clean(&search(password));
}

#[test]
fn i9_no_proxys_password_is_shown_with_its_url() {
    let password = Canary::text("a proxy's password", "pw");
    let mut outputs = Outputs::default();
    let said = |output: std::process::Output| [output.stdout, output.stderr].concat();
    for url in [
        "https://user:§@127.0.0.1:1",
        "socks5://user:§@127.0.0.1:1",
        "http://user:§?@127.0.0.1:x",
        "http://user:?§@127.0.0.1:x",
        "http://user:§@§@127.0.0.1:x",
        "http://user:§#§@[::1]:x",
        "user:§@127.0.0.1:1/x?",
        "http://127.0.0.1:1/?password=§",
        "http://127.0.0.1:1/#§@x",
        "§@",
        "http://user:§@",
    ] {
        let url = url.replace('§', password.as_str());
        let (dir, ..) = configured(Some(&url));
        let file = dir.path().join("config.yaml");
        for args in [["config", "check"], ["config", "show"], ["serve", "--config"]] {
            let output = run(&[&args[..], &[file.to_str().unwrap()]].concat());
            assert!(args[0] == "config" || output.status.code() == Some(2), "{url} was taken");
            outputs.add(format!("{args:?} with {url}"), said(output));
        }
        let (dir, ..) = configured(None);
        let file = dir.path().join("config.yaml");
        let variables = [("HTTPS_PROXY", url.as_str())];
        outputs.add("the variable", said(run_with(&["serve", "--config", file.to_str().unwrap()], &variables)));
    }
    assert!(outputs.contain("is not spoken to by plain http") && outputs.contain("***"));
    outputs.assert_clean(&search(password));
}
