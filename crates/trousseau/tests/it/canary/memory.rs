//! The process's memory: no core file, and nothing in /proc for a process of the same user.
//!
//! root (CAP_SYS_PTRACE) can read all memory of any process; nothing that a process does to itself prevents that.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, getuid, kill_process};
use tempfile::TempDir;

use super::stage::Caller;
use crate::process::{free_port, get, local, wait_for};

/// Runs a shell line in a folder with no limit on core files.
fn unlimited(dir: &Path, line: &str, args: &[&str]) -> Child {
    let line = format!("ulimit -c unlimited && {line}");
    let mut command = Command::new("/bin/sh");
    command.current_dir(dir).args(["-c", &line, "sh"]).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn ended(child: &mut Child) -> ExitStatus {
    let mut status = None;
    wait_for("the end", 20, || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

fn core_files(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("core")).collect()
}

#[test]
fn i9_a_crash_leaves_no_core() {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let here = !pattern.starts_with(['/', '|']);
    for signal in [Signal::SEGV, Signal::ABORT] {
        let admin = free_port();
        let (dir, text) = local(&format!("admin: 127.0.0.1:{admin}\n"));
        fs::write(dir.path().join("config.yaml"), text).unwrap();

        // The same crash of a process that does not protect itself: shows that this machine writes cores.
        let number = signal.as_raw().to_string();
        let status = ended(&mut unlimited(dir.path(), "kill -$1 $$", &[&number]));
        assert!(
            status.core_dumped(),
            "a plain shell leaves no core here ({status}, core_pattern {pattern}), so nothing can be proved; raise the \
             hard limit of `ulimit -c`, and let core_pattern name a file or a program that is there"
        );
        assert_eq!(!core_files(dir.path()).is_empty(), here, "core_pattern {pattern}");
        core_files(dir.path()).iter().for_each(|name| fs::remove_file(dir.path().join(name)).unwrap());

        let mut serve =
            unlimited(dir.path(), "exec \"$1\" serve --config config.yaml", &[env!("CARGO_BIN_EXE_trousseau")]);
        wait_for("readyz", 20, || get(admin, "/readyz").starts_with("HTTP/1.1 200"));
        let mut status = None;
        wait_for("the end", 20, || {
            // Rust's handler, there for stack overflows, lets the first SIGSEGV from outside pass.
            let _ = kill_process(Pid::from_child(&serve), signal);
            status = serve.try_wait().unwrap();
            status.is_some()
        });
        let status = status.unwrap();
        assert_eq!(status.signal(), Some(signal.as_raw()));
        // Also where the kernel pipes cores to a program, and no file would be found here.
        assert!(!status.core_dumped(), "{signal:?} made a core");
        assert_eq!(core_files(dir.path()), [""; 0]);
    }
}

/// Nobody, where we are root; else ourselves.
fn user() -> Option<u32> {
    getuid().is_root().then_some(65534)
}

fn as_user(command: &mut Command) -> &mut Command {
    match user() {
        Some(id) => command.uid(id).gid(id),
        None => command,
    }
}

/// What a process of the same user gets of a file of /proc/PID.
fn read_by_the_same_user(pid: u32, file: &str) -> bool {
    // `head`, because /proc/PID/mem opens and then fails at its first byte; a map of /proc/PID/maps says more.
    let output = as_user(Command::new("/usr/bin/head").args(["-c", "1", &format!("/proc/{pid}/{file}")])).output();
    let output = output.unwrap();
    let denied = String::from_utf8_lossy(&output.stderr).contains("Permission denied");
    assert!(denied || output.status.success() || file == "mem", "{output:?}");
    !denied
}

#[test]
fn i9_memory_and_environment_are_closed_to_the_same_user() {
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    // Where nobody can get at it: the target folder may be closed.
    let program = dir.path().join("trousseau");
    fs::copy(env!("CARGO_BIN_EXE_trousseau"), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    if let Some(id) = user() {
        chown(&data, Some(id), Some(id)).unwrap();
        chown(dir.path(), Some(id), Some(id)).unwrap();
    }
    let socket = data.join("kms.sock");
    let args = ["serve", "--dev", "--data", data.to_str().unwrap(), "--admin", "off", "--socket"];
    let mut command = Command::new(&program);
    command.args(args).arg(&socket).env("VAULT_TOKEN", "hvs.in-the-environment").current_dir(&data);
    let mut serve =
        as_user(&mut command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("the socket", 20, || socket.exists());
    let _caller = Caller::connect(&socket);
    let mut plain = Command::new("/bin/sleep");
    let mut plain = as_user(plain.arg("60")).spawn().unwrap();
    let closed = ["mem", "environ", "maps", "auxv", "io"].map(|file| {
        let (ours, theirs) = (read_by_the_same_user(serve.id(), file), read_by_the_same_user(plain.id(), file));
        (file, ours, theirs)
    });
    for child in [&mut serve, &mut plain] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    for (file, ours, theirs) in closed {
        assert!(theirs, "/proc/PID/{file} of a plain process is closed too, so nothing is proved");
        assert!(!ours, "/proc/PID/{file} can be read");
    }
}
