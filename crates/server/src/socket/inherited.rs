//! A socket that the service manager made and passed on: systemd's socket activation (sd_listen_fds(3)).

use std::io;
use std::os::unix::net;

use tokio::net::UnixListener;

use super::{Listener, OwnedFile, Published};

/// Listens on a socket of somebody else, who keeps it: neither its file nor what waits in its queue goes with us. May be
/// called again for the same one. Must run inside a tokio runtime.
///
/// # Errors
/// A socket without a path. One whose file is gone is still served: whoever is connected needs it.
pub fn inherit(listener: &net::UnixListener) -> io::Result<Published> {
    let address = listener.local_addr()?;
    let path = address.as_pathname().ok_or_else(|| io::Error::other("the inherited socket has no path"))?;
    let file = OwnedFile::given(path);
    let listener = listener.try_clone()?;
    listener.set_nonblocking(true)?;
    Ok(Published { listener: Listener { inner: UnixListener::from_std(listener)?, queue_is_shared: true }, file })
}
