//! What an administrator waits for: an API server that starts with many Secrets in etcd, its KMS far away.
//!
//! kube-apiserver keeps the seeds that it has decrypted; a new one asks for each.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use trousseau_cluster::{ApiServer, ApiServerConfig, DelayingProxy, Etcd};

use super::block::{Block, table};
use super::own_time::OwnTime;
use super::program::{Plugin, Programs, vault};

const SECRETS: usize = 10_000;
const SEEDS: usize = 100;
/// The distance that is measured, and one at which the Decrypts must show if they are waited for.
const ROUND_TRIPS: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(200)];
const PROVIDER: &str = "trousseau";
/// Of each kind, in turn.
const STARTS: usize = 4;
const READY: Duration = Duration::from_secs(180);

/// One start of an API server.
struct Start {
    ready: f64,
    listed: f64,
    decrypts: u64,
    /// The sum of the times that these took.
    decrypting: f64,
}

/// Measures it: with Vault near, with Vault far away and farther, and without any encryption on the same Secrets in clear.
pub(crate) fn measure(programs: &Programs) -> Result<Block> {
    let dir = tempfile::tempdir().context("a folder")?;
    let vault = vault(&dir.path().join("vault"))?;
    let near = vault.address();
    let server = near.trim_start_matches("http://").parse().context("Vault's address")?;
    let [far, farther] = ROUND_TRIPS.map(|time| DelayingProxy::start(server, time));
    let (far, farther) = (far?, farther?);
    let [far_address, farther_address] = [&far, &farther].map(|proxy| format!("http://{}", proxy.address()));
    let (sealed, clear) = (Etcd::start(dir.path().join("etcd"))?, Etcd::start(dir.path().join("etcd-clear"))?);
    let plugin_dir = dir.path().join("plugin");
    let plugin = programs.serve_vault(&plugin_dir, &vault, &near)?;
    plant(programs, &plugin, &sealed, &[])?;
    plant(programs, &plugin, &clear, &["--clear"])?;
    drop(plugin);
    let mut kinds = [
        ("no encryption", None, Vec::new()),
        ("Vault on the same machine", Some(near.as_str()), Vec::new()),
        ("Vault 20 ms away", Some(far_address.as_str()), Vec::new()),
        ("Vault 200 ms away", Some(farther_address.as_str()), Vec::new()),
    ];
    for round in 0..STARTS {
        for turn in 0..kinds.len() {
            // Each kind is once in each place.
            let at = (round + turn) % kinds.len();
            let (kind, address, starts) = &mut kinds[at];
            let plugin = address.map(|address| programs.serve_vault(&plugin_dir, &vault, address)).transpose()?;
            // A folder of its own: the certificates that an API server makes at its start are nobody's gift.
            let api_dir = dir.path().join(format!("api-{round}-{at}"));
            let etcd = if plugin.is_some() { &sealed } else { &clear };
            let start = start(&api_dir, etcd, plugin.as_ref())?;
            eprintln!("{kind}: ready after {:.2} s, {} Decrypts", start.ready, start.decrypts);
            starts.push(start);
        }
    }
    let mut rows = Vec::new();
    let mut raw = Vec::new();
    for (kind, _, starts) in &kinds {
        let of = |figure: fn(&Start) -> f64| super::pairs::Spread::of(starts.iter().map(figure).collect());
        let (ready, listed) = (of(|start| start.ready)?, of(|start| start.listed)?);
        let decrypts = of(|start| start.decrypts as f64)?;
        let decrypting = of(|start| start.decrypting)?;
        let mut row = vec![kind.to_string(), format!("{ready} s"), format!("{listed} s"), decrypts.to_string()];
        row.push(format!("{decrypting} s"));
        rows.push(row);
        let starts: Vec<_> = starts
            .iter()
            .map(|start| {
                json!({"readySeconds": start.ready, "listSeconds": start.listed, "decrypts": start.decrypts,
                    "decryptSeconds": start.decrypting})
            })
            .collect();
        raw.push(json!({"kind": kind, "starts": starts}));
    }
    let head = ["KMS", "exec to /readyz ok", "then a list of all Secrets", "Decrypts", "time in Decrypts"];
    let figures = json!({"secrets": SECRETS, "seeds": SEEDS, "kinds": raw});
    let table =
        format!("{}\n{STARTS} starts of each kind, each kind once in each place of a round.\n", table(&head, &rows));
    Ok(Block { name: "start", table, figures, guards: Vec::new() })
}

/// Writes the Secrets into etcd as an API server would have.
fn plant(programs: &Programs, plugin: &Plugin, etcd: &Etcd, how: &[&str]) -> Result<()> {
    let mut command = programs.command("stored-secrets");
    command.arg("--socket").arg(plugin.socket()).args(["--provider", PROVIDER]);
    command.args(["--secrets", &SECRETS.to_string(), "--seeds", &SEEDS.to_string()]).args(how).stdout(Stdio::piped());
    let mut child = command.spawn().context("run stored-secrets")?;
    for line in BufReader::new(child.stdout.take().context("stored-secrets has no stdout")?).lines() {
        let line = line.context("read from stored-secrets")?;
        let (key, value) = line.split_once('\t').context("stored-secrets: a line without a tab")?;
        etcd.put(key, &BASE64_STANDARD.decode(value).context("stored-secrets: no base64")?)?;
    }
    let status = child.wait().context("stored-secrets")?;
    if status.success() { Ok(()) } else { bail!("stored-secrets: {status}") }
}

fn start(dir: &Path, etcd: &Etcd, plugin: Option<&Plugin>) -> Result<Start> {
    let decrypts = || plugin.map_or(Ok((0, 0.0)), |plugin| decrypts(&plugin.metrics()?));
    let before = decrypts()?;
    let config = ApiServerConfig {
        etcd: etcd.endpoint(),
        encryption: plugin.map(encryption),
        dir: dir.to_owned(),
        ..ApiServerConfig::default()
    };
    let began = Instant::now();
    let mut api = ApiServer::spawn(&config)?;
    api.wait_ready(READY)?;
    let ready = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let list = api.kubectl_text(&["get", "secrets", "--all-namespaces", "--output=name"])?;
    let listed = began.elapsed().as_secs_f64();
    let seen = list.lines().count();
    if seen != SECRETS {
        bail!("the API server lists {seen} Secrets, not {SECRETS}; see {}", api.log().display());
    }
    let after = decrypts()?;
    Ok(Start { ready, listed, decrypts: after.0 - before.0, decrypting: after.1 - before.1 })
}

/// How many Decrypts a plugin has answered, and the seconds that they took in it.
fn decrypts(page: &str) -> Result<(u64, f64)> {
    let sum = r#"trousseau_rpc_seconds_sum{api="v2",operation="Decrypt"} "#;
    let seconds = page.lines().find_map(|line| line.strip_prefix(sum)).map_or(Ok(0.0), str::parse);
    Ok((OwnTime::read(page, "Decrypt")?.calls(), seconds.context("the sum of Decrypt's times")?))
}

fn encryption(plugin: &Plugin) -> String {
    format!(
        "apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - kms: {{apiVersion: v2, name: {PROVIDER}, endpoint: 'unix://{}', timeout: 3s}}
      - identity: {{}}
",
        plugin.socket().display()
    )
}
