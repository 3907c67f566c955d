//! kube-apiserver on loopback, and kubectl to talk to it.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::prelude::{BASE64_STANDARD, Engine};

use crate::artifact::Server;
use crate::kubectl::{Kubectl, write_kubeconfig};
use crate::node::NODE_NAME;
use crate::port;
use crate::process::{Process, folder};

// Ready within 2.5 to 7 s on an idle machine of two cores; several may start at once on a busy one.
const READY: Duration = Duration::from_secs(120);
const TOKEN: &str = "cluster-admin-of-a-test";

/// What an API server is started with.
#[derive(Clone, Debug, Default)]
pub struct ApiServerConfig {
    /// etcd's client URL: [`crate::Etcd::endpoint`].
    pub etcd: String,
    /// The EncryptionConfiguration, as YAML. `None`: nothing is encrypted.
    pub encryption: Option<String>,
    /// Such as `KMSv1=true`.
    pub feature_gates: Vec<String>,
    /// Further arguments, such as `--encryption-provider-config-automatic-reload=true`.
    pub extra_args: Vec<String>,
    /// Folder for configuration, certificates and log; made if missing, never removed.
    pub dir: PathBuf,
    /// Which release runs.
    pub release: Release,
    /// A [`crate::Node`] and [`crate::Controllers`] join: ServiceAccount admission, the node authorizer, and a user
    /// for each of them.
    pub node: bool,
}

/// A component of Kubernetes that logs in with a user of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Component {
    Kubelet,
    ControllerManager,
    Scheduler,
}

impl Component {
    const ALL: [Self; 3] = [Self::Kubelet, Self::ControllerManager, Self::Scheduler];

    fn token(self) -> &'static str {
        match self {
            Self::Kubelet => "kubelet-of-a-test",
            Self::ControllerManager => "controller-manager-of-a-test",
            Self::Scheduler => "scheduler-of-a-test",
        }
    }

    /// A line of the token file: token, user, number, groups.
    fn line(self) -> String {
        let (user, groups) = match self {
            Self::Kubelet => (format!("system:node:{NODE_NAME}"), ",system:nodes"),
            Self::ControllerManager => ("system:kube-controller-manager".to_owned(), ""),
            Self::Scheduler => ("system:kube-scheduler".to_owned(), ""),
        };
        format!("{},{user},{user}{groups}\n", self.token())
    }
}

/// A release of kube-apiserver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Release {
    /// The newest one: [`Server::KubeApiserver`].
    #[default]
    Newest,
    /// 1.28: [`Server::KubeApiserver128`].
    V1_28,
}

impl Release {
    fn server(self) -> Server {
        match self {
            Self::Newest => Server::KubeApiserver,
            Self::V1_28 => Server::KubeApiserver128,
        }
    }
}

/// A running kube-apiserver. Dropping it ends the process; its folder stays.
///
/// RBAC with one user, who may do everything; without [`ApiServerConfig::node`] no ServiceAccount admission, no
/// controllers and no nodes.
#[derive(Debug)]
pub struct ApiServer {
    process: Process,
    config: ApiServerConfig,
    port: u16,
    kubectl: Kubectl,
}

/// What `/readyz?verbose` answered.
#[derive(Clone, Debug)]
pub struct Readyz {
    /// All checks passed.
    pub ready: bool,
    /// One line per check (`[+]etcd ok`, `[-]kms-providers failed: ...`), or why there was no answer.
    pub text: String,
}

impl ApiServer {
    /// Starts it and waits until it is ready: 120 s at most.
    pub fn start(config: &ApiServerConfig) -> Result<Self> {
        port::retry(|[port]| {
            let mut server = Self::spawn_on(config, port)?;
            server.wait_ready(READY)?;
            Ok(server)
        })
    }

    /// Starts it without waiting: for tests in which it cannot become ready.
    pub fn spawn(config: &ApiServerConfig) -> Result<Self> {
        Self::spawn_on(config, port::free_port()?)
    }

    /// Waits until `/readyz` says ok. The error contains what is missing and the log's tail.
    pub fn wait_ready(&mut self, timeout: Duration) -> Result<()> {
        let Self { process, kubectl, port, .. } = self;
        let mut last = String::new();
        let ready = process.wait_until_serving(timeout, || {
            // kubectl costs 60 ms of CPU time, a refused connection nothing.
            let open = TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok();
            let readyz = open.then(|| readyz(kubectl));
            let ready = matches!(&readyz, Some(Ok(readyz)) if readyz.ready);
            if let Some(Ok(readyz)) = readyz {
                last = readyz.text;
            }
            ready
        });
        ready.with_context(|| format!("kube-apiserver is not ready; /readyz said last: {last:?}"))
    }

    /// Asks `/readyz?verbose`. Not being reachable is an answer too; fails only when kubectl cannot be run.
    pub fn readyz(&self) -> Result<Readyz> {
        readyz(&self.kubectl)
    }

    /// The metrics page.
    pub fn metrics(&self) -> Result<String> {
        self.kubectl.text(&["get", "--raw", "/metrics"])
    }

    /// Runs kubectl as administrator; whether it succeeded is in the output. Requests end after 30 s.
    pub fn kubectl(&self, args: &[&str]) -> Result<Output> {
        self.kubectl.run(args, b"")
    }

