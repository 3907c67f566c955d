//! A cluster of one whole node, with images and Vault.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use trousseau_cluster::{
    ApiServer, ApiServerConfig, Controllers, Etcd, ImageFile, NODE_NAME, Node, Server, Vault, VaultConfig,
    docker_archive, free_port, wait,
};
use trousseau_testkit::ca::TestCa;

use crate::client::Client;
use crate::document;

/// The image as the manifests name it.
pub(crate) const IMAGE: &str = concat!("ghcr.io/trousseau-io/trousseau:", env!("CARGO_PKG_VERSION"));
/// The same program under the tag of an upgrade.
pub(crate) const NEXT: &str = "ghcr.io/trousseau-io/trousseau:0.2.0";
pub(crate) const VAULT_IMAGE: (&str, &str) = ("trousseau.test/vault", "from-scratch");
/// Label and taint.
pub(crate) const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

// Dropped in this order: whoever needs another goes first.
pub(crate) struct Stage {
    pub(crate) node: Node,
    pub(crate) controllers: Controllers,
    pub(crate) api: ApiServer,
    pub(crate) etcd: Etcd,
    vault: Option<(Vault, TestCa)>,
    /// The plugin's admin port.
    pub(crate) admin: u16,
    dir: TempDir,
}

impl Stage {
    /// All of it but the plugin; the API server encrypts nothing yet.
    pub(crate) fn start() -> Self {
        let dir = TempDir::with_prefix("trousseau-").unwrap();
        let etcd = Etcd::start(dir.path().join("etcd")).unwrap();
        let config = ApiServerConfig {
            etcd: etcd.endpoint(),
            encryption: Some(NOTHING_ENCRYPTED.to_owned()),
            dir: dir.path().join("api"),
            node: true,
            feature_gates: vec!["KMSv1=true".to_owned()],
            ..ApiServerConfig::default()
        };
        let api = ApiServer::start(&config).unwrap();
        let controllers = Controllers::start(dir.path().join("controllers"), &api).unwrap();
        let node = Node::start(dir.path().join("node"), &api).unwrap();
        node.import(&image()).unwrap();
        node.tag(IMAGE, NEXT).unwrap();
        // As kubeadm does: a kubelet may not give itself this label.
        api.kubectl_text(&["label", "node", NODE_NAME, &format!("{CONTROL_PLANE}=")]).unwrap();
        api.kubectl_text(&["taint", "node", NODE_NAME, &format!("{CONTROL_PLANE}:NoSchedule")]).unwrap();
        // A node that no pod of the plugin may want: it is an object and nothing else.
        let worker = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker"}});
        assert!(api.kubectl_stdin(&["create", "-f", "-"], &worker.to_string()).unwrap().status.success());
        Self { node, controllers, api, etcd, vault: None, admin: free_port().unwrap(), dir }
    }

    /// The same with Vault, and with its image on the node.
    pub(crate) fn start_with_vault() -> Self {
        let mut stage = Self::start();
        let ca = TestCa::new();
        let leaf = ca.server(&["127.0.0.1"]);
        let tls = (leaf.certificate_file().to_owned(), leaf.key_file().to_owned());
        let vault = Vault::start_with(&VaultConfig { dir: stage.dir().join("vault"), tls: Some(tls) }).unwrap();
        vault.add_kubernetes_auth().unwrap();
        let archive = stage.dir().join("vault.tar");
        let program = ImageFile { path: "bin/vault".to_owned(), source: Server::Vault.path().unwrap() };
        let (name, tag) = VAULT_IMAGE;
        docker_archive(&archive, &format!("{name}:{tag}"), &[program], &["/bin/vault"]).unwrap();
        stage.node.import(&archive).unwrap();
        stage.vault = Some((vault, ca));
        stage
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.vault.as_ref().expect("started with Vault").0
    }

