//! The standard `VAULT_*` variables and the proxies' ones, as data.

use std::fmt;

use trousseau_core::SecretText;
use trousseau_core::section::Fill;

const fn fill(field: &'static str, variables: &'static [&'static str]) -> Fill {
    Fill { field, variables, in_key_id: false }
}

const ADDRESS: Fill = fill("address", &["VAULT_ADDR"]);
const TOKEN: Fill = fill("auth.token", &["VAULT_TOKEN"]);
const NAMESPACE: Fill = Fill { in_key_id: true, ..fill("namespace", &["VAULT_NAMESPACE"]) };
const CA: Fill = fill("tls.ca", &["VAULT_CACERT", "VAULT_CAPATH"]);
const CERT: Fill = fill("tls.cert", &["VAULT_CLIENT_CERT"]);
const KEY: Fill = fill("tls.key", &["VAULT_CLIENT_KEY"]);
const SERVER_NAME: Fill = fill("tls.serverName", &["VAULT_TLS_SERVER_NAME"]);
const PROXY: Fill = fill("proxy", &["VAULT_PROXY_ADDR", "VAULT_HTTP_PROXY"]);

/// The fields that the environment fills; what is read here and what is shown of it come from this table.
pub(crate) const FILLS: &[Fill] = &[ADDRESS, NAMESPACE, TOKEN, CA, CERT, KEY, SERVER_NAME, PROXY];

/// What the environment says about Vault, under the names that Vault's own tools read. Each value counts only where
/// the configuration leaves it unset; an empty variable is an unset one. The process's environment is never read here:
/// the caller hands it in. `Debug` shows no value.
#[derive(Clone, Default)]
pub struct Environment {
    pub(crate) address: Option<String>,
    pub(crate) token: Option<SecretText>,
    pub(crate) namespace: Option<String>,
    pub(crate) ca: Option<String>,
    pub(crate) client_cert: Option<String>,
    pub(crate) client_key: Option<String>,
    pub(crate) tls_server_name: Option<String>,
    pub(crate) skip_verify: Option<String>,
    pub(crate) proxy: Option<String>,
    pub(crate) https_proxy: Option<String>,
    pub(crate) http_proxy: Option<String>,
    pub(crate) no_proxy: Option<String>,
    pub(crate) legacy: bool,
}

impl Environment {
    /// Asks `lookup` for each variable by its name; for the process's own, `|name| std::env::var(name).ok()`.
    ///
    /// `VAULT_ADDR`, `VAULT_TOKEN`, `VAULT_NAMESPACE`, `VAULT_CACERT` (before `VAULT_CAPATH`), `VAULT_CLIENT_CERT`,
    /// `VAULT_CLIENT_KEY`, `VAULT_TLS_SERVER_NAME`, `VAULT_SKIP_VERIFY`, `VAULT_PROXY_ADDR` (before
    /// `VAULT_HTTP_PROXY`), and `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, also in lower case.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&str]| names.iter().find_map(|name| lookup(name).filter(|value| !value.is_empty()));
        Self {
            address: first(ADDRESS.variables),
            token: first(TOKEN.variables).map(SecretText::new),
            namespace: first(NAMESPACE.variables),
            ca: first(CA.variables),
            client_cert: first(CERT.variables),
            client_key: first(KEY.variables),
            tls_server_name: first(SERVER_NAME.variables),
            skip_verify: first(&["VAULT_SKIP_VERIFY"]),
            proxy: first(PROXY.variables),
            https_proxy: first(&["HTTPS_PROXY", "https_proxy"]),
            http_proxy: first(&["HTTP_PROXY", "http_proxy"]),
            no_proxy: first(&["NO_PROXY", "no_proxy"]),
            legacy: false,
        }
    }

    /// Honours `VAULT_SKIP_VERIFY` too. For the Go Trousseau's configuration file only.
    #[must_use]
    pub fn legacy(mut self) -> Self {
        self.legacy = true;
        self
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("legacy", &self.legacy).finish_non_exhaustive()
    }
}