    /// The same with text on stdin, as `apply -f -` takes it.
    pub fn kubectl_stdin(&self, args: &[&str], stdin: &str) -> Result<Output> {
        self.kubectl.run(args, stdin.as_bytes())
    }

    /// kubectl's stdout; an exit code other than 0 is an error with its stderr.
    pub fn kubectl_text(&self, args: &[&str]) -> Result<String> {
        self.kubectl.text(args)
    }

    /// The kubeconfig file of the administrator.
    pub fn kubeconfig(&self) -> &Path {
        self.kubectl.kubeconfig()
    }

    /// Writes a kubeconfig for a component.
    pub(crate) fn write_kubeconfig(&self, component: Component, path: &Path) -> Result<()> {
        write_kubeconfig(path, &self.url(), &self.ca(), component.token())
    }

    /// The PEM file of the CA that signed its certificate.
    pub fn ca(&self) -> PathBuf {
        self.config.dir.join("certs/apiserver.crt")
    }

    /// The PEM file of the key that signs service accounts' tokens.
    pub(crate) fn service_account_key(&self) -> PathBuf {
        self.config.dir.join("sa.pem")
    }

    /// The URL, `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// The log file; it goes on over restarts.
    pub fn log(&self) -> &Path {
        self.process.log()
    }

    /// Replaces the EncryptionConfiguration, by rename. It counts from the next start on, or soon if automatic reload
    /// was asked for. The server must have been started with one.
    pub fn set_encryption(&mut self, yaml: &str) -> Result<()> {
        self.config.encryption = Some(yaml.to_owned());
        write_encryption(&self.config.dir, yaml)
    }

    /// SIGTERM, after 10 s SIGKILL; returns when the process is gone. Until then the port would be taken.
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop().map(drop)
    }

    /// SIGKILL; returns when the process is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill().map(drop)
    }

    /// Stops it if it runs, starts it with the same port, and waits until it is ready: 120 s at most.
    pub fn restart(&mut self) -> Result<()> {
        self.respawn()?;
        self.wait_ready(READY)
    }

    /// Stops it if it runs and starts it with the same port, without waiting.
    pub fn respawn(&mut self) -> Result<()> {
        self.stop()?;
        self.process = launch(&self.config, self.port)?;
        Ok(())
    }

    fn spawn_on(config: &ApiServerConfig, port: u16) -> Result<Self> {
        let config = ApiServerConfig { dir: folder(&config.dir)?, ..config.clone() };
        write_files(&config).with_context(|| format!("kube-apiserver: prepare {}", config.dir.display()))?;
        let kubectl = Kubectl::new(&config.dir, &url(port), &config.dir.join("certs/apiserver.crt"), TOKEN)?;
        Ok(Self { process: launch(&config, port)?, config, port, kubectl })
    }
}

fn url(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}

fn readyz(kubectl: &Kubectl) -> Result<Readyz> {
    let output = kubectl.run(&["get", "--raw", "/readyz?verbose"], b"")?;
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    Ok(Readyz { ready: output.status.success(), text: String::from_utf8_lossy(&text).into_owned() })
}

fn write_files(config: &ApiServerConfig) -> Result<()> {
    let components = if config.node { &Component::ALL[..] } else { &[] };
    let components: String = components.iter().map(|component| component.line()).collect();
    fs::write(config.dir.join("tokens.csv"), format!("{TOKEN},admin,1,\"system:masters\"\n{components}"))?;
    let key = KeyPair::generate(KeySize::Rsa2048).ok().and_then(|key| key.as_der().ok()).context("make an RSA key")?;
    let pem = BASE64_STANDARD.encode(key.as_ref());
    fs::write(config.dir.join("sa.pem"), format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n"))?;
    config.encryption.as_deref().map_or(Ok(()), |yaml| write_encryption(&config.dir, yaml))
}

fn write_encryption(dir: &Path, yaml: &str) -> Result<()> {
    let new = dir.join("encryption.yaml.new");
    fs::write(&new, yaml)
        .and_then(|()| fs::rename(&new, dir.join("encryption.yaml")))
        .with_context(|| format!("write encryption.yaml in {}", dir.display()))
}

fn launch(config: &ApiServerConfig, port: u16) -> Result<Process> {
    let file = |flag: &str, name: &str| format!("--{flag}={}", config.dir.join(name).display());
    let mut command = Command::new(config.release.server().path()?);
    command
        .current_dir(&config.dir)
        .arg(format!("--etcd-servers={}", config.etcd))
        .args(["--bind-address=127.0.0.1", "--service-cluster-ip-range=10.0.0.0/24", "--endpoint-reconciler-type=none"])
        .args(match config.node {
            true => ["--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction"],
            false => ["--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount"],
        })
        .arg(format!("--secure-port={port}"))
        .arg(format!("--service-account-issuer={}/", url(port)))
        .arg(file("cert-dir", "certs"))
        .arg(file("token-auth-file", "tokens.csv"))
        .arg(file("service-account-key-file", "sa.pem"))
        .arg(file("service-account-signing-key-file", "sa.pem"));
    if config.encryption.is_some() {
        command.arg(file("encryption-provider-config", "encryption.yaml"));
    }
    if !config.feature_gates.is_empty() {
        command.arg(format!("--feature-gates={}", config.feature_gates.join(",")));
    }
    command.args(&config.extra_args);
    Process::spawn("kube-apiserver", &mut command, &config.dir.join("kube-apiserver.log"))
}
