//! A whole node: containerd and kubelet, on which pods run.

mod files;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::api_server::{ApiServer, Component};
use crate::archive::{ImageFile, docker_archive};
use crate::artifact::{Server, search_path};
use crate::process::{Process, folder};
use crate::{http, namespaces, port, wait};

/// The name under which it joins the cluster.
pub const NODE_NAME: &str = "node";

const START: Duration = Duration::from_secs(60);

/// Its own /run: containerd's sockets and states, and the folder of the plugin's socket, as after a boot. The rest of
/// what would be written outside of the folder goes to memory that ends with the node.
const BOOT: &str = r#"set -e
mkdir -p /var/log/containers /var/lib/kubelet
for folder in /run /var/log/containers /var/lib/kubelet; do mount -t tmpfs -o mode=0755 tmpfs "$folder"; done
mkdir -p /run/containerd /run/lock /run/trousseau
mount --bind "$1/run" /run/trousseau
exec containerd --config "$1/containerd.toml""#;

/// A running containerd and kubelet. It needs root, and containerd, runc, unshare, nsenter and setpriv on `PATH`.
///
/// Both, and every container, live in process and mount namespaces of their own: however the program that holds this
/// ends, the kernel ends all of them and takes their mounts away. Pods are on the host's network; there is no other. Its
/// /run/trousseau is [`Node::run`] outside. Its folder stays.
#[derive(Debug)]
pub struct Node {
    containerd: Process,
    kubelet: Option<Process>,
    dir: PathBuf,
    ports: [u16; 2],
}

impl Node {
    /// What is missing on this machine for a node, as a sentence; `None` if nothing is.
    pub fn lacking() -> Option<String> {
        if !rustix::process::geteuid().is_root() {
            return Some("a node needs root".to_owned());
        }
        let tools = ["containerd", "runc", "ctr", "unshare", "nsenter", "setpriv"];
        let missing: Vec<_> = tools.into_iter().filter(|tool| search_path(tool).is_none()).collect();
        (!missing.is_empty())
            .then(|| format!("a node needs {}: install Debian's containerd and runc", missing.join(", ")))
    }

    /// Starts it with everything it writes in `dir`, and waits until it has joined: 60 s at most for each step. The
    /// API server must have been started for a node ([`crate::ApiServerConfig::node`]).
    pub fn start(dir: impl AsRef<Path>, api: &ApiServer) -> Result<Self> {
        if let Some(lacking) = Self::lacking() {
            bail!("{lacking}");
        }
        let dir = folder(dir.as_ref())?;
        for name in ["run", "manifests", "pod-logs", "cni", "kubelet"] {
            folder(&dir.join(name))?;
        }
        fs::write(dir.join("containerd.toml"), files::containerd(&dir)).context("write containerd.toml")?;
        fs::write(dir.join("cni/none.conflist"), files::network().to_string()).context("write none.conflist")?;
        api.write_kubeconfig(Component::Kubelet, &dir.join("kubelet.kubeconfig"))?;
        let containerd = boot(&dir)?;
        let mut node = Self { containerd, kubelet: None, dir, ports: [port::free_port()?, port::free_port()?] };
        let pause = node.dir.join("pause.tar");
        let program = ImageFile { path: "pause".to_owned(), source: Server::Pause.path()? };
        docker_archive(&pause, files::PAUSE, &[program], &["/pause"])?;
        node.import(&pause)?;
        node.start_kubelet()?;
        wait::until(START, "the node to join", || Ok(api.kubectl_text(&["get", "node", NODE_NAME]).ok()))
            .with_context(|| format!("kubelet's log ends with:\n{}", node.kubelet_log_tail()))?;
        Ok(node)
    }

