//! What can go wrong between us and an HTTPS server, in words that say what to do next.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// Why a request got no answer, or why a client could not be built.
///
/// Texts name the server as `host:port`, or the file; never a body, a header value, or the user and password of a URL.
/// An answer with an error status is no `HttpError`: it is a [`Response`](crate::Response).
#[derive(Debug, Error)]
pub enum HttpError {
    /// A setting, file, address or request that cannot be used. Found before anything was sent.
    #[error("{what}; {remedy}")]
    Invalid {
        /// What is wrong, and where.
        what: String,
        /// What to write or do instead.
        remedy: String,
    },
    /// No TCP connection: the name is unknown, or all its addresses refused or are unreachable. Nothing was sent.
    #[error("cannot connect to {to}: {what}; {remedy}")]
    Connect {
        /// Server or proxy, `host:port`.
        to: String,
        /// What the resolver or the system said.
        what: String,
        /// What to look at next.
        remedy: &'static str,
    },
    /// The proxy answered CONNECT with something else than 200. Nothing was sent to the server.
    #[error("proxy {proxy} did not open a tunnel to {to}: {what}; {remedy}")]
    Proxy {
        /// The proxy, `host:port`.
        proxy: String,
        /// The server behind it, `host:port`.
        to: String,
        /// The proxy's status, or how its answer was malformed.
        what: String,
        /// What to look at next.
        remedy: &'static str,
    },
    /// No TLS session: a certificate was refused on one of the two sides, or there is no common ground.
    #[error("no TLS session with {to}: {what}; {remedy}")]
    Tls {
        /// The server, `host:port`.
        to: String,
        /// The reason, with the certificate's names or dates where they matter.
        what: String,
        /// What to look at next.
        remedy: &'static str,
    },
    /// Time ran out.
    #[error("{to} took longer than {} to {phase}; check its load and the network between, or allow more time", Seconds(*.limit))]
    Deadline {
        /// Server or proxy, `host:port`.
        to: String,
        /// What we were waiting for.
        phase: Phase,
        /// How long we waited: the phase's bound, or what was left of the bound on the whole.
        limit: Duration,
    },
    /// The answer's body is larger than [`Config::max_body`](crate::Config::max_body).
    #[error("{from} answered with more than {limit} bytes; is this the right server and path?")]
    TooLarge {
        /// The server, `host:port`.
        from: String,
        /// The bound in bytes.
        limit: usize,
    },
    /// The connection ended before the answer did.
    #[error("{from} ended the connection {what}; it or a proxy between may be restarting: try again")]
    Cut {
        /// The server, `host:port`.
        from: String,
        /// Before the answer, or inside its body.
        what: &'static str,
    },
    /// The answer is not HTTP/1.1.
    #[error("{from} did not answer in HTTP: {what}; check scheme and port of the address")]
    NotHttp {
        /// The server, `host:port`.
        from: String,
        /// What the parser said; never the bytes themselves.
        what: String,
    },
}

/// The variants of [`HttpError`] without their texts, for mapping and metric labels. Exhaustive on purpose: whoever
/// maps it has to decide on a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A setting, file, address or request that cannot be used.
    Invalid,
    /// No TCP connection.
    Connect,
    /// The proxy opened no tunnel.
    Proxy,
    /// No TLS session.
    Tls,
    /// Time ran out.
    Deadline,
    /// The answer's body is too large.
    TooLarge,
    /// The connection ended before the answer did.
    Cut,
    /// The answer is not HTTP/1.1.
    NotHttp,
}

/// What a request was waiting for when its time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Name resolution, TCP, and the proxy's answer to CONNECT.
    Connect,
    /// The TLS handshake.
    Handshake,
    /// Sending the request, and the head of the answer.
    FirstByte,
    /// The body of the answer. Bounded by [`Deadlines::whole`](crate::Deadlines::whole) only.
    Body,
}

impl HttpError {
    /// Which variant this is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. } => ErrorKind::Invalid,
            Self::Connect { .. } => ErrorKind::Connect,
            Self::Proxy { .. } => ErrorKind::Proxy,
            Self::Tls { .. } => ErrorKind::Tls,
            Self::Deadline { .. } => ErrorKind::Deadline,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::Cut { .. } => ErrorKind::Cut,
            Self::NotHttp { .. } => ErrorKind::NotHttp,
        }
    }

    pub(crate) fn invalid(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Invalid { what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "accept a connection",
            Self::Handshake => "complete the TLS handshake",
            Self::FirstByte => "begin its answer",
            Self::Body => "finish its answer",
        })
    }
}

/// A duration as people write it: `1.5 s`.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", (self.0.as_secs_f64() * 1000.0).round() / 1000.0)
    }
}
