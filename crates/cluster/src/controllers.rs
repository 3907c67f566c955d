//! kube-controller-manager and kube-scheduler: what makes pods out of a DaemonSet and finds nodes for them.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::api_server::{ApiServer, Component};
use crate::artifact::Server;
use crate::port;
use crate::process::{Process, folder};

const START: Duration = Duration::from_secs(60);

/// A running kube-controller-manager and kube-scheduler. Dropping it ends both; their folder stays.
#[derive(Debug)]
pub struct Controllers {
    manager: Process,
    scheduler: Process,
    commands: [Start; 2],
}

/// What one of the two is started with again.
#[derive(Clone, Debug)]
struct Start {
    name: &'static str,
    server: Server,
    args: Vec<String>,
    dir: PathBuf,
    port: u16,
}

impl Controllers {
    /// Starts both with configuration and logs in `dir`, and waits until they listen: 60 s at most for each. The API
    /// server must have been started for a node ([`crate::ApiServerConfig::node`]).
    pub fn start(dir: impl AsRef<Path>, api: &ApiServer) -> Result<Self> {
        let dir = folder(dir.as_ref())?;
        port::retry(|[manager, scheduler]| {
            let commands = [manager_of(&dir, api, manager)?, scheduler_of(&dir, api, scheduler)?];
            Ok(Self { manager: commands[0].start()?, scheduler: commands[1].start()?, commands })
        })
    }

    /// Ends both.
    pub fn stop(&mut self) -> Result<()> {
        self.scheduler.stop()?;
        self.manager.stop().map(drop)
    }

    /// Ends both if they run, and starts them again as they were.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.manager = self.commands[0].start()?;
        self.scheduler = self.commands[1].start()?;
        Ok(())
    }
}

impl Start {
    fn start(&self) -> Result<Process> {
        let mut command = Command::new(self.server.path()?);
        command.current_dir(&self.dir).args(&self.args);
        let mut process = Process::spawn(self.name, &mut command, &self.dir.join(format!("{}.log", self.name)))?;
        process.wait_until_serving(START, || TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok())?;
        Ok(process)
    }
}

fn manager_of(dir: &Path, api: &ApiServer, port: u16) -> Result<Start> {
    let kubeconfig = dir.join("controller-manager.kubeconfig");
    api.write_kubeconfig(Component::ControllerManager, &kubeconfig)?;
    let mut args = arguments(&kubeconfig, dir, port);
    args.extend([
        flag("service-account-private-key-file", &api.service_account_key()),
        flag("root-ca-file", &api.ca()),
        "--use-service-account-credentials=true".to_owned(),
    ]);
    let server = Server::KubeControllerManager;
    Ok(Start { name: server.name(), server, args, dir: dir.to_owned(), port })
}

fn scheduler_of(dir: &Path, api: &ApiServer, port: u16) -> Result<Start> {
    let kubeconfig = dir.join("scheduler.kubeconfig");
    api.write_kubeconfig(Component::Scheduler, &kubeconfig)?;
    let server = Server::KubeScheduler;
    Ok(Start { name: server.name(), server, args: arguments(&kubeconfig, dir, port), dir: dir.to_owned(), port })
}

/// What both take. One of each is enough, so nobody has to be elected.
fn arguments(kubeconfig: &Path, dir: &Path, port: u16) -> Vec<String> {
    vec![
        flag("kubeconfig", kubeconfig),
        flag("cert-dir", &dir.join("certs")),
        "--bind-address=127.0.0.1".to_owned(),
        "--leader-elect=false".to_owned(),
        format!("--secure-port={port}"),
    ]
}

fn flag(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}