    /// /run/trousseau of the node.
    pub fn run(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// Brings the images of a docker-archive in.
    pub fn import(&self, archive: &Path) -> Result<()> {
        let archive = archive.to_str().context("the archive's path is not UTF-8")?;
        self.ctr(&["images", "import", archive]).map(drop)
    }

    /// A further name for an image that is there.
    pub fn tag(&self, image: &str, name: &str) -> Result<()> {
        self.ctr(&["images", "tag", image, name]).map(drop)
    }

    /// Runs `ctr` in Kubernetes' namespace of containerd; its stdout. An exit code other than 0 is an error.
    pub fn ctr(&self, args: &[&str]) -> Result<String> {
        let output = ctr(&self.dir, args)?;
        if !output.status.success() {
            bail!("ctr {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Puts a static pod's manifest in place, by rename; kubelet takes it within seconds, and without an API server.
    pub fn static_pod(&self, name: &str, manifest: &str) -> Result<()> {
        let (new, path) = (self.dir.join("static-pod.new"), self.dir.join("manifests").join(format!("{name}.yaml")));
        fs::write(&new, manifest)
            .and_then(|()| fs::rename(&new, &path))
            .with_context(|| format!("write {}", path.display()))
    }

    /// Takes a static pod's manifest away.
    pub fn remove_static_pod(&self, name: &str) -> Result<()> {
        let path = self.dir.join("manifests").join(format!("{name}.yaml"));
        fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))
    }

    /// What the containers of this name have logged, in all pods and lives that are still there.
    pub fn logs(&self, container: &str) -> String {
        let folders = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut files: Vec<PathBuf> = folders(&self.dir.join("pod-logs"))
            .flat_map(|pod| folders(&pod.join(container)).collect::<Vec<_>>())
            .collect();
        files.sort();
        files.iter().map(|file| fs::read_to_string(file).unwrap_or_default()).collect()
    }

    /// Ends kubelet, as a crash would, and starts it again; containers go on meanwhile.
    pub fn restart_kubelet(&mut self) -> Result<()> {
        self.stop_kubelet()?;
        self.start_kubelet()
    }

    /// Ends kubelet, as a crash would; containers go on.
    pub fn stop_kubelet(&mut self) -> Result<()> {
        self.kubelet.take().map_or(Ok(()), |mut kubelet| kubelet.kill().map(drop))
    }

    /// Cuts the power: every process of the node ends at once, and what lay in /run is gone.
    pub fn power_off(&mut self) -> Result<()> {
        self.end()?;
        namespaces::empty(&self.run())
    }

    /// Starts containerd and kubelet again after [`Node::power_off`].
    pub fn power_on(&mut self) -> Result<()> {
        self.containerd = boot(&self.dir)?;
        self.start_kubelet()
    }

    /// The end of kubelet's log.
    pub fn kubelet_log_tail(&self) -> String {
        self.kubelet.as_ref().map(Process::log_tail).unwrap_or_default()
    }

    /// Gives /run/trousseau to a user and its group, as an entry for systemd-tmpfiles would at every boot.
    pub fn give_run_to(&self, id: u32) -> Result<()> {
        let run = self.run();
        std::os::unix::fs::chown(&run, Some(id), Some(id)).with_context(|| format!("chown {}", run.display()))
    }

    /// Ends every process of the node, and returns when all are gone.
    fn end(&mut self) -> Result<()> {
        self.stop_kubelet()?;
        namespaces::end(&mut self.containerd)
    }

    fn start_kubelet(&mut self) -> Result<()> {
        let config = self.dir.join("kubelet.json");
        fs::write(&config, files::kubelet(&self.dir, self.ports).to_string()).context("write kubelet.json")?;
        let init = namespaces::first(self.containerd.id())?.as_raw_nonzero().to_string();
        let mut command = Command::new("nsenter");
        command
            .args(["--mount", "--pid", "--target", &init, "setpriv", "--pdeathsig", "KILL"])
            .arg(Server::Kubelet.path()?)
            .arg("--config")
            .arg(config)
            .arg("--kubeconfig")
            .arg(self.dir.join("kubelet.kubeconfig"))
            .arg("--root-dir")
            .arg(self.dir.join("kubelet"))
            .arg(format!("--hostname-override={NODE_NAME}"));
        let mut kubelet = Process::spawn("kubelet", &mut command, &self.dir.join("kubelet.log"))?;
        let health = (std::net::Ipv4Addr::LOCALHOST, self.ports[1]).into();
        kubelet
            .wait_until_serving(START, || matches!(http::request(health, "GET", "/healthz", &[], b""), Ok((200, _))))?;
        self.kubelet = Some(kubelet);
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Should it fail, the process's own end ends the namespaces.
        let _ = self.end();
        remove_cgroups(&self.dir.join("containerd/io.containerd.runtime.v2.task/k8s.io"));
    }
}

fn boot(dir: &Path) -> Result<Process> {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", BOOT, "boot"]).arg(dir);
    let mut process = Process::spawn("containerd", &mut command, &dir.join("containerd.log"))?;
    process.wait_until_serving(START, || ctr(dir, &["version"]).is_ok_and(|output| output.status.success()))?;
    Ok(process)
}

fn ctr(dir: &Path, args: &[&str]) -> Result<Output> {
    let mut command = Command::new("ctr");
    command.arg("--address").arg(dir.join("containerd.sock")).args(["--namespace", "k8s.io"]).args(args);
    command.output().context("ctr cannot be run")
}

/// Removes the control groups of containers that are gone; `tasks` has a folder for each of them. What can't be removed
/// is empty and does no harm.
fn remove_cgroups(tasks: &Path) {
    let names = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let (tasks, root): (Vec<_>, _) = (names(tasks).collect(), Path::new("/sys/fs/cgroup"));
    let hierarchies = names(root).map(|name| root.join(name)).chain([root.to_owned()]);
    for hierarchy in hierarchies {
        for task in &tasks {
            let _ = fs::remove_dir(hierarchy.join("k8s.io").join(task));
        }
    }
}
