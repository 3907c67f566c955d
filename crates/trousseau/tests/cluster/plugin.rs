//! `trousseau serve` as a process, and its admin pages.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use trousseau_cluster::{Process, free_port, wait};

use crate::client::Client;

pub(crate) struct Plugin {
    process: Process,
    args: Vec<String>,
    pub(crate) dir: PathBuf,
    pub(crate) admin: u16,
}

const LOG: &str = "trousseau.log";

impl Plugin {
    /// Starts `serve --config DIR/config.yaml`; `configuration` gets the folder and the admin port.
    pub(crate) fn start(dir: &Path, configuration: impl FnOnce(&Path, u16) -> String) -> Self {
        fs::create_dir_all(dir).unwrap();
        let admin = free_port().unwrap();
        let file = dir.join("config.yaml");
        fs::write(&file, configuration(dir, admin)).unwrap();
        Self::start_with(dir, admin, &["--config", file.to_str().unwrap()])
    }

    /// Starts `serve` with these arguments.
    pub(crate) fn start_with(dir: &Path, admin: u16, args: &[&str]) -> Self {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        Self { process: spawn(dir, &args), args, dir: dir.to_owned(), admin }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join("kms.sock")
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.socket())
    }

    /// The code and body of an admin page; code 0 when nobody answers.
    pub(crate) fn page(&self, path: &str) -> (u16, String) {
        get(self.admin, path)
    }

    pub(crate) fn wait_ready(&self) {
        self.wait_page("/readyz?verbose", 200, Duration::from_secs(60));
    }

    pub(crate) fn wait_page(&self, path: &str, code: u16, timeout: Duration) {
        let mut last = (0, String::new());
        let waited = wait::until(timeout, path, || {
            last = self.page(path);
            Ok((last.0 == code).then_some(()))
        });
        assert!(waited.is_ok(), "{path} is {last:?} and not {code}; log:\n{}", self.process.log_tail());
    }

    /// The value of a metric's line, which begins with this text; 0 if there is none.
    pub(crate) fn metric(&self, line: &str) -> f64 {
        let (_, page) = self.page("/metrics");
        let found = page.lines().find_map(|text| text.strip_prefix(line)?.trim().parse().ok());
        found.unwrap_or(0.0)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.process.log()).unwrap_or_default()
    }

    pub(crate) fn wait_log(&self, text: &str, timeout: Duration) {
        let waited = wait::until(timeout, text, || Ok(self.log().contains(text).then_some(())));
        assert!(waited.is_ok(), "no `{text}` in the log:\n{}", self.log());
    }

    pub(crate) fn signal(&mut self, signal: rustix::process::Signal) {
        self.process.signal(signal).unwrap();
    }

    /// SIGTERM; it must end well.
    pub(crate) fn stop(&mut self) {
        let status = self.process.stop().unwrap();
        assert!(status.success(), "serve ended with {status}; log:\n{}", self.process.log_tail());
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
    }

    /// A new process with the same arguments takes the socket over; the old one must drain and end well.
    pub(crate) fn upgrade(&mut self) {
        let mut args = self.args.clone();
        args.push("--take-over".to_owned());
        let new = spawn(&self.dir, &args);
        let mut old = std::mem::replace(&mut self.process, new);
        let ended = wait::until(Duration::from_secs(60), "the end of the old process", || old.exited());
        let ended = ended.unwrap_or_else(|error| panic!("{error}; log:\n{}", self.log()));
        assert!(ended.success(), "it ended with {ended}; log:\n{}", self.log());
    }

    /// Takes away what else lies in its folder, as on a node that was made anew; the log stays, for who reads it.
    pub(crate) fn forget_all_but(&self, kept: &[&str]) {
        for entry in fs::read_dir(&self.dir).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_file() && !kept.contains(&name.as_str()) && name != LOG {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }

    /// Starts it again with the same arguments.
    pub(crate) fn start_again(&mut self) {
        self.process = spawn(&self.dir, &self.args);
    }
}

fn spawn(dir: &Path, args: &[String]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trousseau"));
    command.arg("serve").args(args).env_remove("VAULT_TOKEN").env_remove("VAULT_ADDR");
    Process::spawn("trousseau", &mut command, &dir.join(LOG)).unwrap()
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
