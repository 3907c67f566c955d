//! From the configuration to a provider: what is unset is filled from the environment, what can't work is refused.

use thiserror::Error;
use trousseau_core::section::Environment;
use trousseau_core::{Description, ProviderKind};

use crate::arn::KeyArn;
use crate::config::Config;
use crate::context::PREFIX;
use crate::credentials::{Role, Source};
use crate::places::Places;
use crate::provider::AwsProvider;
use crate::session::{Endpoint, Session};
use crate::transport::Transport;

/// A setting that can't work, and what to write instead. Never holds a credential, nor a URL's password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}; {remedy}")]
pub struct ConfigError {
    /// What is wrong, with the setting's name.
    pub what: String,
    /// What to write or do.
    pub remedy: String,
}

pub(crate) fn refuse(what: impl Into<String>, remedy: impl Into<String>) -> ConfigError {
    ConfigError { what: what.into(), remedy: remedy.into() }
}

impl Config {
    /// Makes the provider. Reads the CA file; asks AWS nothing, and finds credentials only at the first call.
    ///
    /// The environment fills `endpoint`, `fips` and `tls.ca`, and tells the proxy; the credentials' variables are read
    /// by the SDK itself, from the process.
    ///
    /// # Errors
    /// [`ConfigError`] for settings that can never work.
    pub fn provider(&self, environment: &Environment) -> Result<AwsProvider, ConfigError> {
        self.faults().map_err(|fault| refuse(format!("{} {}", fault.field, fault.what), fault.remedy))?;
        let arn = KeyArn::parse(&self.key).map_err(|no| refuse(format!("key {}", no.what), no.remedy))?;
        let get = |name: &str| environment.get(name).map(|value| value.expose().to_owned());
        let own =
            set("endpoint", &self.endpoint).or_else(|| variable(&get, ["AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL"]));
        let sts = self.assume_role.as_ref().and_then(|role| {
            set("assumeRole.endpoint", &role.endpoint)
                .or_else(|| variable(&get, ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"]))
        });
        let (fips_by, fips) = match (self.fips, get("AWS_USE_FIPS_ENDPOINT").as_deref()) {
            (Some(fips), _) => ("fips", fips),
            (None, None) => ("", false),
            (None, Some(text)) if text.eq_ignore_ascii_case("false") => ("", false),
            (None, Some(text)) if text.eq_ignore_ascii_case("true") => ("AWS_USE_FIPS_ENDPOINT", true),
            (None, Some(_)) => {
                return Err(refuse("AWS_USE_FIPS_ENDPOINT is neither true nor false", "correct or unset it"));
            }
        };
        for (name, url) in own.iter().chain(&sts) {
            self.url_fault(url).map_err(|(what, remedy)| refuse(format!("{name} {what}"), remedy))?;
        }
        let replica = self.replicas.iter().position(|replica| replica.endpoint.is_some());
        let replica = replica.map(|at| format!("replicas[{at}].endpoint"));
        let custom = own.iter().chain(&sts).map(|(name, _)| name.clone()).chain(replica).next();
        if let Some(name) = custom.filter(|_| fips) {
            let (what, remedy) = fips_fault(&name);
            return Err(refuse(format!("{fips_by} {what}"), remedy));
        }
        let own = Endpoint { region: arn.region().to_owned(), url: own.map(|(_, url)| url) };
        let elsewhere = self.replicas.iter();
        let elsewhere =
            elsewhere.map(|replica| Endpoint { region: replica.region.clone(), url: replica.endpoint.clone() });
        let regions: Vec<_> = std::iter::once(own).chain(elsewhere).collect();
        let role = self.assume_role.as_ref().map(|role| Role {
            arn: role.arn.clone(),
            external_id: role.external_id.clone(),
            session_name: role.session_name.clone(),
            endpoint: sts.map(|(_, url)| url),
        });
        let transport = Transport {
            ca: self.tls.ca.clone().or_else(|| get("AWS_CA_BUNDLE").map(Into::into)),
            with_system: self.tls.with_system,
            proxy: self.proxy_url(&get),
        };
        let source = Source {
            region: aws_config::Region::new(arn.region().to_owned()),
            profile: self.profile.clone(),
            file: self.credentials_file.clone(),
            role,
            fips,
        };
        // The own pairs are part of what names this key: another set of them opens other ciphertexts.
        let pairs = self.encryption_context.iter().flat_map(|(name, value)| [name.clone(), value.clone()]);
        let description = Description {
            kind: ProviderKind::AWS_KMS,
            identity: std::iter::once(arn.identity()).chain(pairs).collect(),
            epoch: None,
        };
        let places = Places::new(&arn, regions.iter().map(|endpoint| endpoint.region.as_str()));
        let session = Session::new(source, regions, transport.client()?, self.timeouts);
        Ok(AwsProvider::new(description, self.encryption_context.clone(), places, session))
    }

    /// What is wrong with a URL, and the remedy. Its text may hold a password.
    pub(crate) fn url_fault(&self, url: &str) -> Result<(), (&'static str, &'static str)> {
        if url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://")) {
            let what = "is not encrypted: seeds would travel in clear";
            return if self.allow_http {
                Ok(())
            } else {
                Err((what, "write https://, or consent by `allowHttp: true`"))
            };
        }
        let host = url.get(..8).filter(|scheme| scheme.eq_ignore_ascii_case("https://")).map(|_| &url[8..]);
        match host.and_then(|host| host.bytes().next()) {
            Some(first) if first.is_ascii_alphanumeric() || first == b'[' => Ok(()),
            _ => Err(("is no URL that can be used", "write https://HOST")),
        }
    }

    fn proxy_url(&self, get: &impl Fn(&str) -> Option<String>) -> Option<(String, Option<String>)> {
        let bypass = || get("NO_PROXY").or_else(|| get("no_proxy"));
        match self.proxy.as_deref() {
            Some("none") => None,
            Some(url) => Some((url.to_owned(), None)),
            None => Some((get("HTTPS_PROXY").or_else(|| get("https_proxy"))?, bypass())),
        }
    }
}

/// A field that is set, with its name.
fn set(name: &str, value: &Option<String>) -> Option<(String, String)> {
    Some((name.to_owned(), value.clone()?))
}

/// The first of two variables that is set, with its name.
fn variable(get: &impl Fn(&str) -> Option<String>, names: [&str; 2]) -> Option<(String, String)> {
    names.into_iter().find_map(|name| set(name, &get(name)))
}

/// What is wrong with FIPS endpoints beside an endpoint of one's own, and the remedy: the SDK refuses each call.
pub(crate) fn fips_fault(endpoint: &str) -> (String, &'static str) {
    let what = format!("asks for AWS's own FIPS endpoints, and {endpoint} for another one");
    (what, "remove one of the two; an endpoint may itself be a FIPS one, https://kms-fips.REGION.amazonaws.com")
}

/// The longest name or value of an own pair, and the most pairs: the whole context must stay below KMS's 8 KiB.
const MAX_TEXT: usize = 256;
const MAX_PAIRS: usize = 8;

/// What is wrong with the own pairs, and the remedy.
pub(crate) fn context_fault(config: &Config) -> Result<(), (String, &'static str)> {
    if config.encryption_context.len() > MAX_PAIRS {
        return Err((format!("has more than {MAX_PAIRS} pairs"), "keep those that a policy or an auditor asks for"));
    }
    for (name, value) in &config.encryption_context {
        let good = |text: &str| (1..=MAX_TEXT).contains(&text.len()) && !text.contains(char::is_control);
        let shown = name.chars().take(40).collect::<String>();
        if name.starts_with(PREFIX) || name.starts_with("aws:") {
            let what = format!("has a pair `{}`", shown.escape_debug());
            return Err((what, "choose another name: `trousseau:` and `aws:` are taken"));
        }
        if !good(name) || !good(value) {
            let what =
                format!("has a pair `{}` that is empty, longer than 256 bytes or not printable", shown.escape_debug());
            return Err((what, "shorten or correct it"));
        }
    }
    Ok(())
}
