//! From the configuration to a provider: what is unset is filled from the environment, what can't work is refused.

use std::path::PathBuf;

use thiserror::Error;
use trousseau_core::{Description, ProviderKind};
use trousseau_http::{ClientCertificate, Deadlines, HeaderValue, HttpError, Origin, Proxies, RenewingClient, Roots};

use crate::auth::{Method, Session, TokenSource};
use crate::client::Client;
use crate::config::{Auth, Config, IdentitySource};
use crate::environment::Environment;
use crate::transit::{Paths, VaultProvider};

/// A setting that can't work, and what to write instead. Never holds a token, nor a URL's password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}; {remedy}")]
pub struct ConfigError {
    /// What is wrong, with the setting's name.
    pub what: String,
    /// What to write or do.
    pub remedy: String,
}

impl Config {
    /// Makes the provider. Reads the TLS files; asks Vault nothing, and needs no token file to be there yet.
    ///
    /// # Errors
    /// [`ConfigError`] for settings that can never work.
    pub fn build(&self, environment: &Environment) -> Result<VaultProvider, ConfigError> {
        let origin = self.origin(environment)?;
        let transport = RenewingClient::new(self.http(environment)?, &[&origin]);
        let transport = transport.map_err(|error| invalid(&error, "address, tls and timeouts"))?;
        let namespace = filled(&self.namespace, &environment.namespace).trim_matches('/').to_owned();
        let header = match namespace.as_str() {
            "" => None,
            text => Some(HeaderValue::from_str(text).map_err(|_| {
                refuse(format!("namespace `{}` can't stand in a header", text.escape_debug()), "check its spelling")
            })?),
        };
        let mount = path(&self.transit.mount, "transit.mount", "write the mount's path, such as `transit`")?;
        let key = path(&self.transit.key, "transit.key", "write the transit key's name")?;
        if key.contains('/') {
            let what = format!("transit.key `{key}` holds a `/`");
            return Err(refuse(what, "write the mount into transit.mount and only the key's name into transit.key"));
        }
        if self.transit.version == Some(0) {
            let remedy = "Vault counts versions from 1; leave it out to let the promotion rule decide";
            return Err(refuse("transit.version is 0", remedy));
        }
        let epoch = match (self.identity, self.epoch) {
            (IdentitySource::Version, epoch) => Some(epoch.unwrap_or(1)),
            (IdentitySource::Metadata, None) => None,
            (IdentitySource::Metadata, Some(_)) => {
                let remedy =
                    "remove it (the key's creation time tells a replaced key apart), or set `identity: version`";
                return Err(refuse("epoch is set, but identity is `metadata`", remedy));
            }
        };
        let paths = Paths::new(&mount, &key);
        let description = Description { kind: ProviderKind::VAULT, identity: vec![namespace, mount, key], epoch };
        let (method, renew) = self.method(environment)?;
        let client = Client::new(transport, origin, header, Session::new(method));
        Ok(VaultProvider::new(description, client, paths, self.identity, self.transit.version, renew))
    }

    fn origin(&self, environment: &Environment) -> Result<Origin, ConfigError> {
        let address = filled(&self.address, &environment.address);
        if address.is_empty() {
            return Err(refuse("no address of Vault is given", "set `address`, or VAULT_ADDR"));
        }
        let origin: Origin = address.parse().map_err(|error| invalid(&error, "address"))?;
        if origin.scheme() == trousseau_http::Scheme::Http && !self.allow_http {
            let what = format!("address {origin} is not encrypted: the token and the seeds would travel in clear");
            return Err(refuse(what, "write https://, or consent by `allowHttp: true`"));
        }
        Ok(origin)
    }

