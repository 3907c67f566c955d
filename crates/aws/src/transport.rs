//! How AWS is reached: TLS by rustls over aws-lc-rs, the authorities to trust, a proxy.

use std::fs;
use std::path::{Path, PathBuf};

use aws_sdk_kms::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::build::{ConfigError, refuse};

/// What the HTTP client is made of.
pub(crate) struct Transport {
    /// PEM file of authorities.
    pub(crate) ca: Option<PathBuf>,
    /// The system's authorities count too.
    pub(crate) with_system: bool,
    /// For https URLs: the proxy's, and what goes past it.
    pub(crate) proxy: Option<(String, Option<String>)>,
}

impl Transport {
    /// One client for KMS, STS and the sources of credentials, with one pool of connections.
    ///
    /// # Errors
    /// A CA file that can't be read, or a proxy that is no URL.
    pub(crate) fn client(&self) -> Result<SharedHttpClient, ConfigError> {
        let trust = match &self.ca {
            None => TrustStore::default(),
            Some(file) => {
                TrustStore::empty().with_native_roots(self.with_system).with_pem_certificate(authorities(file)?)
            }
        };
        let tls = TlsContext::builder().with_trust_store(trust).build();
        let tls = tls.map_err(|_| refuse("tls can't be used", "correct `tls.ca`"))?;
        let proxy = match &self.proxy {
            None => ProxyConfig::disabled(),
            Some((url, bypass)) => {
                // Its text may hold a password.
                let wrong = |_| refuse("proxy is no URL that can be used", "write http://HOST:PORT, or `none`");
                let proxy = ProxyConfig::https(url.as_str()).map_err(wrong)?;
                bypass.iter().fold(proxy, |proxy, bypass| proxy.no_proxy(bypass))
            }
        };
        Ok(Builder::new().build_with_connector_fn(move |settings, components| {
            let mut connector = Connector::builder()
                .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
                .tls_context(tls.clone())
                .proxy_config(proxy.clone());
            connector.set_connector_settings(settings.cloned());
            connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
            connector.build()
        }))
    }
}

/// The file's content, shown to be certificates: the SDK would panic at the first call.
fn authorities(file: &Path) -> Result<Vec<u8>, ConfigError> {
    let shown = file.display();
    let pem = fs::read(file).map_err(|error| {
        refuse(format!("tls.ca {shown} can't be read: {error}"), "correct `tls.ca` (AWS_CA_BUNDLE), or its mode")
    })?;
    let no_pem = || refuse(format!("tls.ca {shown} holds no PEM certificates"), "give a file of PEM certificates");
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|_| no_pem())?;
    let mut store = RootCertStore::empty();
    if found.is_empty() || found.into_iter().any(|certificate| store.add(certificate).is_err()) {
        return Err(no_pem());
    }
    Ok(pem)
}
