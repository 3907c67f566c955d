//! What can be wrong with a key file.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// What is wrong with a key file, where, and what to do. Never shows anything that stands in the file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LocalError {
    /// The configuration names no file, or two.
    #[error("`local` needs exactly one of `file` and `credential`")]
    Choice,
    /// The configuration names a systemd credential that can't be one.
    #[error("`local.credential` `{name}`: {problem}")]
    Credential {
        /// As configured.
        name: String,
        /// What is wrong with it, and what to do.
        problem: &'static str,
    },
    /// There is no such file.
    #[error("key file {}: no such file; make it with `trousseau keygen`, or restore it from where it was backed up", path.display())]
    Missing {
        /// The key file.
        path: PathBuf,
    },
    /// The operating system refused something.
    #[error("key file {}: can't {action}", path.display())]
    Io {
        /// The key file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// Others could read or replace it, or it is no file.
    #[error("key file {}: {problem}", path.display())]
    Access {
        /// The key file.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// What stands in it is no list of keys.
    #[error("key file {}, line {line}: {problem}", path.display())]
    Content {
        /// The key file.
        path: PathBuf,
        /// The line, from 1; 0 = the file as a whole.
        line: u64,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The file is another one: a version has another key than this process has used so far.
    #[error(
        "key file {}: the keys of versions {versions:?} are not in it any more, others are; what they wrapped can't be \
         opened with those. Restore the file; or, if the loss is accepted, restart Trousseau or send it SIGHUP",
        path.display()
    )]
    Replaced {
        /// The key file.
        path: PathBuf,
        /// The versions that are missing or have another key.
        versions: Vec<u32>,
    },
    /// `keygen` never overwrites.
    #[error("key file {} exists already and is never overwritten; `--add` adds a version to it", path.display())]
    Exists {
        /// The key file.
        path: PathBuf,
    },
    /// `--active-in` leads beyond the year 9999, or version numbers are used up.
    #[error("{0}")]
    Limit(&'static str),
    /// No random bytes, or a refusal by the cryptographic library.
    #[error("the cryptographic library can't {0}; is the operating system out of random bytes?")]
    Crypto(&'static str),
}
