//! The log: JSON or text on standard error, with a level that can be changed while it runs.

mod lines;

use std::io;
use std::sync::{Mutex, PoisonError};

use lines::Lines;
use thiserror::Error;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer as _, Registry, fmt, reload};

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For people; coloured on a terminal only, and not with `NO_COLOR`.
    #[default]
    Text,
}

/// The running log.
pub struct Log {
    filter: reload::Handle<Targets, Registry>,
    levels: Mutex<Levels>,
    lines: Lines,
}

impl Drop for Log {
    /// At the end of a process: its last lines are written.
    fn drop(&mut self) {
        self.lines.flush();
    }
}

#[derive(Clone, Copy)]
struct Levels {
    configured: LevelFilter,
    debugging: bool,
}

/// Why the log can't be what was asked for.
#[derive(Debug, Error)]
pub enum LogError {
    /// Not one of the five levels.
    #[error("`{0}` is no log level; write one of: error, warn, info, debug, trace")]
    Level(String),
    /// A second start in one process.
    #[error("the log was started before")]
    Started(#[from] TryInitError),
    /// No thread for the lines.
    #[error("the log can't have a thread")]
    Thread(#[from] io::Error),
}

impl Log {
    /// Starts the process's log at a level (`error`, `warn`, `info`, `debug`, `trace`).
    ///
    /// # Errors
    /// An unknown level; a second start; no thread.
    pub fn start(level: &str, format: Format, colour: bool) -> Result<Self, LogError> {
        let configured = parse(level)?;
        let (filter, handle) = reload::Layer::new(targets(configured));
        let lines = Lines::to(io::stderr(), lost(format))?;
        let layer = fmt::layer().with_writer(lines.clone()).with_ansi(colour);
        let layer = match format {
            Format::Json => layer.json().flatten_event(true).boxed(),
            Format::Text => layer.with_target(false).boxed(),
        };
        tracing_subscriber::registry().with(filter).with(layer).try_init()?;
        Ok(Self { filter: handle, levels: Mutex::new(Levels { configured, debugging: false }), lines })
    }

    /// Sets the level from now on; ends a debugging phase.
    ///
    /// # Errors
    /// An unknown level; the old one stays.
    pub fn set_level(&self, level: &str) -> Result<(), LogError> {
        let configured = parse(level)?;
        self.change(|levels| *levels = Levels { configured, debugging: false });
        Ok(())
    }

    /// Switches between debug and the configured level (SIGUSR1); true if it debugs now.
    pub fn toggle_debug(&self) -> bool {
        self.change(|levels| levels.debugging = !levels.debugging)
    }

    fn change(&self, change: impl FnOnce(&mut Levels)) -> bool {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut levels);
        let level = if levels.debugging { levels.configured.max(LevelFilter::DEBUG) } else { levels.configured };
        // Fails only when the subscriber is gone, and then nobody reads lines.
        let _ = self.filter.reload(targets(level));
        levels.debugging
    }
}

/// Our own targets at the level asked for; everything else no lower than info: h2, hyper and rustls print frames and
/// headers below that, and with them tokens and seeds (I9).
fn targets(level: LevelFilter) -> Targets {
    let others = level.min(LevelFilter::INFO);
    // The SDK of AWS tells at info which access key it uses, again and again.
    let sdk = level.min(LevelFilter::WARN);
    Targets::new().with_default(others).with_target("trousseau", level).with_target("aws_", sdk)
}

/// What stands where lines are missing.
fn lost(format: Format) -> fn(u64) -> String {
    match format {
        Format::Json => |lines| {
            format!(
                "{{\"level\":\"WARN\",\"message\":\"log lines lost: nobody read them in time\",\"lines\":{lines}}}\n"
            )
        },
        Format::Text => |lines| format!(" WARN {lines} log lines were lost here: nobody read them in time\n"),
    }
}

fn parse(level: &str) -> Result<LevelFilter, LogError> {
    match level {
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        other => Err(LogError::Level(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::{LevelFilter, parse, targets};

    #[test]
    fn i9_other_crates_never_log_below_info() {
        let filter = targets(LevelFilter::TRACE);
        assert!(filter.would_enable("trousseau_server::v2", &Level::TRACE));
        for target in ["h2::codec", "hyper::proto", "rustls::client", "tonic"] {
            assert!(!filter.would_enable(target, &Level::DEBUG), "{target}");
            assert!(filter.would_enable(target, &Level::INFO), "{target}");
        }
        assert!(!filter.would_enable("aws_config::profile::credentials", &Level::INFO));
        assert!(filter.would_enable("aws_config::profile::credentials", &Level::WARN));
        assert!(filter.would_enable("trousseau_aws::places", &Level::TRACE));
    }

    #[test]
    fn an_unknown_level_is_refused() {
        assert_eq!(parse("verbose").unwrap_err().to_string().split(';').next(), Some("`verbose` is no log level"));
    }
}
