//! What must be true of a socket's place before it is bound.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::{MAX_PATH, SocketConfig, SocketError, folder};

/// The path fits an address, and its folder is one in which nobody else can swap the socket.
pub(super) fn path(path: &Path) -> Result<(), SocketError> {
    let refuse = |reason: String| Err(SocketError::Path { path: path.to_owned(), reason });
    let length = path.as_os_str().as_bytes().len();
    if length > MAX_PATH {
        return refuse(format!("it has {length} bytes, a socket's path at most {MAX_PATH}; choose a shorter one"));
    }
    if !path.is_absolute() || path.file_name().is_none() {
        return refuse("write an absolute path with a file name".into());
    }
    let folder = folder(path);
    let metadata = match fs::metadata(folder) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return refuse(format!("folder {} does not exist; make it, for kube-apiserver's group", folder.display()));
        }
        Err(source) => return Err(SocketError::Step { path: path.to_owned(), step: "look at its folder", source }),
    };
    if !metadata.is_dir() {
        return refuse(format!("{} is no folder", folder.display()));
    }
    let (world_writable, sticky) = (metadata.mode() & 0o002 != 0, metadata.mode() & 0o1000 != 0);
    if world_writable && !sticky {
        let remedy = "anyone could put another socket there; chmod o-w it, or use a folder of your own";
        return refuse(format!("folder {} is writable for everyone: {remedy}", folder.display()));
    }
    Ok(())
}

/// Nothing is at the path, or a socket that nobody serves, or one that is to be taken over.
pub(super) fn occupant(config: &SocketConfig) -> Result<(), SocketError> {
    let path = &config.path;
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(SocketError::Step { path: path.clone(), step: "look at what is there", source }),
    };
    if !found.file_type().is_socket() {
        let reason = "what is there is no socket; it is left alone, remove it yourself or choose another path".into();
        return Err(SocketError::Path { path: path.clone(), reason });
    }
    match ask(path) {
        Ok(false) => Ok(()),
        Ok(true) | Err(_) if config.take_over => Ok(()),
        // Of another user, who may be gone: only an operator can tell.
        Err(source) => Err(SocketError::Step { path: path.clone(), step: "ask whether anybody answers there", source }),
        Ok(true) => Err(SocketError::Live(path.clone())),
    }
}

/// Whether a process listens there. One of another user, who may not be asked, counts as listening.
pub fn answers(path: &Path) -> bool {
    ask(path).unwrap_or(true)
}

/// Only "refused" means that nobody listens; whoever's queue is full listens, and is not waited for.
fn ask(path: &Path) -> io::Result<bool> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match net::connect(&socket, &SocketAddrUnix::new(path)?) {
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(false),
        Err(error @ (Errno::ACCESS | Errno::PERM)) => Err(error.into()),
        Ok(()) | Err(_) => Ok(true),
    }
}
