//! From an origin to a connection that can carry a request.

use std::io;

use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use crate::deadline::Timer;
use crate::exchange::Connection;
use crate::proxy::open_tunnel;
use crate::{Config, HttpError, Origin, Phase, Proxies, Scheme, tls};

pub(crate) struct Connector {
    tls: TlsConnector,
    server_name: Option<ServerName<'static>>,
    pub(crate) proxies: Proxies,
}

impl Connector {
    pub(crate) fn new(config: &Config) -> Result<Self, HttpError> {
        Ok(Self {
            tls: tls::connector(config)?,
            server_name: config.server_name.as_deref().map(tls::server_name).transpose()?,
            proxies: config.proxies.clone(),
        })
    }

    /// The name to look for in the certificate of `origin`.
    pub(crate) fn server_name(&self, origin: &Origin) -> Result<ServerName<'static>, HttpError> {
        self.server_name.clone().map_or_else(|| tls::server_name(origin.host()), Ok)
    }

    pub(crate) async fn connect(&self, origin: &Origin, timer: &Timer) -> Result<Connection, HttpError> {
        let proxy = self.proxies.in_front_of(origin);
        let next = proxy.map_or(origin, |proxy| proxy.origin());
        let until = timer.until(Phase::Connect);
        let reach = async {
            let mut stream = dial(next, until).await?;
            if let (Some(proxy), Scheme::Https) = (proxy, origin.scheme()) {
                open_tunnel(&mut stream, proxy, origin).await?;
            }
            Ok(stream)
        };
        let stream = timer.within(Phase::Connect, &next.endpoint(), reach).await??;
        if origin.scheme() == Scheme::Http {
            return Connection::open(stream, origin).await;
        }
        let to = origin.endpoint();
        let handshake = self.tls.connect(self.server_name(origin)?, stream);
        let session = timer.within(Phase::Handshake, &to, handshake).await?;
        Connection::open(session.map_err(|e| tls::handshake_failed(&to, &e))?, origin).await
    }
}

/// Tries the host's addresses in order. Each gets its share of the time left, so that a dead first one does not use up
/// all of it.
async fn dial(origin: &Origin, until: Instant) -> Result<TcpStream, HttpError> {
    let failed = |e: &io::Error, remedy| HttpError::Connect { to: origin.endpoint(), what: e.to_string(), remedy };
    let unknown = |e: &io::Error| failed(e, "check the host name and this machine's DNS");
    let addresses: Vec<_> = lookup_host((origin.host(), origin.port())).await.map_err(|e| unknown(&e))?.collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (i, address) in addresses.iter().enumerate() {
        let others = u32::try_from(addresses.len() - i - 1).unwrap_or(u32::MAX);
        let attempt = TcpStream::connect(address);
        let outcome = if others == 0 {
            attempt.await
        } else {
            let share = until.saturating_duration_since(Instant::now()) / others.saturating_add(1);
            timeout(share, attempt).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        };
        match outcome {
            // Small requests: waiting to fill a packet would only delay them.
            Ok(stream) => return stream.set_nodelay(true).map(|()| stream).map_err(|e| failed(&e, "try again")),
            Err(e) => last = e,
        }
    }
    Err(match last.kind() {
        io::ErrorKind::NotFound => unknown(&last),
        io::ErrorKind::ConnectionRefused => failed(&last, "check that the server runs and listens on that port"),
        _ => failed(&last, "check routes and firewalls between"),
    })
}
