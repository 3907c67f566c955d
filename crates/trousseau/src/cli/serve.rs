//! `trousseau serve`: by file, by flags alone, or `--dev`.

use std::io;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use tokio::runtime::Builder;
use trousseau_observe::log::{Format, Log};

use super::config::explained;
use super::{Failure, stderr_colour};
use crate::clock::ClockFlags;
use crate::config::{Config, KeyFlags, Loaded, LogFormat, ProcessFlags, Socket, load, process_environment};
use crate::daemon::{self, Options, Source};
use crate::dev;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file; it may come late
    #[arg(long, visible_alias = "config-file-path", value_name = "FILE", conflicts_with = "dev")]
    config: Option<PathBuf>,
    /// Take the socket over from the process that serves it, once this one has proven its key
    #[arg(long)]
    take_over: bool,
    /// A key of its own in the data folder, for trying things out
    #[arg(long)]
    dev: bool,
    /// The data folder of --dev
    #[arg(long, value_name = "DIR", requires = "dev", default_value = "trousseau-dev")]
    data: PathBuf,
    #[command(flatten)]
    key: KeyFlags,
    #[command(flatten)]
    process: ProcessFlags,
    #[command(flatten)]
    clock: ClockFlags,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let file = args.config.clone();
    let options = options(args)?;
    // One worker serves the socket; the main thread keeps timers and signals. Measured best on few cores.
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("trousseau")
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    let outcome = runtime.block_on(daemon::run(options));
    runtime.shutdown_background();
    match (outcome, file) {
        (Err(Failure::Usage(error)), Some(file)) => Err(Failure::Usage(explained(error, &file))),
        (outcome, _) => outcome,
    }
}

fn options(args: Args) -> Result<Options, Failure> {
    let Args { config, take_over, dev, data, key, process, clock } = args;
    let usage = |error: crate::config::ConfigError| Failure::Usage(error.into());
    let environment = process_environment();
    let early_socket = process.socket().map_err(usage)?;
    let early_admin = process.admin().map_err(usage)?;
    let (source, shape) = match (config, dev) {
        (Some(file), _) => {
            if key.any() {
                let text = "key flags and --config don't mix; put the key into the file, or leave the file out";
                return Err(Failure::Usage(anyhow!(text)));
            }
            // The log starts before the daemon looks at the file, so its shape is asked for here; errors come there.
            let shape = load(&file, &environment).and_then(|loaded| process.apply(loaded)).ok().map(|it| it.config);
            let path = file.clone();
            let read = move || load(&path, &environment).and_then(|loaded| process.apply(loaded));
            (Source::File(file, Box::new(read)), shape)
        }
        (None, true) => {
            if key.any() {
                let text = "key flags and --dev don't mix: it makes a key of its own, for trying things out";
                return Err(Failure::Usage(anyhow!(text)));
            }
            let loaded =
                dev::prepare(&data, &environment).and_then(|it| Ok(process.apply(it)?)).map_err(Failure::Failed)?;
            dev::print(&loaded.config, &mut io::stdout()).context("can't print")?;
            fixed(loaded)
        }
        (None, false) => fixed(key.load(&environment).and_then(|loaded| process.apply(loaded)).map_err(usage)?),
    };
    let log = start_log(shape.as_ref())?;
    let inherited = daemon::inherited_socket().map_err(Failure::Failed)?;
    let passed = inherited.as_ref().and_then(|listener| Some(listener.local_addr().ok()?.as_pathname()?.to_owned()));
    let early_socket = early_socket.or_else(|| Some(Socket { path: passed?, ..Socket::default() }));
    Ok(Options { source, early_socket, early_admin, take_over, inherited, log, clock: clock.clock() })
}

fn fixed(loaded: Loaded) -> (Source, Option<Config>) {
    let config = loaded.config.clone();
    (Source::Fixed(Box::new(loaded)), Some(config))
}

fn start_log(config: Option<&Config>) -> Result<Log, Failure> {
    let section = config.map(|config| config.log).unwrap_or_default();
    let format = match section.format {
        LogFormat::Json => Format::Json,
        LogFormat::Text => Format::Text,
    };
    Ok(Log::start(section.level.as_str(), format, stderr_colour()).context("log")?)
}
