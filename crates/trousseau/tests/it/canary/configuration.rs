//! Configuration files that are wrong around a secret, or have one in the wrong place.

use std::fs;

use tempfile::TempDir;
use trousseau::config::{Environment, parse};

use super::search::{Canary, Outputs, Search};
use super::stage::files;
use crate::process::{Serve, free_port, get, run, wait_for};

const NATIVE: &str = "cluster: [prod, old]
socket:
  path: /run/kms.sock
  mode: \"0660\"
  group: root
admin: 127.0.0.1:8787
log:
  level: trace
  format: text
statusVersion: v2
health:
  grace: 2m
probe:
  interval: 30s
  observations: 3
limits:
  inFlight: 64
  request: 64kB
  margin: 200ms
force: false
keys:
  - name: primary
    aad: required
    accept: [trousseau-no-aad]
    vault:
      address: https://vault.example:8200
      namespace: team
      proxy: http://proxy:3128
      transit:
        mount: transit
        key: k
        version: 1
      tls:
        ca: /etc/ca.pem
        serverName: vault.example
        skipVerify: false
      auth:
        token:
          file: /etc/token
          renew: true
      identity: metadata
      timeouts:
        whole: 2s
  - name: before
    local:
      file: /etc/local.key
";

const LEGACY: &str = "provider: vault
vault:
  keyNames:
    - k
  address: https://vault.example:8200
  token: s.replaced
  clientCert: /etc/cert.pem
  clientKey: /etc/key.pem
  vaultCACert: /etc/ca.pem
  tlsServerName: vault.example
  transitPath: transit
  roleID: role
  secretID: secret
  ttl: 30s
";

/// What stands where a value should; `§` is the secret.
const VALUES: &[&str] = &[
    "§",
    "\"§\"",
    "'§",
    "\"§",
    "\"§\" \"§\"",
    "[§]",
    "[§",
    "{§: 1}",
    "{§",
    "{a: §}",
    "{a: {§: §}}",
    "§: §",
    "!!int §",
    "!§ x",
    "!!§ x",
    "&§ x",
    "*§",
    "|§",
    "|\n§",
    ">\n §\n§",
    "%§",
    "@§",
    "`§",
    "\"\\x§\"",
    "\"\\§\"",
    "§\n\t§: 1",
    "<no value>§",
    "<<: §",
    "? §",
    "- §",
    "§\n---\n§",
    "\u{7}§",
    "https://user:§@host:1",
    "https://host:1/?token=§",
    "https://host:1/#§",
    "ftp://§@host",
    "30§",
];

/// What stands where a name should.
const NAMES: &[&str] =
    &["§", "§: 1", "§: <no value>", "§: [<no value>]", "§:\n    §: 1", "token: §", "- §", "\"§", "? §", "  §: §"];

/// Each line broken in each way around the secret, and what was done to it.
fn broken(template: &str, secret: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = template.lines().collect();
    let mut documents = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let indent = &line[..line.len() - line.trim_start().len()];
        let mut with = |new: String| {
            let mut lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
            lines[at] = new.replace('§', secret);
            documents.push((format!("line {}: {new}", at + 1), lines.join("\n")));
        };
        if let Some((name, _)) = line.split_once(':') {
            VALUES.iter().for_each(|value| with(format!("{name}: {value}")));
        }
        for new in NAMES {
            with(format!("{indent}{new}"));
            with(format!("{line}\n{indent}{new}"));
        }
    }
    documents
}

/// Most fields hold no secrets, and what was configured must be seen.
fn is_secret_there(change: &str) -> bool {
    let url = change.contains("address: ") || change.contains("proxy: ");
    change.contains("token: ") || url && change.contains(['@', '?', '#'])
}

#[test]
fn i9_no_value_of_a_bad_file_is_in_its_error() {
    let secret = Canary::text("a value", "hvs.");
    let search = Search::new(std::slice::from_ref(&secret));
    let (mut outputs, mut refused) = (Outputs::default(), 0);
    for template in [NATIVE, LEGACY] {
        assert!(parse(template, "t.yaml", &Environment::default()).is_ok(), "the template itself is good");
        for (change, document) in broken(template, secret.as_str()) {
            match parse(&document, "t.yaml", &Environment::default()) {
                Err(error) => {
                    refused += 1;
                    outputs.add(format!("the error of {change}"), format!("{error} {error:#} {error:?}"));
                }
                Ok(loaded) => {
                    let text = format!("{:?} {:?}", loaded.warnings, loaded.origins);
                    outputs.add(format!("the warnings of {change}"), text);
                    if is_secret_there(&change) {
                        let text = format!("{} {loaded:?}", loaded.show());
                        outputs.add(format!("`config show` of {change}"), text);
                    }
                }
            }
        }
    }
    assert!(refused > 1000, "only {refused} were bad");
    outputs.assert_clean(&search);
}

#[test]
fn i9_no_command_repeats_what_a_bad_file_says() {
    let secret = Canary::text("a value", "hvs.");
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let file = dir.path().join("config.yaml");
    let path = file.to_str().unwrap();
    let mut outputs = Outputs::default();
    for value in VALUES {
        fs::write(&file, LEGACY.replace("s.replaced", &value.replace('§', secret.as_str()))).unwrap();
        for args in [&["config", "check", path][..], &["config", "show", path]] {
            let output = run(args);
            outputs.add(format!("{args:?} with token {value}"), [output.stdout, output.stderr].concat());
        }
    }
    // What `serve` says at its start; what can be read is not served, as these paths don't exist.
    for value in ["[§]", "\"§", "{§: 1}", "§: §"] {
        fs::write(&file, LEGACY.replace("s.replaced", &value.replace('§', secret.as_str()))).unwrap();
        let output = run(&["serve", "--config", path, "--log-level", "trace", "--admin", "off"]);
        assert_eq!(output.status.code(), Some(2), "{value}");
        outputs.add(format!("serve with token {value}"), [output.stdout, output.stderr].concat());
    }
    assert!(outputs.contain("inline-token") && outputs.contain("***"), "good ones were among them");
    outputs.assert_clean(&Search::new(&[secret]));
}

#[test]
fn i9_a_reload_repeats_nothing_of_a_bad_file() {
    let secret = Canary::text("a value", "hvs.");
    let (dir, good) = crate::process::local("log: {level: trace}\n");
    let admin = free_port();
    let good = format!("admin: 127.0.0.1:{admin}\n{good}");
    let serve = Serve::configured(dir.path(), &good);
    wait_for("readyz", 20, || get(admin, "/readyz").starts_with("HTTP/1.1 200"));
    let mut outputs = Outputs::default();
    for (round, value) in ["[§", "\"§", "{§: 1}", "§: §", "\u{7}§", "<no value>§"].into_iter().enumerate() {
        let text = format!("{good}# {round}\ncluster: {}\n", value.replace('§', secret.as_str()));
        fs::write(dir.path().join("config.yaml"), text).unwrap();
        serve.signal(rustix::process::Signal::HUP);
        wait_for("the refusal", 10, || serve.log().matches("the configuration is refused").count() > round);
        outputs.add(format!("/readyz?verbose with {value}"), get(admin, "/readyz?verbose"));
    }
    outputs.add("/metrics", get(admin, "/metrics"));
    files(dir.path(), &mut outputs, &["config.yaml", "local.key"]);
    assert!(outputs.contain("refused"));
    outputs.assert_clean(&Search::new(&[secret]));
}
