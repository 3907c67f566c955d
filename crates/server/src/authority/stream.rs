//! A connection with the filter on its reading side.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

use super::Filter;

/// An accepted connection whose reads have passed a [`Filter`]; writes and the peer's identity are those of `S`.
///
/// Reads go straight into the caller's buffer. Only an incomplete header block is moved aside, until the rest of it is
/// there or the client ends.
#[derive(Debug)]
pub struct AuthorityStream<S> {
    inner: S,
    filter: Filter,
    /// What was read and not passed on.
    held: Vec<u8>,
    /// How much of `held` the filter is done with.
    ready: usize,
}

impl<S> AuthorityStream<S> {
    /// Wraps a connection of which nothing has been read.
    pub const fn new(inner: S) -> Self {
        Self { inner, filter: Filter::new(), held: Vec::new(), ready: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for AuthorityStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        while buf.remaining() > 0 && buf.filled().len() == before {
            if this.ready > 0 {
                let length = this.ready.min(buf.remaining());
                buf.put_slice(&this.held[..length]);
                this.held.drain(..length);
                this.ready -= length;
                break;
            }
            ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
            if buf.filled().len() == before {
                // The client has ended, perhaps within a header block; h2 shall see all that came.
                this.ready = this.held.len();
                if this.ready == 0 {
                    break;
                }
            } else if this.held.is_empty() {
                let fresh = &mut buf.filled_mut()[before..];
                let done = this.filter.scan(fresh);
                this.held.extend_from_slice(&fresh[done..]);
                buf.set_filled(before + done);
            } else {
                this.held.extend_from_slice(&buf.filled()[before..]);
                buf.set_filled(before);
                this.ready = this.filter.scan(&mut this.held);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for AuthorityStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

impl<S: Connected> Connected for AuthorityStream<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.inner.connect_info()
    }
}