    fn http(&self, environment: &Environment) -> Result<trousseau_http::Config, ConfigError> {
        let tls = &self.tls;
        let ca = tls.ca.clone().or_else(|| environment.ca.clone().map(PathBuf::from));
        let roots = match (ca, tls.with_system) {
            (None, _) => Roots::System,
            (Some(ca), true) => Roots::SystemAnd(vec![ca]),
            (Some(ca), false) => Roots::Only(vec![ca]),
        };
        // The pair comes from one place: a certificate from here never meets a key from there.
        let pair = match (&tls.cert, &tls.key) {
            (None, None) => {
                (environment.client_cert.clone().map(PathBuf::from), environment.client_key.clone().map(PathBuf::from))
            }
            (cert, key) => (cert.clone(), key.clone()),
        };
        let client_certificate = match pair {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some(ClientCertificate { certificate, key }),
            (Some(_), None) => {
                let remedy = "set `tls.key` (VAULT_CLIENT_KEY) too: a client certificate is of no use without its key";
                return Err(refuse("tls.cert is set without tls.key", remedy));
            }
            (None, Some(_)) => {
                let remedy = "set `tls.cert` (VAULT_CLIENT_CERT) too: a key proves nothing without its certificate";
                return Err(refuse("tls.key is set without tls.cert", remedy));
            }
        };
        let times = self.timeouts;
        Ok(trousseau_http::Config {
            roots,
            skip_verify: tls.skip_verify || skips_verify(environment)?,
            client_certificate,
            server_name: tls.server_name.clone().or_else(|| environment.tls_server_name.clone()),
            proxies: self.proxies(environment).map_err(|error| invalid(&error, "proxy"))?,
            plain_http: self.allow_http,
            deadlines: Deadlines {
                connect: times.connect,
                handshake: times.handshake,
                first_byte: times.first_byte,
                whole: times.whole,
            },
            ..trousseau_http::Config::default()
        })
    }

    fn proxies(&self, environment: &Environment) -> Result<Proxies, HttpError> {
        match self.proxy.as_deref().or(environment.proxy.as_deref()) {
            Some("none") => Ok(Proxies::default()),
            Some(url) => Proxies::parse(Some(url), Some(url), None),
            None => Proxies::parse(
                environment.https_proxy.as_deref(),
                environment.http_proxy.as_deref(),
                environment.no_proxy.as_deref(),
            ),
        }
    }

    fn method(&self, environment: &Environment) -> Result<(Method, bool), ConfigError> {
        let Auth::Token(auth) = &self.auth;
        let source = match (&auth.inline, &auth.file, &environment.token) {
            (Some(token), _, _) => TokenSource::Fixed(token.clone(), "the configuration"),
            (None, Some(file), _) => TokenSource::File(file.clone()),
            (None, None, Some(token)) => TokenSource::Fixed(token.clone(), "VAULT_TOKEN"),
            (None, None, None) => {
                let remedy = "set `auth.token.file` to the file that holds it, or VAULT_TOKEN";
                return Err(refuse("no token for Vault is given", remedy));
            }
        };
        if let Some(flaw) = source.flaw() {
            return Err(refuse(format!("{source} {}", flaw.what), flaw.remedy));
        }
        Ok((Method::Token(source), auth.renew))
    }
}

fn skips_verify(environment: &Environment) -> Result<bool, ConfigError> {
    let Some(text) = environment.skip_verify.as_deref().filter(|_| environment.legacy) else {
        return Ok(false);
    };
    // As Go's strconv.ParseBool reads it.
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(refuse("VAULT_SKIP_VERIFY is neither true nor false", "write `true` or `false`, or unset it")),
    }
}

/// A path of Vault's, without outer slashes; every segment names something.
fn path(text: &str, setting: &str, remedy: &str) -> Result<String, ConfigError> {
    let path = text.trim_matches('/');
    let odd = |segment: &str| matches!(segment, "" | "." | "..") || segment.contains(char::is_control);
    if path.split('/').any(odd) {
        return Err(refuse(format!("{setting} `{}` is no path in Vault", text.escape_debug()), remedy));
    }
    Ok(path.to_owned())
}

fn filled<'a>(configured: &'a str, environment: &'a Option<String>) -> &'a str {
    if configured.is_empty() { environment.as_deref().unwrap_or_default() } else { configured }
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
