//! CONNECT: a tunnel through a proxy (RFC 9110, 9.3.6).

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::Proxy;
use crate::{HttpError, Origin};

/// Largest answer to CONNECT; proxies put an error page behind a refusal, which is not read.
const MAX_ANSWER: usize = 16 * 1024;

/// Asks `proxy`, at the other end of `stream`, for a tunnel to `origin`.
pub(crate) async fn open_tunnel(stream: &mut TcpStream, proxy: &Proxy, origin: &Origin) -> Result<(), HttpError> {
    let to = origin.endpoint();
    let refuse = |what: String, remedy| {
        let proxy = proxy.origin().endpoint();
        Err(HttpError::Proxy { proxy, to: to.clone(), what, remedy })
    };
    let authorization = proxy.authorization().map_or(&b""[..], |value| value.as_bytes());
    let mut request = Zeroizing::new(Vec::with_capacity(2 * to.len() + authorization.len() + 128));
    request.extend_from_slice(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n").as_bytes());
    if !authorization.is_empty() {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(authorization);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let head = match exchange(stream, &request).await {
        Ok(head) => head,
        Err(e) => return refuse(format!("it ended the connection ({e})"), "check the proxy and its address"),
    };
    match status(&head) {
        Some(200..=299) => Ok(()),
        Some(407) => refuse("it answered 407".into(), "put the right USER:PASSWORD@ into the proxy's URL"),
        Some(status) => refuse(format!("it answered {status}"), "let the proxy allow CONNECT to that host and port"),
        None => refuse("its answer is not HTTP".into(), "check that this port is an HTTP proxy"),
    }
}

/// Sends the request and reads up to the empty line. The server behind waits for our ClientHello, so nothing that is
/// not the proxy's can follow.
async fn exchange(stream: &mut TcpStream, request: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(request).await?;
    let mut head = Vec::with_capacity(512);
    while !head.windows(4).any(|w| w == b"\r\n\r\n") && head.len() < MAX_ANSWER {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}
