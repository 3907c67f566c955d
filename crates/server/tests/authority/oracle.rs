//! What h2, as a server, makes of the bytes of a client.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use trousseau_server::authority::{AuthorityStream, Filter};

/// What came of one connection.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) requests: Vec<Request>,
    /// How many streams h2 reset with PROTOCOL_ERROR.
    pub(crate) refused: usize,
    /// Whether h2 gave up the connection with an error.
    pub(crate) closed: bool,
}

/// A request as h2 hands it to a server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) authority: Option<String>,
    pub(crate) fields: http::HeaderMap,
}

/// h2 alone.
pub(crate) fn stock(bytes: &[u8]) -> Seen {
    connection(bytes, 4096, |io| io)
}

/// h2 behind the filter, which gets at most `chunk` bytes a read.
pub(crate) fn filtered(bytes: &[u8], chunk: usize) -> Seen {
    connection(bytes, chunk, AuthorityStream::new)
}

/// The filter alone, which gets pieces of the given lengths, over and over.
pub(crate) fn filter(bytes: &[u8], lengths: &[usize]) -> Vec<u8> {
    let (mut filter, mut out, mut held, mut rest) = (Filter::new(), Vec::new(), Vec::new(), bytes);
    let mut lengths = lengths.iter().cycle();
    while let Some((piece, later)) = lengths.next().and_then(|length| rest.split_at_checked((*length).max(1))) {
        held.extend_from_slice(piece);
        let done = filter.scan(&mut held);
        out.extend(held.drain(..done));
        rest = later;
    }
    held.extend_from_slice(rest);
    filter.scan(&mut held);
    out.extend(held);
    out
}

fn connection<T>(bytes: &[u8], chunk: usize, wrap: impl FnOnce(tokio::io::DuplexStream) -> T) -> Seen
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (client, server) = tokio::io::duplex(chunk);
        let (mut receiver, mut sender) = tokio::io::split(client);
        let mut answer = Vec::new();
        let send = async {
            // h2 may hang up before it has read everything.
            let _ = sender.write_all(bytes).await;
            // The clock is stopped, so this is over when h2 has nothing left to do; it drops requests at the end of input.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let _ = sender.shutdown().await;
        };
        let all = async { tokio::join!(serve(wrap(server)), send, receiver.read_to_end(&mut answer)).0 };
        let requests = tokio::time::timeout(Duration::from_secs(20), all).await.unwrap();
        let (mut refused, mut closed) = (0, false);
        for (kind, payload) in frames(&answer) {
            match (kind, payload) {
                (3, [0, 0, 0, 1]) => refused += 1,
                (7, [_, _, _, _, code @ ..]) => closed |= code[..4] != [0; 4],
                _ => {}
            }
        }
        Seen { requests, refused, closed }
    })
}

async fn serve(io: impl AsyncRead + AsyncWrite + Unpin) -> Vec<Request> {
    let mut requests = Vec::new();
    // hyper's limit of 16 KiB of fields would refuse the long captures.
    let mut builder = h2::server::Builder::new();
    let Ok(mut connection) = builder.max_header_list_size(1 << 20).handshake::<_, &'static [u8]>(io).await else {
        return requests;
    };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        requests.push(Request {
            path: request.uri().path().to_owned(),
            authority: request.uri().authority().map(ToString::to_string),
            fields: request.headers().clone(),
        });
        let _ = respond.send_response(http::Response::new(()), true);
    }
    requests
}

/// The kinds and payloads of whole frames.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut frames = Vec::new();
    while let Some(([a, b, c, kind, ..], rest)) = bytes.split_first_chunk::<9>() {
        let Some((payload, rest)) = rest.split_at_checked(u32::from_be_bytes([0, *a, *b, *c]) as usize) else { break };
        frames.push((*kind, payload));
        bytes = rest;
    }
    frames
}
