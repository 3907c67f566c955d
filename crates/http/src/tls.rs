//! TLS by rustls and aws-lc-rs: what a [`Config`] says, as a rustls configuration.

mod reason;
mod roots;
mod unverified;

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

pub(crate) use self::reason::{cause, handshake_failed, refused};
use self::unverified::Unverified;
use crate::{ClientCertificate, Config, HttpError};

/// Builds the connector: trust, client certificate, TLS 1.2 and 1.3.
pub(crate) fn connector(config: &Config) -> Result<TlsConnector, HttpError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|e| HttpError::invalid(format!("TLS cannot be set up: {e}"), "report this as a bug"))?;
    let builder = if config.skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider)))
    } else {
        builder.with_root_certificates(roots::load(&config.roots, &config.system_bundles)?)
    };
    let mut tls = match &config.client_certificate {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let (chain, key) = identity(files)?;
            builder.with_client_auth_cert(chain, key).map_err(|e| {
                let ClientCertificate { certificate, key } = files;
                HttpError::invalid(
                    format!("client certificate {} with key {}: {e}", certificate.display(), key.display()),
                    "use the key that belongs to this certificate",
                )
            })?
        }
    };
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(tls).into())
}

/// A host or a `server_name` setting as rustls wants it.
pub(crate) fn server_name(name: &str) -> Result<ServerName<'static>, HttpError> {
    ServerName::try_from(name.to_owned()).map_err(|_| {
        HttpError::invalid(format!("TLS server name `{name}` is no host name"), "write a DNS name or an IP address")
    })
}

fn identity(files: &ClientCertificate) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), HttpError> {
    let chain = certificates(&files.certificate)?;
    if chain.is_empty() {
        return Err(not_pem(&files.certificate, "client certificate", "no certificate in it"));
    }
    let key = read(&files.key)?;
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|_| not_pem(&files.key, "client key", "no unencrypted private key in it"))?;
    Ok((chain, key))
}

/// All certificates of a PEM file; other PEM sections are passed over.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    let pem = read(file)?;
    CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| not_pem(file, "certificate file", "broken"))
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, HttpError> {
    std::fs::read(file).map(Zeroizing::new).map_err(|e| {
        HttpError::invalid(format!("{} cannot be read: {e}", file.display()), "check the path and its permissions")
    })
}

fn not_pem(file: &Path, what: &str, reason: &str) -> HttpError {
    HttpError::invalid(format!("{what} {}: {reason}", file.display()), "write it as PEM (`-----BEGIN ...`)")
}
