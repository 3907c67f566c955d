//! The `azureKeyVault:` section as the program's table of providers takes it.

use std::sync::Arc;

use trousseau_core::section::{BuildError, Fault, Fill, Host, Section, Warning, absolute};
use trousseau_core::{Provider, ProviderKind, SecretText};
use trousseau_http::{Origin, Scheme};

use crate::config::{Algorithm, Auth, Config};
use crate::environment::{Environment, FILLS};
use crate::identifier::{Version, is_name};

impl Section for Config {
    const KIND: ProviderKind = ProviderKind::AZURE_KEYVAULT;
    const SUMMARY: &'static str = "Azure Key Vault or Managed HSM, an RSA key with an EC key that signs, or an AES key";
    const FILLS: &'static [Fill] = FILLS;

    fn is_unset(&self, field: &str) -> bool {
        let unset = |tenant: &Option<String>, client: &Option<String>, field: &str| match field {
            "tenantId" => tenant.is_none(),
            "clientId" => client.is_none(),
            _ => false,
        };
        match (field.split_once('.'), &self.auth) {
            (None, _) => field == "authority" && self.authority.is_none(),
            (Some((_, "workloadIdentity.tokenFile")), Auth::WorkloadIdentity(auth)) => auth.token_file.is_none(),
            (Some((_, "clientSecret.file")), Auth::ClientSecret(auth)) => auth.file.is_none() && auth.inline.is_none(),
            (Some((_, field)), Auth::WorkloadIdentity(auth)) => {
                field.strip_prefix("workloadIdentity.").is_some_and(|it| unset(&auth.tenant_id, &auth.client_id, it))
            }
            (Some((_, field)), Auth::ClientSecret(auth)) => {
                field.strip_prefix("clientSecret.").is_some_and(|it| unset(&auth.tenant_id, &auth.client_id, it))
            }
            (Some((_, field)), Auth::ClientCertificate(auth)) => {
                field.strip_prefix("clientCertificate.").is_some_and(|it| unset(&auth.tenant_id, &auth.client_id, it))
            }
            (Some(_), Auth::ManagedIdentity(_)) => false,
        }
    }

    fn check(&self) -> Result<(), Fault> {
        https("vault", &self.vault)?;
        if let Some(authority) = &self.authority {
            https("authority", authority)?;
        }
        name("key", &self.key)?;
        version("version", self.version.as_deref())?;
        match (&self.signing_key, self.algorithm) {
            (Some(signing), Algorithm::RsaOaep256) => {
                name("signingKey.name", &signing.name)?;
                version("signingKey.version", signing.version.as_deref())?;
                if signing.name.eq_ignore_ascii_case(&self.key) {
                    let remedy = "make a second key: `az keyvault key create --kty EC --curve P-256`";
                    return Err(Fault::new("signingKey.name", "is the key itself, an RSA key", remedy));
                }
            }
            (None, Algorithm::RsaOaep256) => {
                let what = "is missing: RSA alone lets everybody who has the public key forge records";
                let remedy = "make a key by `az keyvault key create --kty EC --curve P-256`, and name it there";
                return Err(Fault::new("signingKey", what, remedy));
            }
            (Some(_), Algorithm::A256GCM) => {
                return Err(Fault::new("signingKey", "is set, but A256GCM authenticates by itself", "take it out"));
            }
            (None, Algorithm::A256GCM) => {}
        }
        match &self.auth {
            Auth::ManagedIdentity(_) => {}
            Auth::WorkloadIdentity(auth) => absolute("auth.workloadIdentity.tokenFile", auth.token_file.as_deref())?,
            Auth::ClientSecret(auth) => absolute("auth.clientSecret.file", auth.file.as_deref())?,
            Auth::ClientCertificate(auth) => {
                absolute("auth.clientCertificate.certificate", Some(&auth.certificate))?;
                absolute("auth.clientCertificate.key", Some(&auth.key))?;
            }
        }
        absolute("tls.ca", self.tls.ca.as_deref())
    }

    fn warnings(&self) -> Vec<Warning> {
        let unverified = self.signing_key.as_ref().is_some_and(|signing| signing.accept_unverified);
        let text = "records that can't be verified are opened: whoever writes to etcd can forge Secrets; rewrite all of \
                    them, then take `signingKey.acceptUnverified` out";
        unverified.then(|| Warning { code: "accept-unverified", text: text.to_owned() }).into_iter().collect()
    }

    fn with_credential(mut self, credential: SecretText) -> Self {
        if let Auth::ClientSecret(auth) = &mut self.auth {
            auth.inline = Some(credential);
        }
        self
    }

    fn build(&self, host: &Host) -> Result<Arc<dyn Provider>, BuildError> {
        let lookup = |name: &str| host.environment.get(name).map(|value| value.expose().to_owned());
        Ok(Arc::new(Self::build(self, &Environment::from_variables(lookup))?))
    }
}

/// The address is not repeated: a template may have put a secret there.
fn https(field: &str, url: &str) -> Result<(), Fault> {
    let remedy = "write https://HOST";
    let wrong = |_| Fault::new(field, "is no address that can be used", remedy);
    let origin: Origin = url.trim_end_matches('/').parse().map_err(wrong)?;
    match origin.scheme() {
        Scheme::Https => Ok(()),
        Scheme::Http => Err(Fault::new(field, "is not encrypted: tokens would travel in clear", remedy)),
    }
}

fn name(field: &str, text: &str) -> Result<(), Fault> {
    let remedy = "write the name only: letters, digits and dashes; vault and version have their own fields";
    if is_name(text) { Ok(()) } else { Err(Fault::new(field, "is no name of a key", remedy)) }
}

fn version(field: &str, text: Option<&str>) -> Result<(), Fault> {
    match text {
        Some(text) if Version::parse(text).is_none() => {
            let remedy = "write its 32 hexadecimal digits, or leave it out to follow the newest";
            Err(Fault::new(field, "is no version of a key", remedy))
        }
        _ => Ok(()),
    }
}