    /// The PEM file of the CA that signed Vault's certificate.
    pub(crate) fn vault_ca(&self) -> PathBuf {
        self.vault.as_ref().expect("started with Vault").1.file()
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.node.run().join("kms.sock"))
    }

    /// Runs a script as an administrator of Vault and of the cluster, which must end well; its standard output.
    pub(crate) fn shell(&self, script: &str) -> String {
        let (ended_well, said, errors) = self.end_of(script);
        assert!(ended_well, "{script}\n{said}\n{errors}");
        said
    }

    /// The same of a script that must fail; standard output and error.
    pub(crate) fn fail(&self, script: &str) -> String {
        let (ended_well, said, errors) = self.end_of(script);
        assert!(!ended_well, "{script}\n{said}\n{errors}");
        said + &errors
    }

    /// Whether a script ended well, its standard output, its standard error.
    fn end_of(&self, script: &str) -> (bool, String, String) {
        let tools = self.dir().join("bin");
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-c", script])
            .current_dir(deploy().parent().unwrap())
            .env("PATH", format!("{}:{}", tools.display(), std::env::var("PATH").unwrap()))
            .env("HOME", self.dir())
            .env("KUBERNETES_HOST", self.api.url())
            .env("KUBERNETES_CA", self.api.ca())
            .env("KUBECONFIG", self.api.kubeconfig())
            .env("ETCDCTL_ENDPOINTS", self.etcd.endpoint());
        let mut servers = vec![Server::Kubectl, Server::Helm, Server::Etcdctl];
        if let Some((vault, _)) = &self.vault {
            servers.push(Server::Vault);
            command
                .env("VAULT_ADDR", vault.address())
                .env("VAULT_TOKEN", vault.root_token())
                .env("VAULT_ADDRESS", vault.tls_address().unwrap());
        }
        if !tools.exists() {
            fs::create_dir(&tools).unwrap();
            for server in servers {
                symlink(server.path().unwrap(), tools.join(server.name())).unwrap();
            }
        }
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    }

    /// The API server, which runs beside the node, encrypts by what the documents say from now on; and, if that is by
    /// the plugin, PodTemplates by KMS v1, for the load.
    pub(crate) fn encrypt(&mut self, configuration: &str) {
        let run = self.node.run().display().to_string();
        let mut text = configuration.replace("/run/trousseau", &run);
        if text.contains("kms:") {
            text.push_str(&BY_V1.replace("/run/trousseau", &run));
        }
        self.api.set_encryption(&text).unwrap();
        self.api.restart().unwrap();
    }

    pub(crate) fn create_secret(&self, name: &str) -> Result<String, anyhow::Error> {
        self.api.kubectl_text(&["create", "secret", "generic", name, "--from-literal=password=hunter2"])
    }

    pub(crate) fn read_secret(&self, name: &str) -> Result<String, anyhow::Error> {
        self.api.kubectl_text(&["get", "secret", name, "-o", "jsonpath={.data.password}"])
    }

    /// The object lies in etcd under the plugin's key, and nothing of `hunter2` with it.
    pub(crate) fn assert_encrypted(&self, path: &str) {
        let value = self.etcd.get(path).unwrap().unwrap_or_else(|| panic!("{path} is not in etcd"));
        assert!(value.starts_with(b"k8s:enc:kms:v2:trousseau:"), "{path}");
        assert!(!value.windows(7).any(|window| window == b"hunter2"), "{path} lies there in clear");
    }

    /// The code and body of a page of the plugin's; code 0 when nobody answers.
    pub(crate) fn page(&self, path: &str) -> (u16, String) {
        get(self.admin, path)
    }

    /// Waits for something of the node; what is wrong there is told if it does not come.
    pub(crate) fn wait(&self, what: &str, mut attempt: impl FnMut() -> bool) {
        let waited = wait::until(PATIENCE, what, || Ok(attempt().then_some(())));
        if let Err(error) = waited {
            let pods = self.api.kubectl_text(&["describe", "pods", "-n", "kube-system"]);
            let tail = |text: String| text[text.len().saturating_sub(4000)..].to_owned();
            panic!(
                "{error}\n{}\n== plugin\n{}\n== agent\n{}\n== kubelet\n{}\n== /readyz\n{:?}",
                pods.unwrap_or_else(|error| format!("{error:#}")),
                tail(self.node.logs("vault-kms-provider") + &self.node.logs("trousseau")),
                tail(self.node.logs("vault-agent-init") + &self.node.logs("vault-agent")),
                self.node.kubelet_log_tail(),
                self.page("/readyz?verbose"),
            );
        }
    }
}

/// `deploy/` of this checkout.
pub(crate) fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").canonicalize().unwrap()
}

/// Copies `deploy/kustomize` to where a test puts its overlay beside it.
pub(crate) fn copy_kustomize(to: &Path) {
    let status = Command::new("cp").arg("-r").arg(deploy().join("kustomize")).arg(to).status().unwrap();
    assert!(status.success());
}

/// One GET on loopback.
pub(crate) fn get(port: u16, path: &str) -> (u16, String) {
    let fetch = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = fetch().unwrap_or_default();
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (code, body)
}

/// With the timeout that docs/install/daemonset.md names.
const BY_V1: &str = "
  - resources: [podtemplates]
    providers:
      - kms: {apiVersion: v1, name: trousseau-v1, endpoint: unix:///run/trousseau/kms.sock, cachesize: 10, timeout: 30s}
";

const NOTHING_ENCRYPTED: &str = "apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - {resources: [secrets], providers: [identity: {}]}
";

/// A block of a file in docs/install.
pub(crate) fn block(file: &str, name: &str) -> String {
    document::block(&format!("docs/install/{file}"), name)
}

fn image() -> PathBuf {
    let named = std::env::var_os("TROUSSEAU_IMAGE").map(PathBuf::from);
    let path = named.expect("TROUSSEAU_IMAGE must name the docker-archive that `cargo xtask image` makes");
    assert!(path.is_file(), "TROUSSEAU_IMAGE names {}, which is no file", path.display());
    path
}
