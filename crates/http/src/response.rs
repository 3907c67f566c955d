//! One answer: status, the few headers that matter, and a body that is wiped.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use zeroize::Zeroizing;

/// An answer, whatever its status. `Debug` shows the status and the body's length.
pub struct Response {
    /// The status; a redirect is not followed.
    pub status: StatusCode,
    /// The body, at most [`Config::max_body`](crate::Config::max_body) bytes, wiped when dropped.
    pub body: Zeroizing<Vec<u8>>,
    headers: HeaderMap,
}

impl Response {
    pub(crate) const fn new(status: StatusCode, headers: HeaderMap, body: Zeroizing<Vec<u8>>) -> Self {
        Self { status, body, headers }
    }

    /// A header's value, if it is there and is visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How long the server asks to wait, from `Retry-After`: seconds, or an HTTP date, which is counted from the
    /// answer's own `Date` so that a wrong clock on either side does no harm. A date gone by is zero. `None` if absent
    /// or unreadable. Not capped: that is the caller's (RFC 9110, 10.2.3).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.header(RETRY_AFTER.as_str())?.trim();
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let until = httpdate::parse_http_date(value).ok()?;
        let now = self.sent_at().unwrap_or_else(SystemTime::now);
        Some(until.duration_since(now).unwrap_or_default())
    }

    /// The server's clock, from `Date`, in Unix seconds.
    #[must_use]
    pub fn date(&self) -> Option<u64> {
        Some(self.sent_at()?.duration_since(UNIX_EPOCH).ok()?.as_secs())
    }

    fn sent_at(&self) -> Option<SystemTime> {
        httpdate::parse_http_date(self.header(DATE.as_str())?).ok()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({}, {} bytes)", self.status, self.body.len())
    }
}
