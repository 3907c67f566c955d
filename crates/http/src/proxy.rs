//! Proxies: which one, if any, lies in front of an origin.

mod bypass;
mod tunnel;

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use hyper::body::Bytes;
use zeroize::Zeroizing;

use self::bypass::Bypass;
pub(crate) use self::tunnel::open_tunnel;
use crate::origin::without_userinfo;
use crate::{HttpError, Origin, Scheme};

/// The proxies of a client; the default is none.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    https: Option<Proxy>,
    http: Option<Proxy>,
    bypass: Bypass,
}

/// An HTTP proxy: CONNECT for https origins, absolute-form requests for http ones. `Debug` shows `host:port` only.
#[derive(Clone)]
pub struct Proxy {
    origin: Origin,
    authorization: Option<HeaderValue>,
}

impl Proxies {
    /// Reads values as they stand in `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`; an empty one is none.
    ///
    /// A proxy is `http://[USER:PASSWORD@]HOST[:PORT]`; the scheme may be left out, the port is then 80, user and
    /// password are percent-encoded and become basic authentication. `NO_PROXY` is a comma-separated list as Go reads
    /// it (`golang.org/x/net/http/httpproxy`): `example.org` is that host and all below, `.example.org` only those
    /// below, an IP address, a range in CIDR form, each with or without `:PORT`, or `*` for all. Entries that are none
    /// of these match nothing. `localhost` and loopback addresses never go through a proxy.
    ///
    /// # Errors
    ///
    /// [`HttpError::Invalid`] for a proxy that is no such URL, or that wants to be spoken to by TLS or SOCKS.
    pub fn parse(https: Option<&str>, http: Option<&str>, bypass: Option<&str>) -> Result<Self, HttpError> {
        let proxy = |text: Option<&str>| text.map(str::trim).filter(|t| !t.is_empty()).map(Proxy::parse).transpose();
        Ok(Self { https: proxy(https)?, http: proxy(http)?, bypass: Bypass::parse(bypass.unwrap_or_default()) })
    }

    /// The proxy in front of `origin`, if there is one.
    #[must_use]
    pub fn in_front_of(&self, origin: &Origin) -> Option<&Proxy> {
        let proxy = match origin.scheme() {
            Scheme::Https => self.https.as_ref(),
            Scheme::Http => self.http.as_ref(),
        };
        proxy.filter(|_| !self.bypass.covers(origin.host(), origin.port()))
    }
}

impl Proxy {
    fn parse(text: &str) -> Result<Self, HttpError> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        if !scheme.eq_ignore_ascii_case("http") {
            let what = format!("proxy `{}` is not spoken to by plain http", without_userinfo(text));
            return Err(HttpError::invalid(what, "write http://HOST:PORT; TLS to the server goes through it unopened"));
        }
        let (userinfo, address) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
        if userinfo.is_some_and(|userinfo| userinfo.contains(['/', '?', '#'])) {
            // By RFC 3986 the host ended before them; the password is meant, and neither reading is safe to guess.
            let what = format!("proxy `{}` has `/`, `?` or `#` in front of an `@`", without_userinfo(text));
            return Err(HttpError::invalid(what, "percent-encode them in user and password"));
        }
        let origin = format!("http://{address}").parse().map_err(|e| match e {
            HttpError::Invalid { what, .. } => HttpError::invalid(format!("proxy {what}"), "write http://HOST:PORT"),
            other => other,
        })?;
        Ok(Self { origin, authorization: userinfo.map(basic).transpose()? })
    }

    pub(crate) const fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(crate) const fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.origin.endpoint())
    }
}

/// `user:password`, percent-encoded, as the value of `Proxy-Authorization` (RFC 7617).
fn basic(userinfo: &str) -> Result<HeaderValue, HttpError> {
    let plain = percent_decoded(userinfo);
    let mut value = Zeroizing::new(Vec::with_capacity(6 + plain.len() * 4 / 3 + 4));
    value.extend_from_slice(b"Basic ");
    value.extend_from_slice(Zeroizing::new(BASE64_STANDARD.encode(&plain)).as_bytes());
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(value))
        .map_err(|_| HttpError::invalid("the proxy's user and password cannot be encoded", "percent-encode them"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn percent_decoded(text: &str) -> Zeroizing<Vec<u8>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let decoded = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        plain.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { &tail[2..] } else { tail };
    }
    plain
}
