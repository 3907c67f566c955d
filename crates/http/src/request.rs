//! One request: method, origin, path, headers, body.

use std::fmt;

use http::header::{CONTENT_TYPE, HOST};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use http_body_util::Full;
use hyper::body::Bytes;
use zeroize::Zeroizing;

use crate::{HttpError, Origin};

/// A request to an [`Origin`]. `Debug` shows method and address; no query, no header values, no body.
///
/// It may be sent twice: when a kept-alive connection turns out to be closed by the server before any answer, it goes
/// out once more on a fresh one. So use it for what is idempotent in effect, whatever the method.
pub struct Request {
    pub(crate) origin: Origin,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// A header value that is a credential: never printed, and wiped when its last user is done.
#[derive(Clone)]
pub struct SecretHeader(HeaderValue);

impl Request {
    /// A request without body. `path` begins with `/`, may have a query, is already percent-encoded, and is appended to
    /// the origin's prefix.
    #[must_use]
    pub fn new(method: Method, origin: &Origin, path: impl Into<String>) -> Self {
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        Self { origin: origin.clone(), method, path: path.into(), headers, body }
    }

    /// Sets a header; an earlier value of that name is replaced. `Host` and the length are set by the client.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets a header that is a credential.
    #[must_use]
    pub fn secret(self, name: HeaderName, value: &SecretHeader) -> Self {
        self.header(name, value.0.clone())
    }

    /// Sets the body. The buffer is wiped when the request is done; no copy of it is made here.
    #[must_use]
    pub fn body(mut self, body: Zeroizing<Vec<u8>>) -> Self {
        self.body = Bytes::from_owner(body);
        self
    }

    /// Sets the body and `Content-Type: application/json`.
    #[must_use]
    pub fn json(self, body: Zeroizing<Vec<u8>>) -> Self {
        self.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(body)
    }

    /// What goes on the wire. The body and the secrets in it are shared, not copied. `absolute` is for a proxy that
    /// gets plain http.
    pub(crate) fn message(&self, absolute: bool) -> Result<http::Request<Full<Bytes>>, HttpError> {
        let at = || format!("{} {}", self.method, self.origin);
        let path = format!("{}{}", self.origin.prefix(), self.path);
        let target: PathAndQuery = match self.path.starts_with('/').then(|| path.parse()) {
            Some(Ok(target)) => target,
            _ => {
                let what = format!("the path of a request {} is malformed", at());
                return Err(HttpError::invalid(what, "begin it with `/` and percent-encode its parts"));
            }
        };
        let mut uri = Uri::builder().path_and_query(target);
        if absolute {
            uri = uri.scheme(self.origin.scheme().to_string().as_str()).authority(self.origin.authority());
        }
        let build = |uri: Uri| {
            let host = HeaderValue::from_str(&self.origin.authority())?;
            let mut message = http::Request::new(Full::new(self.body.clone()));
            *message.method_mut() = self.method.clone();
            *message.uri_mut() = uri;
            *message.headers_mut() = self.headers.clone();
            message.headers_mut().insert(HOST, host);
            Ok::<_, http::Error>(message)
        };
        uri.build()
            .and_then(build)
            .map_err(|e| HttpError::invalid(format!("request {}: {e}", at()), "check the address"))
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "Request({} {}{path}, {} bytes)", self.method, self.origin, self.body.len())
    }
}

impl SecretHeader {
    /// Takes the bytes of a credential, without copying them.
    ///
    /// # Errors
    ///
    /// [`HttpError::Invalid`] if a byte can't stand in a header (a line feed at the end of a token file is the usual
    /// one). The text does not show the value.
    pub fn new(value: Zeroizing<Vec<u8>>) -> Result<Self, HttpError> {
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(value)).map_err(|_| {
            HttpError::invalid("a credential has a byte that cannot stand in a header", "look for line feeds in it")
        })?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

impl fmt::Debug for SecretHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHeader(***)")
    }
}
