//! The process flags: they join any file, and win over it. Beside them the Go Trousseau's.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::ORIGIN;
use super::key::absolute;
use crate::config::admin::admin_default;
use crate::config::error::ConfigError;
use crate::config::{Admin, Loaded, LogFormat, LogLevel, Socket, Warning, check};

/// Socket, admin endpoint and log, whatever the file says.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Process")]
pub struct ProcessFlags {
    /// The socket for kube-apiserver
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// The admin endpoint's address, or `off`
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    /// How much is logged
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<LogLevel>,
    /// The shape of a log line
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    #[command(flatten)]
    legacy: LegacyFlags,
}

/// The Go Trousseau's flags. What has a meaning here is mapped, the rest accepted with a warning. As in Go, the last one
/// of a kind counts: its own manifests name `-v` twice.
#[derive(Clone, Debug, Default, Args)]
struct LegacyFlags {
    #[arg(long, hide = true, value_name = "unix:///PATH", conflicts_with = "socket", overrides_with = "listen_addr")]
    listen_addr: Option<String>,
    #[arg(short = 'v', long = "v", hide = true, value_name = "N", overrides_with = "verbosity")]
    verbosity: Option<u8>,
    #[arg(long, hide = true, value_name = "ENCODER", overrides_with = "zap_encoder")]
    zap_encoder: Option<ZapEncoder>,
    #[arg(long, hide = true, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", overrides_with = "log_format_json")]
    log_format_json: Option<bool>,
    #[arg(long, hide = true, value_name = "PORT", conflicts_with = "admin", overrides_with = "healthz_port")]
    healthz_port: Option<u16>,
    #[arg(long, hide = true, value_name = "PATH", overrides_with = "healthz_path")]
    healthz_path: Option<String>,
    #[arg(long, hide = true, value_name = "TIME", overrides_with = "healthz_timeout")]
    healthz_timeout: Option<String>,
    #[arg(long, hide = true, value_name = "NAME", overrides_with = "metrics_backend")]
    metrics_backend: Option<String>,
    #[arg(long, hide = true, value_name = "PORT", overrides_with = "metrics_addr")]
    metrics_addr: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ZapEncoder {
    Json,
    Console,
}

impl ProcessFlags {
    /// The socket that they name, everything else of it by default: what can be bound before there is a file.
    ///
    /// # Errors
    /// A path that can't be bound.
    pub fn socket(&self) -> Result<Option<Socket>, ConfigError> {
        let path = match (&self.socket, &self.legacy.listen_addr) {
            (Some(path), _) => absolute(path)?,
            (None, Some(address)) => match address.strip_prefix("unix://").map(Path::new) {
                Some(path) if path.is_absolute() => path.to_owned(),
                _ => return Err(ConfigError::new(ORIGIN, "`--listen-addr` is no socket", "write unix:///PATH")),
            },
            (None, None) => return Ok(None),
        };
        let socket = Socket { path, ..Socket::default() };
        check::socket(&socket).map_err(|fault| {
            ConfigError::new(ORIGIN, format!("`{}` {}", self.socket_flag(), fault.what), fault.remedy)
        })?;
        Ok(Some(socket))
    }

    /// The admin endpoint for the time before there is a file: what they name, else the default; `None` = off.
    ///
    /// # Errors
    /// An address that is none.
    pub fn admin(&self) -> Result<Option<Admin>, ConfigError> {
        Ok(self.named_admin()?.unwrap_or_else(admin_default))
    }

    /// Puts them over what was loaded.
    ///
    /// # Errors
    /// As [`socket`](Self::socket) and [`admin`](Self::admin).
    pub fn apply(&self, mut loaded: Loaded) -> Result<Loaded, ConfigError> {
        let mut origin = |field: &str, flag: &str| loaded.origins.insert(field.to_owned(), flag.to_owned());
        let legacy = &self.legacy;
        if let Some(socket) = self.socket()? {
            loaded.config.socket.path = socket.path;
            origin("socket.path", self.socket_flag());
        }
        if let Some(admin) = self.named_admin()? {
            loaded.config.admin = admin;
            origin("admin", if self.admin.is_some() { "--admin" } else { "--healthz-port" });
        }
        if let Some(verbosity) = legacy.verbosity {
            // klog's: up to 2 is what everybody runs with, above is for looking closely.
            loaded.config.log.level = if verbosity > 2 { LogLevel::Debug } else { LogLevel::Info };
            origin("log.level", "-v");
        }
        if let Some(level) = self.log_level {
            loaded.config.log.level = level;
            origin("log.level", "--log-level");
        }
        if let Some(json) = legacy.log_format_json {
            loaded.config.log.format = if json { LogFormat::Json } else { LogFormat::Text };
            origin("log.format", "--log-format-json");
        }
        if let Some(encoder) = legacy.zap_encoder {
            loaded.config.log.format = if encoder == ZapEncoder::Json { LogFormat::Json } else { LogFormat::Text };
            origin("log.format", "--zap-encoder");
        }
        if let Some(format) = self.log_format {
            loaded.config.log.format = format;
            origin("log.format", "--log-format");
        }
        loaded.warnings.extend(legacy.ignored());
        Ok(loaded)
    }

    fn socket_flag(&self) -> &'static str {
        if self.socket.is_some() { "--socket" } else { "--listen-addr" }
    }

    /// `None` = not named; `Some(None)` = off.
    fn named_admin(&self) -> Result<Option<Option<Admin>>, ConfigError> {
        match (&self.admin, self.legacy.healthz_port) {
            (Some(text), _) => Admin::parse(text)
                .map(Some)
                .map_err(|what| ConfigError::new(ORIGIN, format!("`--admin` {what}"), String::new())),
            (None, Some(port)) => {
                Ok(Some(Some(Admin { address: (Ipv4Addr::UNSPECIFIED, port).into(), health_only: true })))
            }
            (None, None) => Ok(None),
        }
    }
}

impl LegacyFlags {
    fn ignored(&self) -> impl Iterator<Item = Warning> {
        let path = self.healthz_path.as_deref().is_some_and(|path| path != "/healthz");
        [
            (path, "--healthz-path", "the path is /healthz"),
            (self.healthz_timeout.is_some(), "--healthz-timeout", "/healthz asks nobody, so it needs no time"),
            (self.metrics_backend.is_some(), "--metrics-backend", "metrics are Prometheus's"),
            (self.metrics_addr.is_some(), "--metrics-addr", "metrics are at /metrics of --admin"),
        ]
        .into_iter()
        .filter(|(given, ..)| *given)
        .map(|(_, flag, why)| Warning {
            code: "ignored-flag",
            text: format!("`{flag}` is ignored: {why}; take it out"),
        })
    }
}
