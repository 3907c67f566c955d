//! The standard `AZURE_*` variables, the managed identity's, and the proxies' ones, as data.

use std::fmt;

use trousseau_core::SecretText;
use trousseau_core::section::Fill;

const fn fill(field: &'static str, variables: &'static [&'static str]) -> Fill {
    Fill { field, variables, in_key_id: false }
}

const AUTHORITY: Fill = fill("authority", &["AZURE_AUTHORITY_HOST"]);
const TOKEN_FILE: Fill = fill("auth.workloadIdentity.tokenFile", &["AZURE_FEDERATED_TOKEN_FILE"]);
const SECRET: Fill = fill("auth.clientSecret.file", &["AZURE_CLIENT_SECRET"]);
const TENANT: &[&str] = &["AZURE_TENANT_ID"];
const CLIENT: &[&str] = &["AZURE_CLIENT_ID"];

/// The fields that the environment fills.
pub(crate) const FILLS: &[Fill] = &[
    AUTHORITY,
    TOKEN_FILE,
    SECRET,
    fill("auth.workloadIdentity.tenantId", TENANT),
    fill("auth.workloadIdentity.clientId", CLIENT),
    fill("auth.clientSecret.tenantId", TENANT),
    fill("auth.clientSecret.clientId", CLIENT),
    fill("auth.clientCertificate.tenantId", TENANT),
    fill("auth.clientCertificate.clientId", CLIENT),
];

/// What the environment says about Azure, under the names that Azure's own SDKs read. Each value counts only where the
/// configuration leaves it unset; an empty variable is an unset one. The process's environment is never read here: the
/// caller hands it in. `Debug` shows no value.
#[derive(Clone, Default)]
pub struct Environment {
    pub(crate) tenant_id: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<SecretText>,
    pub(crate) federated_token_file: Option<String>,
    pub(crate) authority_host: Option<String>,
    pub(crate) identity_endpoint: Option<String>,
    pub(crate) identity_header: Option<SecretText>,
    pub(crate) imds_endpoint: Option<String>,
    pub(crate) https_proxy: Option<String>,
    pub(crate) http_proxy: Option<String>,
    pub(crate) no_proxy: Option<String>,
}

impl Environment {
    /// Asks `lookup` for each variable by its name; for the process's own, `|name| std::env::var(name).ok()`.
    ///
    /// `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET`, `AZURE_FEDERATED_TOKEN_FILE`,
    /// `AZURE_AUTHORITY_HOST`; `IDENTITY_ENDPOINT`, `IDENTITY_HEADER` and `IMDS_ENDPOINT` of a managed identity; and
    /// `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, also in lower case.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&str]| names.iter().find_map(|name| lookup(name).filter(|value| !value.is_empty()));
        Self {
            tenant_id: first(TENANT),
            client_id: first(CLIENT),
            client_secret: first(SECRET.variables).map(SecretText::new),
            federated_token_file: first(TOKEN_FILE.variables),
            authority_host: first(AUTHORITY.variables),
            identity_endpoint: first(&["IDENTITY_ENDPOINT"]),
            identity_header: first(&["IDENTITY_HEADER"]).map(SecretText::new),
            imds_endpoint: first(&["IMDS_ENDPOINT"]),
            https_proxy: first(&["HTTPS_PROXY", "https_proxy"]),
            http_proxy: first(&["HTTP_PROXY", "http_proxy"]),
            no_proxy: first(&["NO_PROXY", "no_proxy"]),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}
