//! The client: a request goes in, an answer or an error comes out.

use std::fmt;
use std::sync::Arc;

use http::header::PROXY_AUTHORIZATION;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};

use crate::connect::Connector;
use crate::deadline::Timer;
use crate::exchange::Connection;
use crate::pool::Pool;
use crate::{Config, Deadlines, HttpError, Origin, Phase, Request, Response, Scheme};

/// An HTTPS client with kept-alive connections. Clones share them; made by [`Config::build`].
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    connector: Connector,
    pool: Pool,
    deadlines: Deadlines,
    max_body: usize,
    plain_http: bool,
}

impl Client {
    pub(crate) fn new(config: &Config) -> Result<Self, HttpError> {
        Ok(Self(Arc::new(Inner {
            connector: Connector::new(config)?,
            pool: Pool::new(config.max_idle, config.idle_for),
            deadlines: config.deadlines,
            max_body: config.max_body,
            plain_http: config.plain_http,
        })))
    }

    /// Whether this client may talk to `origin`. Ask it for every configured address at start, so that a bad one is
    /// found before the first request; [`Client::send`] asks again.
    ///
    /// # Errors
    ///
    /// [`HttpError::Invalid`] for an http address without consent, and for a host that TLS can't name.
    pub fn check(&self, origin: &Origin) -> Result<(), HttpError> {
        match origin.scheme() {
            Scheme::Https => self.0.connector.server_name(origin).map(drop),
            Scheme::Http if self.0.plain_http => Ok(()),
            Scheme::Http => Err(HttpError::invalid(
                format!("address {origin} would send credentials and keys in plain text"),
                "write https://, or consent to plain http in the configuration",
            )),
        }
    }

    /// Sends a request and reads the whole answer, whatever its status. Dropping the future closes its connection.
    ///
    /// A kept-alive connection that the server closed before any answer costs one more try, on a fresh connection and
    /// within the same deadlines.
    ///
    /// # Errors
    ///
    /// [`HttpError`]: no answer, or none that is complete and within the bounds.
    pub async fn send(&self, request: Request) -> Result<Response, HttpError> {
        let timer = Timer::start(self.0.deadlines);
        let origin = &request.origin;
        self.check(origin)?;
        let message = self.message(&request)?;
        if let Some(mut connection) = self.0.pool.take(origin) {
            let answer = self.ask(&mut connection, message.clone(), origin, &timer).await;
            if matches!(answer, Err(HttpError::Cut { .. } | HttpError::Deadline { .. })) {
                // A restart or a lost route took the other idle ones too: not a deadline for each of them.
                self.0.pool.forget(origin);
            }
            if !matches!(answer, Err(HttpError::Cut { .. })) {
                return self.read(connection, answer?, origin, &timer).await;
            }
        }
        let mut connection = self.0.connector.connect(origin, &timer).await?;
        let answer = self.ask(&mut connection, message, origin, &timer).await?;
        self.read(connection, answer, origin, &timer).await
    }

    /// The request as the next hop wants it. For https behind a proxy the next hop is the server, through a tunnel.
    fn message(&self, request: &Request) -> Result<http::Request<Full<Bytes>>, HttpError> {
        let proxy = match request.origin.scheme() {
            Scheme::Http => self.0.connector.proxies.in_front_of(&request.origin),
            Scheme::Https => None,
        };
        let mut message = request.message(proxy.is_some())?;
        if let Some(authorization) = proxy.and_then(|proxy| proxy.authorization()) {
            message.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        Ok(message)
    }

    async fn ask(
        &self,
        connection: &mut Connection,
        message: http::Request<Full<Bytes>>,
        origin: &Origin,
        timer: &Timer,
    ) -> Result<http::Response<Incoming>, HttpError> {
        timer.within(Phase::FirstByte, &origin.endpoint(), connection.ask(message)).await?
    }

    async fn read(
        &self,
        connection: Connection,
        answer: http::Response<Incoming>,
        origin: &Origin,
        timer: &Timer,
    ) -> Result<Response, HttpError> {
        let (head, body) = answer.into_parts();
        let body = connection.read(body, self.0.max_body);
        let body = timer.within(Phase::Body, &origin.endpoint(), body).await??;
        self.0.pool.put(origin, connection);
        Ok(Response::new(head.status, head.headers, body))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("deadlines", &self.0.deadlines).finish_non_exhaustive()
    }
}
