//! A machine whose first process is systemd.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::artifact::search_path;
use crate::namespaces;
use crate::process::{Process, folder};

const SYSTEMD: &str = "/lib/systemd/systemd";
const BOOT: &str = include_str!("machine.sh");
const START: Duration = Duration::from_secs(120);

/// A running systemd in namespaces of its own, with this system's files below a layer of its own: what is written in it
/// stays in its folder. The network is the host's. It needs root, Debian's systemd, and a folder on a file system that
/// can be an overlay's upper layer.
///
/// However the program that holds this ends, the kernel ends every process of it.
#[derive(Debug)]
pub struct Machine {
    init: Process,
    dir: PathBuf,
}

impl Machine {
    /// What is missing here, as a sentence; `None` if nothing is.
    pub fn lacking() -> Option<String> {
        if !rustix::process::geteuid().is_root() {
            return Some("a machine with systemd needs root".to_owned());
        }
        if !Path::new(SYSTEMD).exists() {
            return Some(format!("a machine with systemd needs {SYSTEMD}: install Debian's systemd"));
        }
        let missing: Vec<_> =
            ["unshare", "nsenter", "systemctl"].into_iter().filter(|tool| search_path(tool).is_none()).collect();
        if !missing.is_empty() {
            return Some(format!("a machine with systemd needs {}", missing.join(", ")));
        }
        let tried = tempfile::tempdir().map_err(anyhow::Error::from).and_then(|dir| overlay(dir.path()));
        tried.err().map(|error| format!("a machine with systemd needs an overlay file system: {error:#}"))
    }

    /// Boots it with everything it writes in `dir`, and waits until its units have started: 120 s at most.
    pub fn start(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = folder(dir.as_ref())?;
        for name in ["root", "upper", "work", "run", "mnt"] {
            folder(&dir.join(name))?;
        }
        fs::write(dir.join("boot.sh"), BOOT).context("write boot.sh")?;
        let init = boot(&dir).inspect_err(|_| remove_all_groups(&dir))?;
        Ok(Self { init, dir })
    }

    /// Its /run/trousseau.
    pub fn run(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// Its /mnt, to hand files in.
    pub fn mnt(&self) -> PathBuf {
        self.dir.join("mnt")
    }

    /// Runs a script in it, as root; its standard output. An exit code other than 0 is an error.
    pub fn shell(&self, script: &str) -> Result<String> {
        let output =
            enter(self.init.id(), &["bash", "-euo", "pipefail", "-c", script])?.output().context("run nsenter")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("{script}: {}\n{text}{errors}\nsystemd said:\n{}", output.status, self.init.log_tail());
        }
        Ok(text)
    }

    /// Cuts the power: every process ends at once, and what lay in /run is gone.
    pub fn power_off(&mut self) -> Result<()> {
        namespaces::end(&mut self.init)?;
        namespaces::empty(&self.run())
    }

    /// Boots it again after [`Machine::power_off`].
    pub fn power_on(&mut self) -> Result<()> {
        self.init = boot(&self.dir)?;
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Should it fail, the process's own end ends the namespaces.
        let _ = self.power_off();
        remove_all_groups(&self.dir);
    }
}

fn remove_all_groups(dir: &Path) {
    let name = groups(dir);
    let folders = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten().map(|entry| entry.path());
    for hierarchy in folders.chain([PathBuf::from("/sys/fs/cgroup")]) {
        remove_groups(&hierarchy.join(&name));
    }
}

/// Empty groups, from the innermost on. What can't be removed does no harm.
fn remove_groups(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_groups(&entry.path());
        }
    }
    let _ = fs::remove_dir(group);
}

/// The name of its control groups.
fn groups(dir: &Path) -> String {
    let name: String = dir.display().to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    format!("trousseau-machine-{name}")
}

fn boot(dir: &Path) -> Result<Process> {
    let mut command = Command::new("sh");
    command.arg(dir.join("boot.sh")).arg(dir).arg(groups(dir)).arg("outside");
    let mut init = Process::spawn("systemd", &mut command, &dir.join("systemd.log"))?;
    let id = init.id();
    init.wait_until_serving(START, || {
        let state = enter(id, &["systemctl", "is-system-running"]).and_then(|mut command| Ok(command.output()?));
        // `degraded` too: which units matter, the caller knows.
        state.is_ok_and(|output| matches!(output.stdout.trim_ascii(), b"running" | b"degraded"))
    })?;
    Ok(init)
}

/// A command in the namespaces of the `unshare` with this process id.
fn enter(unshare: u32, words: &[&str]) -> Result<Command> {
    let target = namespaces::first(unshare)?.as_raw_nonzero().to_string();
    let mut command = Command::new("nsenter");
    command
        .args(["--target", &target, "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--root", "--wd=/"])
        .args(words);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    Ok(command)
}

/// Mounts an overlay on this folder, in a namespace that ends with that.
fn overlay(dir: &Path) -> Result<()> {
    for name in ["root", "upper", "work"] {
        folder(&dir.join(name))?;
    }
    let script = "mount -t overlay overlay -o lowerdir=/,upperdir=$1/upper,workdir=$1/work $1/root";
    let output = Command::new("unshare").args(["--mount", "sh", "-c", script, "sh"]).arg(dir).output();
    let output = output.context("unshare cannot be run")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
