//! A request as it came in.

use std::fmt;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Largest head of a request; a longer one closes the connection.
const MAX_HEAD: usize = 64 * 1024;

/// A request that a [`ScriptedServer`](super::ScriptedServer) has read. `Debug` leaves out header values and body,
/// which may hold credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, ...
    pub method: String,
    /// The target as sent: path and query, or an absolute URL if the client takes this server for a proxy.
    pub path: String,
    /// Names in lower case, in the order as sent.
    pub headers: Vec<(String, String)>,
    /// The body; empty if there is none.
    pub body: Vec<u8>,
    /// Which of the server's connections it came on, from 0.
    pub connection: usize,
    /// Which request of its connection it is, from 0.
    pub number: usize,
}

impl Request {
    /// The first header of that name, in whatever case it is given.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `Null` if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Reads one request; `None` if the client went away, or sent what is no HTTP/1.1.
    pub(super) async fn read(
        stream: &mut (impl AsyncRead + Unpin),
        ahead: &mut Vec<u8>,
        connection: usize,
        number: usize,
    ) -> Option<Self> {
        let head_end = loop {
            if let Some(at) = ahead.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            // A TLS client on a plain port would wait for ever for an answer to what is no line.
            let not_http = ahead.first().is_some_and(|byte| !byte.is_ascii_alphabetic());
            if not_http || ahead.len() > MAX_HEAD || stream.read_buf(ahead).await.ok()? == 0 {
                return None;
            }
        };
        let rest = ahead.split_off(head_end);
        let head = String::from_utf8(std::mem::replace(ahead, rest)).ok()?;
        let mut lines = head.lines();
        let mut words = lines.next()?.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers = lines.filter_map(header).collect();
        let mut request = Self { method, path, headers, body: Vec::new(), connection, number };
        let length = request.header("content-length").map_or(Some(0), |n| n.parse().ok())?;
        while ahead.len() < length {
            if stream.read_buf(ahead).await.ok()? == 0 {
                return None;
            }
        }
        let rest = ahead.split_off(length);
        request.body = std::mem::replace(ahead, rest);
        Some(request)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, connection, number, body, .. } = self;
        write!(f, "Request({method} {path}, {} bytes, number {number} on connection {connection})", body.len())
    }
}
