//! Accepting connections, and acting out replies on them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::reply::{Answer, Body, What};
use super::{Front, Request, Seen};

/// Accepts until dropped.
pub(super) async fn serve(listener: TcpListener, front: Front, seen: Arc<Seen>) {
    while let Ok((stream, _)) = listener.accept().await {
        // Head and body are written apart: with Nagle each answer would wait for the client's delayed ACK.
        let _ = stream.set_nodelay(true);
        let connection = {
            let mut log = seen.log();
            log.connections += 1;
            log.connections - 1
        };
        tokio::spawn(meet(stream, front.clone(), Arc::clone(&seen), connection));
    }
}

async fn meet(mut stream: TcpStream, front: Front, seen: Arc<Seen>, connection: usize) {
    match front {
        Front::Plain => converse(stream, &seen, connection).await,
        Front::Tls(config) => match TlsAcceptor::from(config).accept(&mut stream).await {
            Ok(session) => converse(session, &seen, connection).await,
            // rustls has sent its alert. Closing on unread bytes would turn it into a reset.
            Err(_) => {
                drop(stream.shutdown().await);
                drop(timeout(Duration::from_secs(1), wait_for_end(&mut stream)).await);
            }
        },
        Front::Silence => wait_for_end(&mut stream).await,
    }
}

/// Request and reply in turn, until either side has enough.
async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, seen: &Seen, connection: usize) {
    let mut ahead = Vec::new();
    for number in 0.. {
        let Some(request) = Request::read(&mut stream, &mut ahead, connection, number).await else { return };
        seen.log().requests.push(request.clone());
        let reply = (seen.script)(&request);
        sleep(reply.before).await;
        let goes_on = match reply.what {
            What::Answer(answer) => answer.send(&mut stream).await.unwrap_or(false),
            What::Close => false,
            What::Raw(bytes) => {
                drop(stream.write_all(&bytes).await);
                false
            }
            What::Never => {
                wait_for_end(&mut stream).await;
                return;
            }
        };
        if !goes_on {
            drop(stream.shutdown().await);
            return;
        }
    }
}

async fn wait_for_end(stream: &mut (impl AsyncRead + Unpin)) {
    while stream.read(&mut [0; 1024]).await.is_ok_and(|n| n > 0) {}
}

impl Answer {
    /// Sends it; false if the connection is to be closed then.
    async fn send(&self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<bool> {
        let whole = self.body.length();
        let end = self.cut_at.map_or(whole, |cut| cut.min(whole));
        let (step, wait) = self.drip.unwrap_or((64 * 1024, Duration::ZERO));
        stream.write_all(self.head().as_bytes()).await?;
        let mut sent = 0;
        while sent < end {
            let piece = self.body.piece(sent, end.min(sent + step as u64));
            if self.chunked {
                stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
            }
            stream.write_all(&piece).await?;
            if self.chunked {
                stream.write_all(b"\r\n").await?;
            }
            stream.flush().await?;
            sent += piece.len() as u64;
            sleep(wait).await;
        }
        if self.chunked && end == whole {
            stream.write_all(b"0\r\n\r\n").await?;
        }
        stream.flush().await?;
        Ok(self.cut_at.is_none() && !self.then_close)
    }

    fn head(&self) -> String {
        let length = self.body.length();
        let framing =
            if self.chunked { "Transfer-Encoding: chunked".into() } else { format!("Content-Length: {length}") };
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("HTTP/1.1 {} Scripted\r\n{headers}{framing}\r\n\r\n", self.status)
    }
}

impl Body {
    fn piece(&self, from: u64, to: u64) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes[from as usize..to as usize].to_vec(),
            Self::Filler(_) => vec![b'x'; (to - from) as usize],
        }
    }
}
