//! Makes a key file, or adds a version to one. Never overwrites, never loses a version.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::{FlockOperation, flock};
use zeroize::Zeroizing;

use crate::access::{self, io_error};
use crate::error::LocalError;
use crate::key_file::KeyFile;
use crate::material::KEY_BYTES;

/// Until a further version writes, its file has to be on every node.
const LATER: Duration = Duration::from_secs(24 * 60 * 60);
/// The year 10000 in Unix seconds: no RFC 3339 from there on.
const END: u64 = 253_402_300_800;
const TOP: &str = "# A key file of Trousseau. Whoever reads it can decrypt; lose it, and what it wrapped is lost.\n\
                   # `trousseau keygen --add` adds a version; copy the file to every node before its `activeFrom`.\n\
                   versions:\n";

/// What to make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeygenOptions {
    /// Add a version to a file that is there; else make the file.
    pub add: bool,
    /// Time until the version writes. `None` = at once for a new file, 24 hours for an added version.
    pub active_in: Option<Duration>,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// The new version's number.
    pub version: u32,
    /// From when on it writes, as RFC 3339 in UTC.
    pub active_from: String,
}

/// Makes the key file at `path` (mode 0600) with version 1, or adds the next version to it: the whole file is written
/// beside it and renamed over it, and what stood in it stays as it was. Of several that run at once, each adds one.
///
/// # Errors
/// A file that is there already, or isn't (with `add`), can't be read as a key file, or can't be written.
pub fn keygen(path: &Path, options: &KeygenOptions) -> Result<Generated, LocalError> {
    // What a link leads to is replaced, not the link.
    let path = if options.add { path.canonicalize().unwrap_or_else(|_| path.to_owned()) } else { path.to_owned() };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let folder = File::open(folder).map_err(|source| io_error(&path, "open its folder", source))?;
    // On the folder, because a rename puts another file behind the name. Released when `folder` is dropped.
    flock(&folder, FlockOperation::LockExclusive).map_err(|error| io_error(&path, "lock its folder", error.into()))?;
    let made = if options.add { add(&path, options) } else { create(&path, options) }?;
    folder.sync_all().map_err(|source| io_error(&path, "write its folder to the disk", source))?;
    Ok(made)
}

fn create(path: &Path, options: &KeygenOptions) -> Result<Generated, LocalError> {
    let (made, entry) = entry(1, options.active_in.unwrap_or_default(), "  ")?;
    let text = Zeroizing::new([TOP, &entry].concat());
    write_new(path, text.as_bytes()).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => LocalError::Exists { path: path.to_owned() },
        _ => io_error(path, "write it", source),
    })?;
    Ok(made)
}

fn add(path: &Path, options: &KeygenOptions) -> Result<Generated, LocalError> {
    let bytes = access::read(path, false)?;
    let old = KeyFile::parse(path, &bytes)?;
    let last = old.versions.last().map_or(0, |version| version.number);
    let number = last.checked_add(1).ok_or(LocalError::Limit("there is no version number left"))?;
    // Behind the last entry, at its depth: nothing that stands there is written anew.
    let text = str::from_utf8(&bytes).unwrap_or_default();
    let depth = text.lines().rev().find(|line| line.trim_start().starts_with('-')).unwrap_or_default();
    let depth = &depth[..depth.len() - depth.trim_start().len()];
    let (made, entry) = entry(number, options.active_in.unwrap_or(LATER), depth)?;
    let gap = if text.ends_with('\n') { "" } else { "\n" };
    let text = Zeroizing::new([text, gap, &entry].concat());
    let whole = KeyFile::parse(path, text.as_bytes()).ok().filter(|new| extends(new, &old));
    if whole.is_none() {
        let problem = "can't be added to as it is laid out; put each version on lines of its own, behind a `-`, \
                       and nothing behind the last one";
        return Err(LocalError::Content { path: path.to_owned(), line: 0, problem: problem.to_owned() });
    }
    replace(path, text.as_bytes())?;
    Ok(made)
}

/// One version more, and all before it with the same keys.
fn extends(new: &KeyFile, old: &KeyFile) -> bool {
    let same = |(new, old): (&crate::key_file::Version, &crate::key_file::Version)| {
        new.number == old.number
            && new.active_from == old.active_from
            && new.material.fingerprint() == old.material.fingerprint()
    };
    new.versions.len() == old.versions.len() + 1 && new.versions.iter().zip(&old.versions).all(same)
}

fn entry(version: u32, active_in: Duration, depth: &str) -> Result<(Generated, Zeroizing<String>), LocalError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let from = now
        .checked_add(active_in.as_secs())
        .filter(|from| *from < END)
        .ok_or(LocalError::Limit("`--active-in` leads beyond the year 9999; choose a shorter time"))?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    rand::fill(&mut *key).map_err(|_| LocalError::Crypto("make a key"))?;
    let key = Zeroizing::new(STANDARD.encode(*key));
    let (created, active_from) = (rfc3339(now), rfc3339(from));
    let text = format!(
        "{depth}- version: {version}\n{depth}  created: {created}\n{depth}  activeFrom: {active_from}\n\
         {depth}  key: \"{}\"\n",
        *key
    );
    Ok((Generated { version, active_from }, Zeroizing::new(text)))
}

fn rfc3339(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), LocalError> {
    let mut beside = PathBuf::from(path).into_os_string();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    // The folder is locked: one that is there was left by a run that was cut short.
    fs::remove_file(&beside).ok();
    let written = write_new(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    written.map_err(|source| io_error(path, "write a new one beside it and put that in its place", source))
}

/// Writes a file that isn't there yet, down to the disk; leaves none behind if that fails.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).inspect_err(|_| {
        fs::remove_file(path).ok();
    })
}
