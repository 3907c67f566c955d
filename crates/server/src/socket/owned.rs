//! The socket's file, known again by device and inode.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The file that we made, or were given.
    Ours,
    /// Another one: its process took the path over.
    Another,
    /// Nothing that can be looked at: nobody can connect any more, and who is connected stays so.
    Nothing,
}

/// A socket file that is removed on drop, but only while device and inode are still the ones that we made; one that
/// systemd made is left.
#[derive(Debug)]
pub struct OwnedFile {
    pub(super) path: PathBuf,
    /// None where it was gone already when we were given its socket.
    identity: Option<(u64, u64)>,
    keep: bool,
}

impl OwnedFile {
    pub(super) fn made(path: PathBuf) -> io::Result<Self> {
        let identity = Some(look(&path)?);
        Ok(Self { path, identity, keep: false })
    }

    pub(super) fn given(path: &Path) -> Self {
        Self { path: path.to_owned(), identity: look(path).ok(), keep: true }
    }

    pub(super) fn moved(mut self, to: &Path) -> io::Result<Self> {
        fs::rename(&self.path, to)?;
        self.path = to.to_owned();
        Ok(self)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What its path leads to now.
    pub fn found(&self) -> Found {
        match (look(&self.path), self.identity) {
            (Err(_), _) => Found::Nothing,
            (Ok(found), Some(ours)) if found == ours => Found::Ours,
            (Ok(_), _) => Found::Another,
        }
    }

    /// True while the path still leads to the file that we made.
    pub fn is_ours(&self) -> bool {
        self.found() == Found::Ours
    }
}

impl Drop for OwnedFile {
    fn drop(&mut self) {
        if !self.keep && self.is_ours() {
            // Left behind it is only stale, and the next start replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn look(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
