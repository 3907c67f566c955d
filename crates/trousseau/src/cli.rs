//! The command line: one file per command, one exit code per kind of failure.

mod bench;
mod config;
mod demo;
mod generate;
mod keygen;
mod providers;
mod serve;

use std::io::{self, IsTerminal as _, Write as _};
use std::panic;
use std::process::ExitCode;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use clap::{Parser, Subcommand};
use rustix::fs::Mode;

/// A Kubernetes KMS plugin: Secrets encrypted under a key that stays in your KMS.
#[derive(Debug, Parser)]
#[command(name = "trousseau", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the plugin.
    Serve(Box<serve::Args>),
    /// See it work: an embedded key, or a real API server, etcd and Vault.
    Demo(demo::Args),
    /// Make a local key file, or add a version to one.
    Keygen(keygen::Args),
    /// Look at a configuration file.
    Config(config::Args),
    /// List the kinds of KMS that this binary has, with the fields of their sections.
    Providers(providers::Args),
    /// Put load on any KMS plugin's socket, and measure.
    Bench(bench::Args),
    /// Print completions for a shell.
    Completions(generate::Completions),
    /// Print the man page (troff): `trousseau man | man -l -`.
    Man,
}

/// How a command ended, if not well. The number is the exit code.
#[derive(Debug)]
pub enum Failure {
    /// It failed: exit code 1.
    Failed(anyhow::Error),
    /// Usage, syntax or configuration: exit code 2.
    Usage(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// Parses the command line and runs it. Exit codes: 0 good, 1 failed, 2 usage or configuration.
pub fn main() -> ExitCode {
    harden();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            // A closed pipe is no reason to fail.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let outcome = match cli.command {
        Command::Serve(args) => serve::run(*args),
        Command::Demo(args) => demo::run(&args),
        Command::Keygen(args) => keygen::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Providers(args) => providers::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Completions(args) => generate::completions(&args),
        Command::Man => generate::man(),
    };
    let (code, error) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Failed(error)) => (1, error),
        Err(Failure::Usage(error)) => (2, error),
    };
    let _ = writeln!(io::stderr(), "trousseau: {error:#}");
    ExitCode::from(code)
}

/// Files are ours alone unless a mode says otherwise; no core dump and no debugger of the same user sees the keys; a
/// panic tells its place and not its payload, which might quote what it was working on (I9).
pub fn harden() {
    rustix::process::umask(Mode::from_raw_mode(0o077));
    // Where dumpable is refused, this still keeps the kernel from writing a core file (but not from piping one).
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    // Refused in some sandboxes, where it is then the sandbox's affair.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|place| format!(" at {place}")).unwrap_or_default();
        // A panic in here would end the process, and a standard error that nobody reads hold up whoever panics.
        let (done, written) = sync_channel(1);
        let write = thread::Builder::new().spawn(move || {
            let _ = writeln!(io::stderr(), "trousseau: panic{place}; please report it");
            let _ = done.send(());
        });
        let _ = write.map(|_| written.recv_timeout(Duration::from_secs(1)));
    }));
    // One TLS module for the process; a second install only says that it is there.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Colour only for a terminal, and only if the user doesn't mind.
pub(crate) fn colour(stream: &impl io::IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Colour on standard error.
pub(crate) fn stderr_colour() -> bool {
    colour(&io::stderr()) && io::stderr().is_terminal()
}
