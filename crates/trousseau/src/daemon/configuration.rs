//! Which configuration counts: the first one, what changes later, and what was refused and is tried again (I10).

use tokio::time::Instant;
use tracing::{error, warn};

use super::listen::AGAIN;
use super::{Daemon, Source, socket};
use crate::cli::Failure;
use crate::config::Loaded;
use crate::reload::Cause;

/// What was refused.
pub(super) struct Refused {
    /// The very file that runs, by SIGHUP: something that it names is not as it was.
    unchanged: bool,
}

impl Daemon {
    /// The configuration as it is at the start: a bad one ends the process, an absent one is waited for (I6, I10).
    pub(super) fn first_look(&mut self) -> Result<(), Failure> {
        let loaded = match &self.options.source {
            Source::Fixed(loaded) => Loaded::clone(loaded),
            Source::File(path, load) => match load() {
                Ok(loaded) => loaded,
                Err(missing) if missing.is_missing() => {
                    warn!(file = %path.display(), "the configuration does not exist yet; waiting for it");
                    self.admin.note("configuration", format!("waiting for {}", path.display()));
                    return Ok(());
                }
                Err(bad) => return Err(Failure::Usage(bad.into())),
            },
        };
        self.take(&loaded, Cause::First).map_err(Failure::Usage)
    }

    /// Offers a configuration that could be read.
    fn take(&mut self, loaded: &Loaded, cause: Cause) -> anyhow::Result<()> {
        self.reloader.offer(&loaded.config, cause)?;
        for warning in &loaded.warnings {
            warn!(code = warning.code, "{}", warning.text);
        }
        self.metrics.set_warnings(loaded.warnings.iter().map(|warning| warning.code));
        if let Err(error) = self.options.log.set_level(loaded.config.log.level.as_str()) {
            warn!(%error, "the log level stays");
        }
        if let Some(serving) = &self.serving
            && !serving.early
            && (serving.socket != loaded.config.socket
                || serving.config != socket::grpc_config(Some(&loaded.config), &loaded.config.socket))
        {
            let text = "`socket`, `statusVersion`, or the `limits` of connections, requests or the drain changed";
            warn!("{text}; that counts after a restart");
        }
        self.digest = Some(loaded.digest);
        self.config = Some(loaded.config.clone());
        self.accepted();
        Ok(())
    }

    /// The file is what runs, or what is being proven.
    fn accepted(&mut self) {
        self.refused = None;
        let state = if self.reloader.is_pending() { "pending: its key is being proven" } else { "in use" };
        self.admin.note("configuration", state.to_owned());
    }

    /// Reads the file again. What is wrong with it is said, and changes nothing else.
    pub(super) async fn reload(&mut self, cause: Cause) {
        let loaded = match &self.options.source {
            Source::Fixed(loaded) => Ok(Loaded::clone(loaded)),
            Source::File(_, load) => load(),
        };
        let digest = loaded.as_ref().ok().map(|loaded| loaded.digest);
        let outcome = match loaded {
            Ok(_) if cause == Cause::Change && self.digest == digest && !self.is_refused_unchanged() => {
                if self.refused.is_some() {
                    self.accepted();
                }
                return;
            }
            Ok(loaded) => self.take(&loaded, cause),
            Err(error) => Err(error.into()),
        };
        match outcome {
            // The first usable configuration says where to listen.
            Ok(()) => self.open_or_say().await,
            Err(bad) => {
                let text = format!("{bad:#}");
                let news = self.admin.note("configuration", format!("refused: {text}"));
                if news || cause == Cause::Hangup {
                    error!(error = text, "the configuration is refused; what runs, runs on");
                    self.metrics.reload("refused");
                }
                let unchanged = digest.is_some() && digest == self.digest || self.is_refused_unchanged();
                self.refused = Some(Refused { unchanged });
                // A file that it names may come late or be mended, and no watch tells.
                let later = Instant::now() + AGAIN;
                self.again = Some(self.again.map_or(later, |at| at.min(later)));
            }
        }
    }

    fn is_refused_unchanged(&self) -> bool {
        self.refused.as_ref().is_some_and(|refused| refused.unchanged)
    }

    pub(super) async fn try_again(&mut self) {
        self.again = None;
        self.open_or_say().await;
        if self.refused.is_some() {
            self.reload(Cause::Change).await;
        }
    }
}
