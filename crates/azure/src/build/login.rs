//! The `auth:` section as a way to log in.

use std::path::PathBuf;
use std::sync::Arc;

use trousseau_http::{Origin, Proxies, RenewingClient};

use super::{ConfigError, invalid, refuse};
use crate::auth::{CertificateFiles, Credential, Entra, Managed, Method, Which};
use crate::config::{Auth, Config, ManagedIdentity};
use crate::environment::Environment;

const IMDS: &str = "http://169.254.169.254";
const IMDS_PATH: &str = "/metadata/identity/oauth2/token";

impl Config {
    pub(super) fn method(
        &self,
        environment: &Environment,
        transport: &Arc<RenewingClient>,
        authority: &Origin,
        http: &trousseau_http::Config,
    ) -> Result<Method, ConfigError> {
        let entra = |tenant: &Option<String>, client: &Option<String>, credential| {
            let tenant = filled(tenant, &environment.tenant_id, "tenantId", "AZURE_TENANT_ID")?;
            let client = filled(client, &environment.client_id, "clientId", "AZURE_CLIENT_ID")?;
            Ok(Method::Entra(Entra::new(Arc::clone(transport), authority.clone(), tenant, client, credential)))
        };
        match &self.auth {
            Auth::ManagedIdentity(identity) => managed(identity, environment, http),
            Auth::WorkloadIdentity(auth) => {
                let file = auth.token_file.clone();
                let file = file.or_else(|| environment.federated_token_file.clone().map(PathBuf::from));
                let file = file.ok_or_else(|| {
                    let remedy = "set it, or AZURE_FEDERATED_TOKEN_FILE, to the file that holds the token";
                    refuse("auth.workloadIdentity.tokenFile is missing", remedy)
                })?;
                entra(&auth.tenant_id, &auth.client_id, Credential::Federated(file))
            }
            Auth::ClientSecret(auth) => {
                let secret = match (&auth.inline, &auth.file, &environment.client_secret) {
                    (Some(secret), ..) => Credential::Secret(secret.clone()),
                    (None, Some(file), _) => Credential::SecretFile(file.clone()),
                    (None, None, Some(secret)) => Credential::Secret(secret.clone()),
                    (None, None, None) => {
                        let remedy = "set it to the file that holds the secret, or set AZURE_CLIENT_SECRET";
                        return Err(refuse("auth.clientSecret.file is missing", remedy));
                    }
                };
                entra(&auth.tenant_id, &auth.client_id, secret)
            }
            Auth::ClientCertificate(auth) => {
                let files = CertificateFiles {
                    certificate: auth.certificate.clone(),
                    key: auth.key.clone(),
                    send_chain: auth.send_chain,
                };
                entra(&auth.tenant_id, &auth.client_id, Credential::Certificate(files))
            }
        }
    }
}

/// Tells the three endpoints apart as Azure's SDKs do.
fn managed(
    identity: &ManagedIdentity,
    environment: &Environment,
    http: &trousseau_http::Config,
) -> Result<Method, ConfigError> {
    let endpoint = (&identity.endpoint, &environment.identity_endpoint);
    let (which, url) = match (endpoint, &environment.identity_header, &environment.imds_endpoint) {
        ((None, Some(url)), Some(header), _) => (Which::AppService(header.clone()), url.clone()),
        ((None, Some(url)), None, Some(_)) => (Which::Arc, url.clone()),
        ((url, _), ..) => {
            let base = url.as_deref().unwrap_or(IMDS).trim_end_matches('/');
            (Which::Imds, format!("{base}{IMDS_PATH}"))
        }
    };
    let by_resource = if matches!(which, Which::Imds) { "msi_res_id" } else { "mi_res_id" };
    let named: Vec<_> =
        [("client_id", &identity.client_id), (by_resource, &identity.resource_id), ("object_id", &identity.object_id)]
            .into_iter()
            .filter_map(|(parameter, value)| Some((parameter, value.as_deref()?)))
            .collect();
    if named.len() > 1 {
        let what = "auth.managedIdentity names its identity twice";
        return Err(refuse(what, "leave one of clientId, resourceId and objectId"));
    }
    if matches!(which, Which::Arc) && !named.is_empty() {
        let what = "auth.managedIdentity names an identity, but an Azure Arc machine has only its own";
        return Err(refuse(what, "write `managedIdentity: {}`"));
    }
    let (origin, path) = address(&url)?;
    // Link-local or loopback, by plain http, and never through a proxy.
    let client = trousseau_http::Config { proxies: Proxies::default(), plain_http: true, ..http.clone() }.build();
    let client = client.map_err(|error| invalid(&error, "tls and timeouts"))?;
    Ok(Method::Managed(Managed::new(client, (origin, path), which, named.first().copied())))
}

/// An endpoint's address, taken apart.
fn address(url: &str) -> Result<(Origin, String), ConfigError> {
    let host = url.find("://").map_or(0, |at| at + 3);
    let (base, path) = url.split_at(url[host..].find('/').map_or(url.len(), |at| host + at));
    let origin =
        base.parse().map_err(|error| invalid(&error, "auth.managedIdentity.endpoint, or IDENTITY_ENDPOINT"))?;
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
    if !plain {
        return Err(refuse("the managed identity's endpoint has a query", "write scheme, host, port and path only"));
    }
    Ok((origin, if path.is_empty() { "/".to_owned() } else { path.to_owned() }))
}

/// Stands in a path: letters, digits, dots and dashes.
fn filled(
    configured: &Option<String>,
    variable: &Option<String>,
    setting: &str,
    name: &str,
) -> Result<String, ConfigError> {
    let Some(value) = configured.as_ref().or(variable.as_ref()) else {
        return Err(refuse(format!("auth: {setting} is missing"), &format!("set it, or {name}")));
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if value.is_empty() || !value.bytes().all(plain) {
        return Err(refuse(format!("auth: {setting} is no id"), "write the id as the portal shows it"));
    }
    Ok(value.clone())
}
