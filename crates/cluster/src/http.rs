//! One HTTP request per connection, without TLS: enough for etcd and Vault on loopback.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

const CONNECT: Duration = Duration::from_secs(5);
// Per read or write, not for the whole: a snapshot may take a while.
const STALL: Duration = Duration::from_secs(30);

/// Sends a request and answers status code and body. `headers` are `(name, value)`.
///
/// HTTP/1.0, so that the body ends with the connection and is never chunked. Bounds: 5 s to connect, 30 s per read.
pub(crate) fn request(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<(u16, Vec<u8>)> {
    exchange(server, method, path, headers, body).with_context(|| format!("{method} http://{server}{path}"))
}

fn exchange(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect_timeout(&server, CONNECT)?;
    stream.set_read_timeout(Some(STALL))?;
    stream.set_write_timeout(Some(STALL))?;
    let mut head = format!("{method} {path} HTTP/1.0\r\nHost: {server}\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer).with_context(|| format!("no HTTP answer: {:?}", String::from_utf8_lossy(&answer)))
}

fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer[end + 4..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_status_and_body_and_refuses_what_is_cut_off() {
        let (status, body) = parse(b"HTTP/1.0 503 Service Unavailable\r\nA: b\r\n\r\n{\"sealed\":true}").unwrap();
        assert_eq!((status, body.as_slice()), (503, b"{\"sealed\":true}".as_slice()));
        assert_eq!(parse(b"HTTP/1.0 200 OK\r\nA: b\r\n"), None);
        assert_eq!(parse(b"\x15\x03\x01\r\n\r\n"), None);
    }
}
