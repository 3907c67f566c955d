//! What a script can answer.

use std::time::Duration;

use serde_json::Value;

/// An answer, honest or broken. Made by one of the constructors, then bent by the methods; they combine.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(super) before: Duration,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Answer(Answer),
    Close,
    Raw(Vec<u8>),
    Never,
}

#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
    pub(super) chunked: bool,
    /// Size of a write, and the wait after it.
    pub(super) drip: Option<(usize, Duration)>,
    pub(super) cut_at: Option<u64>,
    pub(super) then_close: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    Bytes(Vec<u8>),
    /// So many bytes `x`, made as they are sent.
    Filler(u64),
}

impl Reply {
    /// This status, without body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        let (headers, body) = (Vec::new(), Body::Bytes(Vec::new()));
        let answer = Answer { status, headers, body, chunked: false, drip: None, cut_at: None, then_close: false };
        Self { before: Duration::ZERO, what: What::Answer(answer) }
    }

    /// This status and a JSON body, with its content type.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self::bytes(status, body.to_string()).header("Content-Type", "application/json")
    }

    /// This status and these bytes as body.
    #[must_use]
    pub fn bytes(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status).bend(|answer| answer.body = Body::Bytes(body.into()))
    }

    /// Status 200 and a body of `length` bytes, which are made as they are sent: 100 MB cost no memory.
    #[must_use]
    pub fn enormous(length: u64) -> Self {
        Self::new(200).bend(|answer| answer.body = Body::Filler(length))
    }

    /// No answer: the connection is closed once the request was read.
    #[must_use]
    pub const fn close() -> Self {
        Self { before: Duration::ZERO, what: What::Close }
    }

    /// These bytes in place of an answer, then close. For what is no HTTP at all.
    #[must_use]
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { before: Duration::ZERO, what: What::Raw(bytes.into()) }
    }

    /// No answer ever; the connection stays open until the client closes it.
    #[must_use]
    pub const fn never() -> Self {
        Self { before: Duration::ZERO, what: What::Never }
    }

    /// Adds a header. `Content-Length` and `Transfer-Encoding` are set by the server.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.bend(|answer| answer.headers.push((name.to_owned(), value.to_owned())))
    }

    /// Waits before the first byte.
    #[must_use]
    pub const fn after(mut self, wait: Duration) -> Self {
        self.before = wait;
        self
    }

    /// Sends the body in chunks, without saying how long it is.
    #[must_use]
    pub fn chunked(self) -> Self {
        self.bend(|answer| answer.chunked = true)
    }

    /// Sends the body `bytes` at a time, with a wait after each.
    #[must_use]
    pub fn drip(self, bytes: usize, wait: Duration) -> Self {
        self.bend(|answer| answer.drip = Some((bytes.max(1), wait)))
    }

    /// Announces the whole body, but closes after its first `bytes` bytes.
    #[must_use]
    pub fn cut_at(self, bytes: u64) -> Self {
        self.bend(|answer| answer.cut_at = Some(bytes))
    }

    /// Closes after the answer, without having said so by `Connection: close`.
    #[must_use]
    pub fn then_close(self) -> Self {
        self.bend(|answer| answer.then_close = true)
    }

    fn bend(mut self, change: impl FnOnce(&mut Answer)) -> Self {
        if let What::Answer(answer) = &mut self.what {
            change(answer);
        }
        self
    }
}

impl Body {
    pub(super) const fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Filler(length) => *length,
        }
    }
}
