//! What an administrator can choose about HTTPS, and how it becomes a client.

use std::path::PathBuf;
use std::time::Duration;

use crate::{Client, Deadlines, HttpError, Proxies};

/// Settings of one [`Client`]. Start from [`Config::default`] and change fields.
///
/// Files are read once, by [`Config::build`]; build again when they change. `Debug` shows no credential.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which CAs to trust. Default [`Roots::System`].
    pub roots: Roots,
    /// Where [`Roots::System`] looks: the first file or folder that exists counts. Default [`system_bundles`].
    pub system_bundles: Vec<PathBuf>,
    /// Accept any server certificate, whoever signed it. Whoever can redirect the connection then reads the
    /// credentials on it. Default false.
    pub skip_verify: bool,
    /// Certificate to show to servers that ask for one (mutual TLS). Default none.
    pub client_certificate: Option<ClientCertificate>,
    /// Name to send (SNI) and to look for in the server's certificate, in place of the address's host. Default none.
    pub server_name: Option<String>,
    /// Proxies. Default none; nothing is taken from the environment here.
    pub proxies: Proxies,
    /// Consent to `http://` addresses: bodies and credentials then cross the network in plain text. Default false.
    pub plain_http: bool,
    /// Bounds on waiting.
    pub deadlines: Deadlines,
    /// Largest body of an answer, in bytes. Default 1,000,000.
    pub max_body: usize,
    /// Most connections kept open and idle, per origin. Default 64. Connections in use are as many as requests in
    /// flight, which the caller bounds.
    pub max_idle: usize,
    /// How long a connection is kept idle. Default 55 s, under the 60 s of common load balancers.
    pub idle_for: Duration,
}

/// Which CAs to trust. Paths are PEM files, or folders whose PEM files are all read (names with a leading dot are
/// skipped: in a mounted ConfigMap they are its versions).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The operating system's.
    System,
    /// These and no others.
    Only(Vec<PathBuf>),
    /// The operating system's, and these.
    SystemAnd(Vec<PathBuf>),
}

/// A client certificate and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM file: the certificate, then its intermediates.
    pub certificate: PathBuf,
    /// PEM file: the private key, unencrypted (PKCS#8, PKCS#1 or SEC 1).
    pub key: PathBuf,
}

impl Config {
    /// Reads the files and makes the client. Opens no connection.
    ///
    /// # Errors
    ///
    /// [`HttpError::Invalid`], with the file or setting and the remedy.
    pub fn build(&self) -> Result<Client, HttpError> {
        let Deadlines { connect, handshake, first_byte, whole } = self.deadlines;
        let waits = [("connect", connect), ("handshake", handshake), ("first byte", first_byte), ("whole", whole)];
        for (name, wait) in waits.into_iter().chain([("idle", self.idle_for)]) {
            if wait.is_zero() || wait > LONGEST {
                let what = format!("{name} time of {wait:?} is out of bounds");
                return Err(HttpError::invalid(what, "write more than zero and at most an hour"));
            }
        }
        Client::new(self)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            roots: Roots::System,
            system_bundles: system_bundles(),
            skip_verify: false,
            client_certificate: None,
            server_name: None,
            proxies: Proxies::default(),
            plain_http: false,
            deadlines: Deadlines::default(),
            max_body: 1_000_000,
            max_idle: 64,
            idle_for: Duration::from_secs(55),
        }
    }
}

/// Longest time that may be configured.
const LONGEST: Duration = Duration::from_secs(3600);

/// Where operating systems keep their CA bundle: `$SSL_CERT_FILE` alone if it is set, else the list that Go's
/// `crypto/x509` uses on Linux.
#[must_use]
pub fn system_bundles() -> Vec<PathBuf> {
    if let Some(file) = std::env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty()) {
        return vec![file.into()];
    }
    let usual = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/pki/tls/cacert.pem",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    usual.map(PathBuf::from).to_vec()
}
