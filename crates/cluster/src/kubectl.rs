//! kubectl, bound to one API server.

use std::fs;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::artifact::Server;

/// A kubeconfig and the binary that uses it.
#[derive(Debug)]
pub(crate) struct Kubectl {
    binary: PathBuf,
    dir: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// Writes `dir/kubeconfig` for `url`. The CA file need not exist yet: the API server makes it when it starts.
    pub(crate) fn new(dir: &Path, url: &str, ca: &Path, token: &str) -> Result<Self> {
        let path = dir.join("kubeconfig");
        write_kubeconfig(&path, url, ca, token)?;
        Ok(Self { binary: Server::Kubectl.path()?, dir: dir.to_owned(), kubeconfig: path })
    }

    /// The kubeconfig file.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs it; requests end after 30 s. Fails only if it cannot be run.
    pub(crate) fn run(&self, args: &[&str], stdin: &[u8]) -> Result<Output> {
        // A file and no pipe: whoever reads or writes first, nobody waits for the other.
        let mut input = tempfile::tempfile().context("make a file for kubectl's stdin")?;
        input.write_all(stdin).and_then(|()| input.rewind()).context("write kubectl's stdin")?;
        Command::new(&self.binary)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .arg("--cache-dir")
            .arg(self.dir.join("kubectl-cache"))
            .arg("--request-timeout=30s")
            .args(args)
            .stdin(input)
            .output()
            .with_context(|| format!("{} cannot be run", self.binary.display()))
    }

    /// stdout; an exit code other than 0 is an error.
    pub(crate) fn text(&self, args: &[&str]) -> Result<String> {
        let output = self.run(args, b"")?;
        if !output.status.success() {
            bail!("kubectl {}: {}: {}", args.join(" "), output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        String::from_utf8(output.stdout).with_context(|| format!("kubectl {}: not UTF-8", args.join(" ")))
    }
}

/// Writes a kubeconfig for one server and one user.
pub(crate) fn write_kubeconfig(path: &Path, url: &str, ca: &Path, token: &str) -> Result<()> {
    // JSON is YAML.
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": url, "certificate-authority": ca}}],
        "users": [{"name": "it", "user": {"token": token}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    });
    fs::write(path, kubeconfig.to_string()).with_context(|| format!("write {}", path.display()))
}
