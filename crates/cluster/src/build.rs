//! Builds a server from source with Go, in a pinned version, from a module that names nothing else.

use std::fs;
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use aws_lc_rs::digest::{Context as Digest, SHA256};

use crate::artifact::search_path;
use crate::process::Process;
use crate::wait::pause;

/// What `go build` is given. All checksums are in `go_sum`, so every build of one module is the same.
pub(crate) struct Module {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) package: &'static str,
    pub(crate) flags: &'static [&'static str],
    pub(crate) go_mod: &'static str,
    pub(crate) go_sum: &'static str,
    /// The module's own program, if `package` is that.
    pub(crate) main_go: &'static str,
}

impl Module {
    /// Name, version, and a hash over everything that decides about the binary.
    pub(crate) fn file_name(&self) -> String {
        let mut digest = Digest::new(&SHA256);
        for part in [self.package, self.go_mod, self.go_sum, self.main_go]
            .iter()
            .filter(|part| !part.is_empty())
            .chain(self.flags)
        {
            digest.update(part.as_bytes());
            digest.update(&[0]);
        }
        let hash: String = digest.finish().as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{}-{hash}", self.name, self.version)
    }
}

/// Builds in `folder` and answers the binary's path in it. Shows progress on stderr.
pub(crate) fn go(module: &Module, folder: &Path) -> Result<PathBuf> {
    let title = format!("{} {}", module.name, module.version);
    let Some(go) = search_path("go") else {
        bail!("{title} must be built, and there is no `go` on PATH: install Go 1.26 or newer (https://go.dev/dl)");
    };
    fs::write(folder.join("go.mod"), module.go_mod).context("write go.mod")?;
    fs::write(folder.join("go.sum"), module.go_sum).context("write go.sum")?;
    if !module.main_go.is_empty() {
        fs::write(folder.join("main.go"), module.main_go).context("write main.go")?;
    }
    let binary = folder.join("out");
    let mut command = Command::new(go);
    command
        .current_dir(folder)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-mod=readonly")
        .env("GOWORK", "off")
        .args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false"])
        .args(module.flags)
        .arg("-o")
        .arg(&binary)
        .arg(module.package);
    let mut process = Process::spawn("go build", &mut command, &folder.join("go.log"))?;
    let status = wait_showing_progress(&format!("{title}: building from source with Go"), &mut process)?;
    if !status.success() {
        bail!(
            "{title}: go build failed ({status}). It needs the module proxy (GOPROXY, proxy.golang.org), 3 GB of memory \
             and 8 GB of disk for Go's caches. {} ends with:\n{}",
            process.log().display(),
            process.log_tail()
        );
    }
    Ok(binary)
}

// An updating line on a terminal, a line every 15 s elsewhere.
fn wait_showing_progress(title: &str, process: &mut Process) -> Result<ExitStatus> {
    let (terminal, start) = (stderr().is_terminal(), Instant::now());
    let step = Duration::from_secs(if terminal { 1 } else { 15 });
    let mut next = Duration::ZERO;
    loop {
        let elapsed = start.elapsed();
        let ended = process.exited()?;
        if ended.is_some() || elapsed >= next {
            let end = if ended.is_none() { "..." } else { ", done" };
            let line = format!("{title}: {} s{end}", elapsed.as_secs());
            match terminal {
                true => eprint!("\r{line}{}", if ended.is_some() { "\n" } else { "" }),
                false => eprintln!("{line}"),
            }
            next = elapsed + step;
        }
        if let Some(status) = ended {
            return Ok(status);
        }
        pause(Duration::from_millis(200));
    }
}
