//! A kubectl for the load, whose failures are counted, or wrong.

use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use trousseau_cluster::{ApiServer, Server};

use super::Run;

pub(crate) struct Kubectl<'a> {
    binary: PathBuf,
    kubeconfig: PathBuf,
    cache: PathBuf,
    run: &'a Run,
    must_succeed: AtomicBool,
}

impl<'a> Kubectl<'a> {
    /// Its cache lies in `dir`.
    pub(crate) fn new(api: &ApiServer, dir: &Path, run: &'a Run) -> Self {
        Self {
            binary: Server::Kubectl.path().unwrap(),
            kubeconfig: api.kubeconfig().to_owned(),
            cache: dir.join("load-cache"),
            run,
            must_succeed: AtomicBool::new(false),
        }
    }

    /// Whether a call that fails is wrong: one that begins and ends while this is set.
    pub(crate) fn must_succeed(&self, must: bool) {
        self.must_succeed.store(must, Ordering::Relaxed);
    }

    pub(crate) fn run(&self, arguments: &[&str], stdin: &str) -> Output {
        let must_before = self.must_succeed.load(Ordering::Relaxed);
        let output = self.try_run(arguments, stdin);
        if !output.status.success() && must_before && self.must_succeed.load(Ordering::Relaxed) {
            let error = String::from_utf8_lossy(&output.stderr);
            self.run.wrong(format!("kubectl {arguments:?} with {} failed: {error}", self.kubeconfig.display()));
        }
        output
    }

    /// The same; a failure is never wrong.
    pub(crate) fn try_run(&self, arguments: &[&str], stdin: &str) -> Output {
        // Long where a failure would be wrong: a busy machine is none.
        let timeout = if self.must_succeed.load(Ordering::Relaxed) { "60s" } else { "10s" };
        let mut input = tempfile::tempfile().unwrap();
        input.write_all(stdin.as_bytes()).unwrap();
        input.rewind().unwrap();
        let mut command = Command::new(&self.binary);
        command.arg("--kubeconfig").arg(&self.kubeconfig).arg("--cache-dir").arg(&self.cache);
        command.arg("--request-timeout").arg(timeout).args(arguments).stdin(input).output().unwrap()
    }
}
