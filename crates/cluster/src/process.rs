//! A child process that cannot outlive this one.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::wait;

// How long SIGTERM may take before SIGKILL: kube-apiserver drains its watches for some seconds.
const GRACE: Duration = Duration::from_secs(10);
const TAIL: u64 = 4000;

/// A running child process and its log file.
///
/// It gets a process group of its own, so that Ctrl-C in a terminal reaches only the program that started it. When
/// that program ends, however it ends (SIGKILL included), the child is killed. Dropping sends SIGTERM, after 10 s
/// SIGKILL, and waits for the end.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    watchdog: Option<Child>,
    log: PathBuf,
    log_start: u64,
}

impl Process {
    /// Starts `command` with stdin closed, and stdout and stderr appended to the file `log`.
    ///
    /// `name` is used in errors. Fails if the program or the log file cannot be opened.
    pub fn spawn(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("{name}: its log file {} cannot be opened", log.display()))?;
        let log_start = file.metadata().map_or(0, |metadata| metadata.len());
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("duplicate the log's file descriptor")?)
            .stderr(file)
            .process_group(0)
            .spawn()
            .with_context(|| format!("{name}: {} cannot be started", command.get_program().display()))?;
        let mut process = Self { name: name.to_owned(), child, watchdog: None, log: log.to_owned(), log_start };
        process.watchdog = Some(watch(process.child.id())?);
        Ok(process)
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The log file.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The end of what this process wrote to its log: at most 4000 bytes.
    pub fn log_tail(&self) -> String {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(&self.log)?;
            let start = file.metadata()?.len().saturating_sub(TAIL).max(self.log_start);
            file.seek(SeekFrom::Start(start))?;
            let mut tail = Vec::new();
            file.read_to_end(&mut tail)?;
            Ok(tail)
        };
        read().map_or_else(|error| format!("(unreadable: {error})"), |tail| String::from_utf8_lossy(&tail).into_owned())
    }

    /// How it ended, or `None` while it runs. Does not wait.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.child.try_wait().with_context(|| format!("{}: its state cannot be read", self.name))?;
        if status.is_some() {
            self.dismiss_watchdog();
        }
        Ok(status)
    }

    /// Waits for the end, without a bound: for a tool that ends by itself.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let status = self.child.wait().with_context(|| format!("{}: waiting for its end failed", self.name))?;
        self.dismiss_watchdog();
        Ok(status)
    }

    /// Waits until `probe` answers true. The error, also when the process ends before, contains the log's tail.
    pub fn wait_until_serving(&mut self, timeout: Duration, mut probe: impl FnMut() -> bool) -> Result<()> {
        let what = format!("{} to serve", self.name);
        let serving = wait::until(timeout, &what, || match self.exited()? {
            Some(status) => bail!("{} ended while it should start: {status}", self.name),
            None => Ok(probe().then_some(())),
        });
        serving.with_context(|| format!("log {} ends with:\n{}", self.log.display(), self.log_tail()))
    }

    /// Sends a signal; does nothing when the process has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.exited()?.is_none() {
            // Not reaped yet, so the id is still ours.
            kill_process(Pid::from_child(&self.child), signal)
                .with_context(|| format!("{}: sending signal {signal:?} failed", self.name))?;
        }
        Ok(())
    }

    /// SIGTERM, after 10 s SIGKILL; returns when the process is gone, with how it ended.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        match wait::until(GRACE, "the end", || self.exited()) {
            Ok(status) => Ok(status),
            Err(_) => self.kill(),
        }
    }

    /// SIGKILL, to its whole process group; returns when the process is gone, with how it ended.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        if self.exited()?.is_none() {
            // Not reaped yet, so the id is still ours.
            kill_process_group(Pid::from_child(&self.child), Signal::KILL)
                .with_context(|| format!("{}: sending SIGKILL failed", self.name))?;
        }
        let status = self.child.wait().with_context(|| format!("{}: waiting for its end failed", self.name))?;
        self.dismiss_watchdog();
        Ok(status)
    }

    fn dismiss_watchdog(&mut self) {
        if let Some(mut watchdog) = self.watchdog.take() {
            // Failures mean that it is gone already.
            let _ = watchdog.kill();
            let _ = watchdog.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.stop().is_err() {
            let _ = self.kill();
        }
    }
}

/// Creates `dir` and its parents, and answers its absolute form.
pub(crate) fn folder(dir: &Path) -> Result<PathBuf> {
    fs::create_dir_all(dir).and_then(|()| dir.canonicalize()).with_context(|| {
        format!("the folder {} cannot be created; give one below a folder you can write to", dir.display())
    })
}

/// Removes our environment's variables with this prefix, which would change what the child does.
pub(crate) fn without_variables<'a>(command: &'a mut Command, prefix: &str) -> &'a mut Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with(prefix) {
            command.env_remove(name);
        }
    }
    command
}

// A shell that reads from a pipe which only we hold open: it wakes up when we die, from whatever cause and in whatever
// thread. The kernel's parent-death signal would need unsafe code, and fires with the spawning thread.
fn watch(pid: u32) -> Result<Child> {
    Command::new("/bin/sh")
        .args(["-c", r#"read -r _; kill -s KILL -- "-$1""#, "watchdog", &pid.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("/bin/sh cannot be started to watch over a child process")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn sh(script: &str, log: &Path) -> Process {
        Process::spawn("sh", Command::new("/bin/sh").args(["-c", script]), log).unwrap()
    }

    #[test]
    fn dies_when_our_end_of_the_watchdogs_pipe_closes() {
        let dir = tempfile::tempdir().unwrap();
        let mut process = sh("exec sleep 600", &dir.path().join("log"));
        // What the kernel does when we die.
        drop(process.watchdog.as_mut().unwrap().stdin.take());
        let status = wait::until(GRACE, "its death", || process.exited()).unwrap();
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()));
    }

    #[test]
    fn stop_lets_it_finish_and_drop_ends_it() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let mut process = sh("trap 'echo bye; exit 3' TERM; echo hello; while :; do sleep 0.01; done", &log);
        process.wait_until_serving(GRACE, || fs::read(&log).unwrap() == b"hello\n").unwrap();
        assert_eq!(process.stop().unwrap().code(), Some(3));
        assert_eq!(process.log_tail(), "hello\nbye\n");

        let process = sh("exec sleep 600", &log);
        let id = Pid::from_child(&process.child);
        drop(process);
        assert!(rustix::process::test_kill_process(id).is_err());
    }

    #[test]
    fn a_process_that_ends_early_shows_the_tail_of_its_own_log_only() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        fs::write(&log, "an earlier run\n").unwrap();
        let mut process = sh("echo no such flag >&2; exit 1", &log);
        let error = format!("{:#}", process.wait_until_serving(GRACE, || false).unwrap_err());
        assert!(error.ends_with("no such flag\n: sh ended while it should start: exit status: 1"), "{error}");
        assert!(!error.contains("an earlier run"));
    }
}
