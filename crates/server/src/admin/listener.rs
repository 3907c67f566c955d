//! Connections to the admin endpoint, bounded in number and in life, so that slow or silent clients take nothing from
//! the plugin.

use std::collections::VecDeque;
use std::future::Future as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

/// Connections at once; a scraper and a kubelet need two. The next one ends the oldest: kubelet must be heard, or it
/// restarts a plugin that works.
const CONNECTIONS: usize = 32;
/// The life of a connection, after which the client connects again.
const LIFE: Duration = Duration::from_secs(120);

pub(super) struct Bounded {
    inner: TcpListener,
    /// The oldest first; cancelled is who has ended.
    open: VecDeque<CancellationToken>,
}

impl Bounded {
    pub(super) fn new(inner: TcpListener) -> Self {
        Self { inner, open: VecDeque::with_capacity(CONNECTIONS) }
    }

    fn admit(&mut self, inner: TcpStream) -> Mortal {
        self.open.retain(|connection| !connection.is_cancelled());
        if self.open.len() >= CONNECTIONS
            && let Some(oldest) = self.open.pop_front()
        {
            oldest.cancel();
        }
        let place = CancellationToken::new();
        self.open.push_back(place.clone());
        let taken = Box::pin(place.clone().cancelled_owned());
        Mortal { inner, end: Box::pin(sleep(LIFE)), taken, _place: place.drop_guard() }
    }
}

impl Listener for Bounded {
    type Io = Mortal;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Mortal, SocketAddr) {
        loop {
            match self.inner.accept().await {
                Ok((inner, peer)) => return (self.admit(inner), peer),
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

impl Connected<IncomingStream<'_, Bounded>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Self {
        Self(stream.remote_addr().ip().to_canonical())
    }
}

/// A connection that ends on its own.
pub(super) struct Mortal {
    inner: TcpStream,
    end: Pin<Box<Sleep>>,
    /// Another connection has its place.
    taken: Pin<Box<WaitForCancellationFutureOwned>>,
    _place: DropGuard,
}

impl Mortal {
    /// # Errors
    /// Its time is over, or its place is taken.
    fn alive(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.end.as_mut().poll(cx).is_ready() || self.taken.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

impl AsyncRead for Mortal {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.alive(cx)?;
        Pin::new(&mut this.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Mortal {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.alive(cx)?;
        Pin::new(&mut this.inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
