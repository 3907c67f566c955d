use std::path::Path;

use clap::Parser;

use super::{codes, environment, read, with};
use crate::config::{Environment, KeyFlags, LogFormat, LogLevel, ProcessFlags};

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    key: KeyFlags,
    #[command(flatten)]
    process: ProcessFlags,
}

fn line(flags: &str) -> Line {
    Line::try_parse_from(std::iter::once("x").chain(flags.split_whitespace())).unwrap()
}

fn refused(flags: &str) -> String {
    line(flags).key.load(&Environment::default()).unwrap_err().to_string()
}

#[test]
fn a_vault_key_needs_no_file() {
    let line = line(
        "--vault-address https://v:8200 --vault-namespace team --transit-mount kms --transit-key k8s \
         --vault-token-file token --vault-ca-cert /ca.pem --key-identity version --cluster prod,old",
    );
    assert!(line.key.any());
    let loaded = line.key.load(&Environment::default()).unwrap();
    let vault = loaded.config.keys[0].provider.get::<trousseau_vault::Config>().unwrap();
    assert_eq!((vault.namespace.as_str(), vault.transit.mount.as_str()), ("team", "kms"));
    let trousseau_vault::Auth::Token(token) = &vault.auth;
    assert_eq!(token.file.as_deref(), Some(std::env::current_dir().unwrap().join("token").as_path()));
    assert_eq!(loaded.config.cluster, ["prod", "old"]);
    assert_eq!(loaded.origins["keys[0].vault.transit.key"], "--transit-key");
    assert_eq!(loaded.warnings, []);
    let variables = environment(&[("VAULT_ADDR", "https://e")]);
    let short = super::flags::line("--transit-key k").key.load(&variables).unwrap();
    assert_eq!(short.config.socket.path, Path::new("/run/trousseau/kms.sock"));
}

#[test]
fn flags_that_make_no_key_are_refused_by_name() {
    for (flags, parts) in [
        ("", ["no key is named", "--config"]),
        ("--cluster a", ["no key is named", "--transit-key"]),
        ("--vault-address https://v", ["`--transit-key` is missing", "add it"]),
        ("--transit-key k", ["`--vault-address` is missing", "VAULT_ADDR"]),
        ("--transit-key k --vault-address v:8200", ["`--vault-address` has no scheme", "https://"]),
        ("--transit-key k --vault-address http://v", ["`--vault-address` is not encrypted", "https://"]),
        ("--local-key-file /k --transit-key k", ["two keys", "need a file"]),
        ("--local-key-file /k --cluster a,a", ["`--cluster` can't be told apart", "another name"]),
    ] {
        let error = refused(flags);
        assert!(error.starts_with("command line: ") && parts.iter().all(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn process_flags_win_over_the_file() {
    let line = line("--socket /tmp/k.sock --admin off --log-level debug --log-format text");
    assert!(!line.key.any());
    let loaded = line.process.apply(read(&with("admin: 127.0.0.1:1\nlog: {level: warn}")).unwrap()).unwrap();
    assert_eq!(loaded.config.socket.path, Path::new("/tmp/k.sock"));
    assert_eq!(loaded.config.admin, None);
    assert_eq!((loaded.config.log.level, loaded.config.log.format), (LogLevel::Debug, LogFormat::Text));
    assert_eq!(loaded.origins["socket.path"], "--socket");
    assert_eq!(line.process.admin().unwrap(), None);
    assert_eq!(super::flags::line("").process.admin().unwrap().unwrap().address.port(), 8787);
    assert_eq!(super::flags::line("").process.socket().unwrap(), None);
}

#[test]
fn process_flags_that_can_not_work_are_refused() {
    let path = "s".repeat(120);
    for (flags, part) in [
        (format!("--socket /{path}"), "`--socket` has 121 bytes"),
        ("--listen-addr tcp://1".to_owned(), "unix:///PATH"),
        ("--listen-addr unix://relative".to_owned(), "unix:///PATH"),
        ("--admin nowhere".to_owned(), "`--admin` is no IP address"),
    ] {
        let error = line(&flags).process.apply(read(&with("")).unwrap()).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert!(Line::try_parse_from(["x", "--socket", "/a", "--listen-addr", "unix:///b"]).is_err());
}

#[test]
fn the_go_trousseaus_flags_are_mapped_or_warned_about() {
    let line = line(
        "--listen-addr unix:///opt/kms.sock -v 5 --zap-encoder console --healthz-port 9999 --healthz-path /healthz \
         --healthz-timeout 20s --metrics-backend prometheus --metrics-addr 8095",
    );
    let loaded = line.process.apply(read(&with("")).unwrap()).unwrap();
    assert_eq!(loaded.config.socket.path, Path::new("/opt/kms.sock"));
    assert_eq!((loaded.config.log.level, loaded.config.log.format), (LogLevel::Debug, LogFormat::Text));
    let admin = loaded.config.admin.unwrap();
    assert_eq!((admin.address.to_string().as_str(), admin.health_only), ("0.0.0.0:9999", true));
    assert_eq!(codes(&loaded), ["ignored-flag"; 3]);
    let quiet = super::flags::line("--v=1 --healthz-path /live").process.apply(read(&with("")).unwrap()).unwrap();
    assert_eq!(quiet.config.log.level, LogLevel::Info);
    assert_eq!(codes(&quiet), ["ignored-flag"]);
    let help = <Line as clap::CommandFactory>::command().render_long_help().to_string();
    assert!(help.contains("--socket") && !help.contains("healthz"), "{help}");
}

#[test]
fn the_flags_and_variables_of_every_kind_name_fields_that_it_has() {
    <Line as clap::CommandFactory>::command().debug_assert();
    for kind in crate::wire::KINDS {
        let schema = serde_json::to_value((kind.schema)()).unwrap();
        let fields = kind.flags.iter().map(|flag| flag.field).chain(kind.fills.iter().map(|fill| fill.field));
        for field in fields {
            let found = field.split('.').try_fold(&schema, |place, name| step(&schema, place, name));
            assert!(found.is_some(), "`{}` has no field `{field}`", kind.name);
        }
    }
}

/// The schema of a field inside another one's.
fn step<'a>(root: &'a serde_json::Value, place: &'a serde_json::Value, name: &str) -> Option<&'a serde_json::Value> {
    let place = match place["$ref"].as_str() {
        Some(reference) => root.pointer(reference.trim_start_matches('#'))?,
        None => place,
    };
    // One of several ways, or a section that may be absent.
    let ways = ["oneOf", "anyOf"].into_iter().filter_map(|key| place[key].as_array()).flatten();
    place["properties"].get(name).or_else(|| ways.into_iter().find_map(|way| step(root, way, name)))
}

/// As the Go project's DaemonSets start it; the last flag of a kind counts.
#[test]
fn the_arguments_of_the_go_projects_manifests_are_taken() {
    let log = |flags: &str| {
        let loaded = line(flags).process.apply(read(&with("")).unwrap()).unwrap();
        (loaded.config.log.level, loaded.config.log.format)
    };
    let (info, debug) = (LogLevel::Info, LogLevel::Debug);
    for (flags, expected) in [
        ("-v=5 --v=3 --listen-addr=unix:///opt/vaultkms.socket --zap-encoder=json", (debug, LogFormat::Json)),
        ("-v=5 --v=1", (info, log("").1)),
        ("--v=1 -v 5 --log-format-json=false", (debug, LogFormat::Text)),
        ("--log-format-json", (info, LogFormat::Json)),
    ] {
        assert_eq!(log(flags), expected, "{flags}");
    }
}
