//! The real servers, the plugin between them, and the proof in etcd.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use trousseau_cluster::{ApiServer, ApiServerConfig, Etcd, Process, Server, Vault};
use trousseau_record::Stored;

use crate::demo::print::{Page, hexdump};

const POLICY: &str = r#"
path "transit/encrypt/kubernetes" { capabilities = ["update"] }
path "transit/decrypt/kubernetes" { capabilities = ["update"] }
path "transit/keys/kubernetes" { capabilities = ["read"] }
"#;

pub(super) fn run() -> anyhow::Result<()> {
    let page = Page::new();
    page.title("Trousseau demo: real Vault, etcd, kube-apiserver and kubectl");
    for server in Server::ALL {
        page.fact(server.name(), &server.path()?.display().to_string());
    }
    let dir = TempDir::with_prefix("trousseau-").context("can't make a temporary folder")?;

    page.step("Vault: a transit key, a policy for it, a token with that policy");
    let vault = Vault::start(dir.path().join("vault"))?;
    vault.enable_transit("transit")?;
    vault.create_key("transit", "kubernetes", "aes256-gcm96")?;
    vault.policy("trousseau", POLICY)?;
    fs::write(dir.path().join("token"), vault.token(&["trousseau"], "24h", true)?)?;
    page.quote(POLICY);

    page.step("Trousseau, with this configuration:");
    let configuration = configuration(dir.path(), &vault.address());
    page.quote(&configuration);
    let file = dir.path().join("config.yaml");
    fs::write(&file, &configuration)?;
    let mut command = Command::new(std::env::current_exe().context("where is this program?")?);
    command.arg("serve").arg("--config").arg(&file).env_remove("VAULT_TOKEN");
    let log = dir.path().join("trousseau.log");
    let _plugin = Process::spawn("trousseau", &mut command, &log)?;
    let socket = dir.path().join("kms.sock");

    page.step("etcd and kube-apiserver, with this EncryptionConfiguration:");
    let encryption = crate::dev::encryption_configuration(&socket);
    page.quote(&encryption);
    let etcd = Etcd::start(dir.path().join("etcd"))?;
    let config = ApiServerConfig {
        etcd: etcd.endpoint(),
        encryption: Some(encryption),
        dir: dir.path().join("api"),
        ..ApiServerConfig::default()
    };
    let api = ApiServer::start(&config)?;

    page.step("kubectl create secret generic database --from-literal=password=correct-horse-battery-staple");
    api.kubectl_text(&[
        "create",
        "secret",
        "generic",
        "database",
        "--from-literal=password=correct-horse-battery-staple",
    ])?;
    let record = etcd.get("/registry/secrets/default/database")?.context("the Secret is not in etcd")?;
    page.step("What etcd holds at /registry/secrets/default/database:");
    page.quote(&hexdump(&record, 24));
    let Stored::KmsV2 { object, .. } = Stored::parse(&record) else {
        anyhow::bail!("the Secret was not encrypted by a KMS v2 provider");
    };
    page.fact("key_id", &object.key_id);
    ensure!(!record.windows(7).any(|window| window == b"battery"), "the password is readable in etcd");
    let back = api.kubectl_text(&["get", "secret", "database", "-o", "jsonpath={.data.password}"])?;
    page.step("kubectl get secret database: it comes back");
    page.fact("password (base64)", &back);

    page.step("Yours to play with, until Ctrl-C:");
    page.quote(&format!(
        "export KUBECONFIG={}\n{} get secrets\nexport VAULT_ADDR={} VAULT_TOKEN={}\n{} write -f transit/keys/kubernetes/rotate\ntail -f {}",
        api.kubeconfig().display(),
        Server::Kubectl.path()?.display(),
        vault.address(),
        vault.root_token(),
        Server::Vault.path()?.display(),
        log.display(),
    ));
    wait_for_the_user()?;
    page.title("Stopping everything.");
    Ok(())
}

fn configuration(dir: &Path, vault: &str) -> String {
    format!(
        "cluster: demo
socket: {{path: {0}/kms.sock}}
admin: off
health: {{grace: 20s}}
probe: {{interval: 5s, promotionDelay: 10s}}
keys:
  - name: primary
    vault:
      address: {vault}
      allowHttp: true
      transit: {{key: kubernetes}}
      auth: {{token: {{file: {0}/token}}}}
",
        dir.display()
    )
}

/// Until Ctrl-C or SIGTERM, so that the servers are stopped and not orphaned.
fn wait_for_the_user() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}
