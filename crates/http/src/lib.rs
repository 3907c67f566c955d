//! One HTTPS client: CA bundles, client certificates, per-phase deadlines, body limits, proxy.
//!
//! [`Config`] is what an administrator can choose, [`Config::build`] reads the files and yields a [`Client`], and
//! [`Client::send`] takes a [`Request`] to an [`Origin`] and gives a [`Response`] or an [`HttpError`]. HTTP/1.1 with
//! kept-alive connections over rustls and aws-lc-rs, TLS 1.2 and 1.3. Redirects are not followed: an answer 3xx is
//! returned like any other. Nothing is logged or counted here; the caller measures.
//!
//! Every wait and every buffer has a bound. Request and response bodies, and the values of [`SecretHeader`], are wiped
//! when dropped; the buffers inside hyper and rustls through which they pass are not.

mod client;
mod config;
mod connect;
mod deadline;
mod error;
mod exchange;
mod origin;
mod pool;
mod proxy;
mod quote;
mod renewing;
mod request;
mod response;
mod tls;

pub use self::client::Client;
pub use self::config::{ClientCertificate, Config, Roots, system_bundles};
pub use self::deadline::Deadlines;
pub use self::error::{ErrorKind, HttpError, Phase};
pub use self::origin::{Origin, Scheme};
pub use self::proxy::{Proxies, Proxy};
pub use self::quote::{quote, repeats};
pub use self::renewing::RenewingClient;
pub use self::request::{Request, SecretHeader};
pub use self::response::Response;
pub use http::{HeaderName, HeaderValue, Method, StatusCode, header};
pub use zeroize::Zeroizing;
