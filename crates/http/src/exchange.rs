//! One connection, and one request and answer on it.

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use zeroize::Zeroizing;

use crate::{HttpError, Origin, tls};

/// Bounds the head of an answer, and what is read ahead of a body.
const MAX_BUFFER: usize = 64 * 1024;

/// Room for a body of unknown length to begin with.
const FIRST_ROOM: usize = 4 * 1024;

/// An HTTP/1.1 connection. Dropping it closes the socket, whatever state it is in.
pub(crate) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    task: AbortHandle,
    to: String,
}

impl Connection {
    pub(crate) async fn open<S>(stream: S, origin: &Origin) -> Result<Self, HttpError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let to = origin.endpoint();
        let handshake = http1::Builder::new().max_buf_size(MAX_BUFFER).handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|e| failed(&to, &e, "before the request"))?;
        // Its error also reaches the request that waits on it; with none waiting, nobody needs it.
        let task = tokio::spawn(async { drop(connection.await) }).abort_handle();
        Ok(Self { sender, task, to })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends the request and waits for the head of the answer. [`HttpError::Cut`] means that there was none.
    pub(crate) async fn ask(&mut self, message: Request<Full<Bytes>>) -> Result<Response<Incoming>, HttpError> {
        let answer = async {
            self.sender.ready().await?;
            self.sender.send_request(message).await
        };
        answer.await.map_err(|e| failed(&self.to, &e, "before its answer"))
    }

    /// Reads the body, at most `limit` bytes of it.
    pub(crate) async fn read(&self, mut body: Incoming, limit: usize) -> Result<Zeroizing<Vec<u8>>, HttpError> {
        let too_large = || HttpError::TooLarge { from: self.to.clone(), limit };
        let hint = body.size_hint();
        // Content-Length, if there is one: refuse early, and allocate once.
        if hint.lower() > limit as u64 {
            return Err(too_large());
        }
        let room = hint.exact().and_then(|n| usize::try_from(n).ok()).unwrap_or(FIRST_ROOM);
        let mut whole = Zeroizing::new(Vec::with_capacity(room));
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| failed(&self.to, &e, "inside its answer"))?;
            let Some(data) = frame.data_ref() else { continue };
            if whole.len() + data.len() > limit {
                return Err(too_large());
            }
            append(&mut whole, data);
        }
        Ok(whole)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Appends without leaving an unwiped copy behind, as growth of the vector itself would.
fn append(whole: &mut Zeroizing<Vec<u8>>, data: &[u8]) {
    let needed = whole.len() + data.len();
    if needed > whole.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(2 * whole.capacity())));
        larger.extend_from_slice(whole);
        *whole = larger;
    }
    whole.extend_from_slice(data);
}

fn failed(to: &str, error: &hyper::Error, what: &'static str) -> HttpError {
    if let Some(error) = tls::cause(error) {
        return tls::refused(to, error);
    }
    if error.is_parse() {
        return HttpError::NotHttp { from: to.to_owned(), what: error.to_string() };
    }
    HttpError::Cut { from: to.to_owned(), what }
}
