//! Reads a key file, if nobody else can read or replace it.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::error::LocalError;

/// More than ten thousand versions: a file beyond this is something else.
const LARGEST: u64 = 1 << 20;

/// Whether a file lies in systemd's credentials directory, which is ours alone whatever its modes say.
pub(crate) fn is_credential(path: &Path, credentials: Option<&Path>) -> bool {
    let climbs = path.components().any(|part| part == Component::ParentDir);
    !climbs && credentials.is_some_and(|folder| path.starts_with(folder))
}

/// The file's text. `trusted` = don't look at owner and modes.
pub(crate) fn read(path: &Path, trusted: bool) -> Result<Zeroizing<Vec<u8>>, LocalError> {
    // Not blocking: opening a pipe would wait for its writer.
    let flags = (OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|source| failed(path, source))?;
    let metadata = file.metadata().map_err(|source| io_error(path, "look at it", source))?;
    if !metadata.is_file() {
        let problem = if metadata.is_dir() { "is a folder; name the file in it" } else { "is no regular file" };
        return Err(access(path, problem.to_owned()));
    }
    if !trusted {
        check(path, &metadata)?;
    }
    if metadata.len() > LARGEST {
        return Err(access(path, format!("has {} bytes; more than {LARGEST} is no key file", metadata.len())));
    }
    read_all(path, &file, metadata.len())
}

fn read_all(path: &Path, file: &File, size: u64) -> Result<Zeroizing<Vec<u8>>, LocalError> {
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(vec![0; usize::try_from(size).unwrap_or(0) + 1]);
    let mut filled = 0;
    loop {
        match (&mut &*file).read(&mut bytes[filled..]) {
            Ok(0) if filled < bytes.len() => break,
            Ok(0) => return Err(access(path, "grew while it was read; it is read again soon".to_owned())),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(io_error(path, "read it", source)),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn check(path: &Path, metadata: &Metadata) -> Result<(), LocalError> {
    let us = rustix::process::geteuid().as_raw();
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if owner != 0 && owner != us {
        let problem = format!("belongs to user {owner}, not to root or to user {us}, who reads it; change its owner");
        return Err(access(path, problem));
    }
    if mode & 0o077 != 0 {
        let problem = format!("others may use it (mode {mode:04o}); run `chmod 600 {}`", path.display());
        return Err(access(path, problem));
    }
    // A link counts with the folder that it stands in and the one that it leads to: both decide what is read.
    let target = path.canonicalize().map_err(|source| io_error(path, "resolve it", source))?;
    for folder in [path, &target].into_iter().filter_map(Path::parent) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let mode = folder.metadata().map_err(|source| io_error(path, "look at its folder", source))?.mode();
        if mode & 0o002 != 0 && mode & 0o1000 == 0 {
            let problem = format!("anyone may replace it in {}; run `chmod o-w` on that folder", folder.display());
            return Err(access(path, problem));
        }
    }
    Ok(())
}

fn failed(path: &Path, source: io::Error) -> LocalError {
    match source.kind() {
        io::ErrorKind::NotFound => LocalError::Missing { path: path.to_owned() },
        _ => io_error(path, "open it", source),
    }
}

pub(crate) fn io_error(path: &Path, action: &'static str, source: io::Error) -> LocalError {
    LocalError::Io { path: path.to_owned(), action, source }
}

fn access(path: &Path, problem: String) -> LocalError {
    LocalError::Access { path: path.to_owned(), problem }
}
