//! An accepted connection that can be cut, as tonic's graceful shutdown waits for ever for a client that says nothing;
//! and that is closed so that its client hears the end.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use crate::authority::AuthorityStream;

/// One client. Reads end with an error once the token is cancelled; dropping it frees its place.
pub(crate) struct Connection {
    inner: AuthorityStream<UnixStream>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Runs once our side has ended.
    linger: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

/// How long a client may take to hear that the connection ends. Closed under it while it writes, its pipe would break, and
/// it might never read our last answers and which of its calls were not touched.
const LINGER: Duration = Duration::from_secs(1);

impl Connection {
    pub(crate) fn new(stream: UnixStream, cut: CancellationToken, place: OwnedSemaphorePermit) -> Self {
        Self { inner: AuthorityStream::new(stream), cut: Box::pin(cut.cancelled_owned()), linger: None, _place: place }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.inner).poll_read(cx, buf) {
            // Only a client that says nothing is cut: asked for when idle, the token costs a busy one nothing.
            Poll::Pending if this.cut.as_mut().poll(cx).is_ready() => {
                Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
            }
            read => read,
        }
    }
}

impl AsyncWrite for Connection {
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
        let this = self.get_mut();
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
        }
        let end = this.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        while end.as_mut().poll(cx).is_pending() {
            let mut unread = [0; 1024];
            let mut unread = ReadBuf::new(&mut unread);
            let read = ready!(Pin::new(&mut this.inner).poll_read(cx, &mut unread));
            if read.is_err() || unread.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::Semaphore;
    use tokio::time::{Instant, timeout};

    use super::*;

    async fn connected() -> (Connection, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        (Connection::new(ours, CancellationToken::new(), place), theirs)
    }

    #[tokio::test]
    async fn a_client_that_goes_on_writing_reads_our_last_word_and_no_broken_pipe() {
        let (mut connection, mut client) = connected().await;
        client.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
        let closing = tokio::spawn(async move {
            connection.write_all(b"goodbye").await.unwrap();
            connection.shutdown().await.unwrap();
        });
        let mut heard = String::new();
        client.read_to_string(&mut heard).await.expect("no reset");
        assert_eq!(heard, "goodbye");
        client.write_all(b"\r\nSM\r\n\r\n").await.expect("its pipe holds");
        let began = Instant::now();
        drop(client);
        closing.await.unwrap();
        assert!(began.elapsed() < LINGER / 2, "it is over when the client has gone");
    }

    #[tokio::test]
    async fn a_client_that_does_not_go_is_not_waited_for_long() {
        let (mut connection, _client) = connected().await;
        timeout(10 * LINGER, connection.shutdown()).await.unwrap().unwrap();
    }
}
