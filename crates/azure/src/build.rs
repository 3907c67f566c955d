//! From the configuration to a provider: what is unset is filled from the environment, what can't work is refused.

mod login;

use std::sync::Arc;

use thiserror::Error;
use trousseau_core::{Description, ProviderKind};
use trousseau_http::{Deadlines, HttpError, Origin, Proxies, RenewingClient, Roots};

use crate::auth::Session;
use crate::client::Client;
use crate::cloud;
use crate::config::{Algorithm, Config};
use crate::environment::Environment;
use crate::identifier::{Version, is_name};
use crate::jwk::Known;
use crate::provider::{AzureProvider, Cipher};
use crate::signer::Signer;
use crate::vault::Vault;

/// A setting that can't work, and what to write instead. Never holds a secret, nor a URL's password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}; {remedy}")]
pub struct ConfigError {
    /// What is wrong, with the setting's name.
    pub what: String,
    /// What to write or do.
    pub remedy: String,
}

impl Config {
    /// Makes the provider. Reads the CA files; asks Azure nothing, and needs no credential file to be there yet.
    ///
    /// # Errors
    /// [`ConfigError`] for settings that can never work.
    pub fn build(&self, environment: &Environment) -> Result<AzureProvider, ConfigError> {
        let vault: Origin = self.vault.parse().map_err(|error| invalid(&error, "vault"))?;
        let authority = self.authority(&vault, environment)?;
        let http = self.http(environment)?;
        let transport = RenewingClient::new(http.clone(), &[&vault, &authority]);
        let transport = Arc::new(transport.map_err(|error| invalid(&error, "vault, authority, tls and timeouts"))?);
        let method = self.method(environment, &transport, &authority, &http)?;
        let resource = self.resource.as_ref().map(|resource| resource.trim_end_matches('/').to_owned());
        if let Some(resource) = resource.as_ref().filter(|resource| !resource.contains("://")) {
            let what = format!("resource `{}` is no URL", resource.escape_debug());
            return Err(refuse(what, "write https://vault.azure.net, or leave it out"));
        }
        let key = name(&self.key, "key")?;
        let pinned = version(self.version.as_deref(), "version")?;
        let (cipher, signing) = match (self.algorithm, &self.signing_key) {
            (Algorithm::RsaOaep256, Some(signing)) => {
                let signer_name = name(&signing.name, "signingKey.name")?;
                if signer_name.eq_ignore_ascii_case(&key) {
                    let what = "signingKey.name is the key itself, which is an RSA key and signs nothing";
                    return Err(refuse(what, "make a second key: `az keyvault key create --kty EC --curve P-256`"));
                }
                let pinned = version(signing.version.as_deref(), "signingKey.version")?;
                let signer = Box::new(Signer::new(signer_name.clone(), pinned, signing.accept_unverified));
                (Cipher::Rsa { known: Known::new(), signer }, signer_name)
            }
            (Algorithm::RsaOaep256, None) => {
                let what = "signingKey is missing: RSA alone lets everybody who has the public key forge records";
                let remedy = "make a key by `az keyvault key create --kty EC --curve P-256`, and name it there";
                return Err(refuse(what, remedy));
            }
            (Algorithm::A256GCM, None) => (Cipher::Aes, String::new()),
            (Algorithm::A256GCM, Some(_)) => {
                return Err(refuse("signingKey is set, but A256GCM authenticates by itself", "take it out"));
            }
        };
        let identity = vec![vault.to_string(), key.to_ascii_lowercase(), signing.to_ascii_lowercase()];
        let description = Description { kind: ProviderKind::AZURE_KEYVAULT, identity, epoch: None };
        let client = Client::new(transport, vault, Session::new(method), resource);
        Ok(AzureProvider::new(description, Vault { client }, key, pinned, cipher))
    }

    fn authority(&self, vault: &Origin, environment: &Environment) -> Result<Origin, ConfigError> {
        let configured = self.authority.as_deref().or(environment.authority_host.as_deref());
        let url = configured.or_else(|| cloud::authority(vault.host())).unwrap_or("https://login.microsoftonline.com");
        url.trim_end_matches('/').parse().map_err(|error| invalid(&error, "authority"))
    }

    fn http(&self, environment: &Environment) -> Result<trousseau_http::Config, ConfigError> {
        let roots = match (&self.tls.ca, self.tls.with_system) {
            (None, _) => Roots::System,
            (Some(ca), true) => Roots::SystemAnd(vec![ca.clone()]),
            (Some(ca), false) => Roots::Only(vec![ca.clone()]),
        };
        let proxies = match self.proxy.as_deref() {
            Some("none") => Ok(Proxies::default()),
            Some(url) => Proxies::parse(Some(url), Some(url), None),
            None => Proxies::parse(
                environment.https_proxy.as_deref(),
                environment.http_proxy.as_deref(),
                environment.no_proxy.as_deref(),
            ),
        };
        let times = self.timeouts;
        Ok(trousseau_http::Config {
            roots,
            proxies: proxies.map_err(|error| invalid(&error, "proxy"))?,
            deadlines: Deadlines {
                connect: times.connect,
                handshake: times.handshake,
                first_byte: times.first_byte,
                whole: times.whole,
            },
            ..trousseau_http::Config::default()
        })
    }
}

fn name(text: &str, setting: &str) -> Result<String, ConfigError> {
    if is_name(text) {
        return Ok(text.to_owned());
    }
    let what = format!("{setting} `{}` is no name of a key", text.escape_debug());
    Err(refuse(what, "write the name only: letters, digits and dashes; vault and version have their own settings"))
}

fn version(text: Option<&str>, setting: &str) -> Result<Option<Version>, ConfigError> {
    let Some(text) = text else { return Ok(None) };
    Version::parse(text).map(Some).ok_or_else(|| {
        let what = format!("{setting} `{}` is no version of a key", text.escape_debug());
        refuse(what, "write its 32 hexadecimal digits, or leave it out to follow the newest")
    })
}

fn refuse(what: impl Into<String>, remedy: &str) -> ConfigError {
    ConfigError { what: what.into(), remedy: remedy.to_owned() }
}

fn invalid(error: &HttpError, setting: &str) -> ConfigError {
    match error {
        HttpError::Invalid { what, remedy } => {
            ConfigError { what: format!("{setting}: {what}"), remedy: remedy.clone() }
        }
        other => ConfigError { what: format!("{setting}: {other}"), remedy: "correct the setting".to_owned() },
    }
}
