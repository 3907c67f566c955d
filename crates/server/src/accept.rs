//! The accept loop: who may connect, how many at once, and no spinning when descriptors run out.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::SocketFlags;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use trousseau_core::events::{Bound, Event, Events};

use crate::connection::Connection;
use crate::socket::Listener;

/// Who may connect, beyond what the socket's mode says: a process whose user or primary group is in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// User ids.
    pub uids: Vec<u32>,
    /// Group ids.
    pub gids: Vec<u32>,
}

impl Peers {
    fn admit(&self, uid: u32, gid: u32) -> bool {
        self.uids.contains(&uid) || self.gids.contains(&gid)
    }
}

pub(crate) struct Acceptor {
    pub(crate) listener: Listener,
    pub(crate) peers: Option<Peers>,
    pub(crate) connections: usize,
    pub(crate) cut: CancellationToken,
    pub(crate) events: Arc<dyn Events>,
}

impl Acceptor {
    /// Accepts until the receiver is gone or the token is cancelled; then whoever is in the queue, as the path leads
    /// elsewhere by then, or nowhere.
    pub(crate) async fn run(self, stop: CancellationToken, ready: mpsc::Sender<io::Result<Connection>>) {
        let places = Arc::new(Semaphore::new(self.connections.clamp(1, Semaphore::MAX_PERMITS)));
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.inner.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    if let Some(connection) = self.admit(stream, &places)
                        && ready.send(Ok(connection)).await.is_err()
                    {
                        return;
                    }
                }
                Err(error) => {
                    // Out of descriptors or memory: repeating at once would only burn the processor.
                    warn!(%error, "can't accept a connection on the socket");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        if self.listener.queue_is_shared {
            return;
        }
        // By the system call itself: the runtime may not have heard of the newest ones yet.
        while let Ok(stream) = accept_now(&self.listener.inner) {
            if let Some(connection) = self.admit(stream, &places)
                && ready.send(Ok(connection)).await.is_err()
            {
                return;
            }
        }
    }

    fn admit(&self, stream: UnixStream, places: &Arc<Semaphore>) -> Option<Connection> {
        if !self.admits(&stream) {
            return None;
        }
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            self.events.on(&Event::BoundHit(Bound::Connections));
            warn!(limit = self.connections, "too many connections on the socket; one was closed");
            return None;
        };
        Some(Connection::new(stream, self.cut.clone(), place))
    }

    /// A refused client sees only a reset, so the line here is its one hint.
    fn admits(&self, stream: &UnixStream) -> bool {
        let Some(peers) = &self.peers else {
            return true;
        };
        match stream.peer_cred() {
            Ok(peer) if peers.admit(peer.uid(), peer.gid()) => true,
            Ok(peer) => {
                let (uid, gid, pid) = (peer.uid(), peer.gid(), peer.pid());
                warn!(uid, gid, pid, "a process that `socket.allow` does not name was refused");
                false
            }
            Err(error) => {
                warn!(%error, "a process that can't be identified was refused");
                false
            }
        }
    }
}

fn accept_now(listener: &UnixListener) -> io::Result<UnixStream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    UnixStream::from_std(rustix::net::accept_with(listener, flags)?.into())
}

#[cfg(test)]
mod tests {
    use super::Peers;

    #[test]
    fn lists_admit_whom_they_name() {
        assert!(!Peers::default().admit(0, 0), "empty lists admit nobody");
        let peers = Peers { uids: vec![0], gids: vec![500] };
        assert!(peers.admit(0, 1) && peers.admit(7, 500));
        assert!(!peers.admit(7, 7));
    }
}
