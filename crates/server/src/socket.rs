//! The socket file: checked, bound under a name beside, given its mode and owner, and renamed into place, so that no
//! moment exists in which the path is absent or open to others.

mod checks;
mod inherited;
mod owned;

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, process};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use thiserror::Error;
use tokio::net::UnixListener;
use tokio::time::sleep;

pub use checks::answers;
pub use inherited::inherit;
pub use owned::{Found, OwnedFile};

/// Tries to lock the folder, and the time between two.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The longest path that fits a socket address, without the closing zero (unix(7)).
pub const MAX_PATH: usize = 107;

/// What the socket shall be.
#[derive(Clone, Debug)]
pub struct SocketConfig {
    /// Absolute, at most [`MAX_PATH`] bytes; its folder exists.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// The owner, if it shall be another than us.
    pub uid: Option<u32>,
    /// The group, if it shall be another than ours.
    pub gid: Option<u32>,
    /// Take the path over from a process that answers on it.
    pub take_over: bool,
}

/// Why there is no socket.
#[derive(Debug, Error)]
pub enum SocketError {
    /// The path can't be one.
    #[error("socket path {path}: {reason}")]
    Path {
        /// As configured.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Somebody answers there.
    #[error("socket path {0}: another process answers there; stop it first, or take over with --take-over")]
    Live(PathBuf),
    /// The operating system refused a step.
    #[error("socket path {path}: can't {step}")]
    Step {
        /// As configured.
        path: PathBuf,
        /// What was tried.
        step: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// A listening socket under a name beside the final one.
#[derive(Debug)]
pub struct Prepared {
    listener: UnixListener,
    beside: OwnedFile,
    config: SocketConfig,
}

/// A listening socket in its place.
#[derive(Debug)]
pub struct Published {
    /// Accepts connections.
    pub listener: Listener,
    /// The file; dropping it removes the file if it is still ours.
    pub file: OwnedFile,
}

/// A listener, and whose the connections are that wait in its queue at a stop.
#[derive(Debug)]
pub struct Listener {
    pub(crate) inner: UnixListener,
    /// Left to the next process, which accepts from the same queue. Without one they would be reset, so they are
    /// accepted before the end.
    pub(crate) queue_is_shared: bool,
}

/// Checks the place and binds beside it. Must run inside a tokio runtime. The process's umask should keep others out
/// (0077): between bind and chmod the file has the mode that the umask gives.
///
/// # Errors
/// A path or folder that won't do, something that is no socket at the path, a live socket without `take_over`.
pub fn prepare(config: SocketConfig) -> Result<Prepared, SocketError> {
    checks::path(&config.path)?;
    checks::occupant(&config)?;
    let step = |step, source| SocketError::Step { path: config.path.clone(), step, source };
    let (listener, beside) = bind_beside(&config.path).map_err(|source| step("bind in its folder", source))?;
    // Ownership first: chown may clear bits, and the mode must be last to widen.
    if config.uid.is_some() || config.gid.is_some() {
        std::os::unix::fs::chown(&beside.path, config.uid, config.gid)
            .map_err(|source| step("change owner or group", source))?;
    }
    fs::set_permissions(&beside.path, fs::Permissions::from_mode(config.mode))
        .map_err(|source| step("change the mode", source))?;
    Ok(Prepared { listener, beside, config })
}

impl Prepared {
    /// Renames the socket into place; whatever socket was there before keeps its open connections only.
    ///
    /// # Errors
    /// As [`prepare`]: the place is looked at once more, under a lock that two starts at once share.
    pub async fn publish(self) -> Result<Published, SocketError> {
        let Self { listener, beside, config } = self;
        let step = |step, source| SocketError::Step { path: config.path.clone(), step, source };
        let folder = fs::File::open(folder(&config.path)).map_err(|source| step("open its folder", source))?;
        lock(&folder).await.map_err(|errno| step("lock its folder; see who holds it with `fuser`", errno.into()))?;
        checks::occupant(&config)?;
        let file = beside.moved(&config.path).map_err(|source| step("rename it into place", source))?;
        Ok(Published { listener: Listener { inner: listener, queue_is_shared: false }, file })
    }
}

/// Locks the folder for as long as it stays open. Whoever may read it could lock it too, and is not waited for long:
/// between two of us it takes some microseconds.
async fn lock(folder: &fs::File) -> Result<(), Errno> {
    let mut last = Errno::AGAIN;
    for _ in 0..LOCK_TRIES {
        match flock(folder, FlockOperation::NonBlockingLockExclusive) {
            Err(error @ (Errno::AGAIN | Errno::INTR)) => last = error,
            done => return done,
        }
        sleep(LOCK_PAUSE).await;
    }
    Err(last)
}

/// Binds under a name no longer than the final one, as the final one may be as long as an address can be.
fn bind_beside(path: &Path) -> io::Result<(UnixListener, OwnedFile)> {
    let length = path.file_name().map_or(1, |name| name.len()).clamp(1, 16);
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for attempt in 0..64_u32 {
        let seed = (process::id() ^ attempt.wrapping_mul(0x9E37_79B9)).wrapping_mul(0x85EB_CA6B) ^ attempt;
        let name = format!("{seed:08x}{:08x}", seed.rotate_left(13).wrapping_mul(0xC2B2_AE35));
        let beside = folder(path).join(&name[name.len() - length..]);
        match UnixListener::bind(&beside) {
            Ok(listener) => return Ok((listener, OwnedFile::made(beside)?)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or_else(|| Path::new("/"))
}

#[cfg(test)]
mod tests;
