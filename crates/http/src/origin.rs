//! Where a request goes: scheme, host, port, and the path that everything lies under.

use std::fmt;
use std::str::FromStr;

use http::Uri;

use crate::HttpError;

/// An address such as `https://vault-0:8200` or `https://gate.example.org/vault`, parsed and validated.
///
/// Scheme and host are required; the port defaults to 443 or 80; a path is kept as prefix of every request path,
/// without its trailing slashes. User and password, query, and fragment are refused. Scheme and host are lower case.
/// Shown and compared in that form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: Scheme,
    host: String,
    port: u16,
    prefix: String,
}

/// The two schemes that are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain text; refused unless [`Config::plain_http`](crate::Config::plain_http) consents.
    Http,
    /// TLS.
    Https,
}

impl Origin {
    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host: a DNS name or an IP address; IPv6 without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The path in front of every request path: empty, or `/vault`.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// `host:port`, as error texts and CONNECT name it.
    pub(crate) fn endpoint(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The `Host` header: the port only where it is not the scheme's own.
    pub(crate) fn authority(&self) -> String {
        if self.port == self.scheme.port() { self.host.clone() } else { self.endpoint() }
    }
}

impl FromStr for Origin {
    type Err = HttpError;

    /// # Errors
    ///
    /// [`HttpError::Invalid`], which says what is wrong and what to write.
    fn from_str(text: &str) -> Result<Self, HttpError> {
        let shown = without_userinfo(text);
        let refuse = |what: &str, remedy: &str| Err(HttpError::invalid(format!("address `{shown}` {what}"), remedy));
        if text.is_empty() {
            return refuse("is empty", "write https://HOST:PORT");
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return refuse("has no scheme", &format!("write https://{shown}"));
        };
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return refuse("has a scheme other than https", "write https://HOST:PORT"),
        };
        if rest.contains('@') {
            return refuse("carries a user or password", "take them out; log in by the authentication settings");
        }
        if rest.contains(['?', '#']) {
            return refuse("carries a query or fragment", "write scheme, host, port and path only");
        }
        let Ok(uri) = text.parse::<Uri>() else {
            return refuse("is no URL", "write https://HOST:PORT; IPv6 stands in brackets, the port is below 65536");
        };
        let Some(authority) = uri.authority().filter(|a| !a.host().is_empty()) else {
            return refuse("has no host", "write https://HOST:PORT");
        };
        // `http` takes `host:` and `host:port` with any digits; the port is None for those that are no u16.
        let port = match (authority.port_u16(), authority.as_str().len() > authority.host().len()) {
            (Some(port), _) if port > 0 => port,
            (None, false) => scheme.port(),
            _ => return refuse("has no usable port", "write a port from 1 to 65535, or none"),
        };
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { scheme, host: authority.host().to_ascii_lowercase(), port, prefix })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority(), self.prefix)
    }
}

impl Scheme {
    const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// `text` fit for an error message: whatever stands before an `@` may be a password, behind a `?` or `#` a token.
pub(crate) fn without_userinfo(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let shown = match (rest.rsplit_once('@'), rest.split_once(['?', '#'])) {
        (None, None) => rest.to_owned(),
        (Some((_, after)), None) => format!("***@{after}"),
        (None, Some((before, _))) => format!("{before}?***"),
        // A password with a `?` in it, or a query with an `@`: who knows.
        (Some(_), Some(_)) => "***".to_owned(),
    };
    if scheme.is_empty() { shown } else { format!("{scheme}://{shown}") }
}
