//! What is wrong with a configuration.

use std::fmt;

/// Why a configuration can't be used: where, what, and what to do. Holds no value that may be a secret. The program
/// ends with [`EXIT`](Self::EXIT) at start; on reload the running configuration stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    origin: String,
    place: Option<(u64, u64)>,
    what: String,
    remedy: String,
    missing: bool,
}

impl ConfigError {
    /// The exit code for all of them: usage and configuration.
    pub const EXIT: u8 = 2;

    /// An error in `origin`: a file's path, or `command line`.
    pub(crate) fn new(origin: &str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { origin: origin.to_owned(), place: None, what: what.into(), remedy: remedy.into(), missing: false }
    }

    /// The file isn't there (yet).
    pub(super) fn missing(origin: &str) -> Self {
        Self { missing: true, ..Self::new(origin, "does not exist", "create it, or name another file with --config") }
    }

    /// The same, at a line and column, both from 1.
    #[must_use]
    pub(super) fn at(self, place: Option<(u64, u64)>) -> Self {
        Self { place, ..self }
    }

    /// The file isn't there: it may come late, and is waited for (I6).
    pub const fn is_missing(&self) -> bool {
        self.missing
    }

    /// Line and column, both from 1, where it is known.
    pub const fn place(&self) -> Option<(u64, u64)> {
        self.place
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.origin, self.what)?,
            None => write!(f, "{}: {}", self.origin, self.what)?,
        }
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "; {}", self.remedy) }
    }
}

impl std::error::Error for ConfigError {}
