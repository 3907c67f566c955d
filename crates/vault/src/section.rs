//! The `vault:` section as the program's table of providers takes it.

use std::sync::Arc;

use trousseau_core::section::{BuildError, Fault, Fill, Flag, FlagValue, Host, Section, Warning, absolute};
use trousseau_core::{Provider, ProviderKind, SecretText};
use trousseau_http::{Origin, Scheme};

use crate::config::{Auth, Config, IdentitySource};
use crate::environment::{Environment, FILLS};

const fn flag(name: &'static str, field: &'static str, value: FlagValue, help: &'static str) -> Flag {
    Flag { name, field, value, required: false, help }
}

impl Section for Config {
    const KIND: ProviderKind = ProviderKind::VAULT;
    const SUMMARY: &'static str = "HashiCorp Vault or OpenBao, a key of the transit engine";
    const FILLS: &'static [Fill] = FILLS;
    const FLAGS: &'static [Flag] = &[
        Flag {
            required: true,
            ..flag("vault-address", "address", FlagValue::Text("URL"), "Vault's address; else VAULT_ADDR")
        },
        flag("vault-namespace", "namespace", FlagValue::Text("PATH"), "Vault's namespace; else VAULT_NAMESPACE"),
        flag(
            "transit-mount",
            "transit.mount",
            FlagValue::Text("PATH"),
            "The transit engine's mount [default: transit]",
        ),
        Flag {
            required: true,
            ..flag("transit-key", "transit.key", FlagValue::Text("NAME"), "The transit key's name")
        },
        flag(
            "vault-token-file",
            "auth.token.file",
            FlagValue::File,
            "The file that holds Vault's token; else VAULT_TOKEN",
        ),
        flag(
            "vault-ca-cert",
            "tls.ca",
            FlagValue::File,
            "The only authorities to trust, PEM; else VAULT_CACERT, else the system's",
        ),
        flag(
            "key-identity",
            "identity",
            FlagValue::Choice(&["metadata", "version"]),
            "What key_id is made of: `metadata` (path, version and creation time; needs the right to read the key) or \
             `version` (for a policy that allows encrypt and decrypt only) [default: metadata]",
        ),
    ];

    fn is_unset(&self, field: &str) -> bool {
        let Auth::Token(token) = &self.auth;
        match field {
            "address" => self.address.is_empty(),
            "namespace" => self.namespace.is_empty(),
            "auth.token" => token.file.is_none() && token.inline.is_none(),
            "tls.ca" => self.tls.ca.is_none(),
            // The pair comes from one place.
            "tls.cert" | "tls.key" => self.tls.cert.is_none() && self.tls.key.is_none(),
            "tls.serverName" => self.tls.server_name.is_none(),
            "proxy" => self.proxy.is_none(),
            _ => false,
        }
    }

    fn check(&self) -> Result<(), Fault> {
        if !self.address.is_empty() {
            // Not repeated: a template may have put the token where the address belongs.
            let what = if self.address.contains("://") { "is no address that can be used" } else { "has no scheme" };
            let wrong = |_| Fault::new("address", what, "write https://HOST:PORT");
            let origin: Origin = self.address.parse().map_err(wrong)?;
            if origin.scheme() == Scheme::Http && !self.allow_http {
                let what = "is not encrypted: the token and the seeds would travel in clear";
                return Err(Fault::new("address", what, "write https://, or consent by `allowHttp: true`"));
            }
        }
        if self.transit.key.trim_matches('/').is_empty() {
            return Err(Fault::new("transit.key", "is empty", "write the transit key's name"));
        }
        if self.epoch.is_some() && self.identity == IdentitySource::Metadata {
            let remedy = "remove it (the key's creation time tells a replaced key apart), or set `identity: version`";
            return Err(Fault::new("epoch", "is set, but `identity` is `metadata`", remedy));
        }
        let Auth::Token(token) = &self.auth;
        absolute("auth.token.file", token.file.as_deref())?;
        absolute("tls.ca", self.tls.ca.as_deref())?;
        absolute("tls.cert", self.tls.cert.as_deref())?;
        absolute("tls.key", self.tls.key.as_deref())
    }

    fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if self.address.starts_with("http://") {
            let text = "Vault is reached by http: its token travels in clear; use https".to_owned();
            warnings.push(Warning { code: "plain-http", text });
        }
        if self.tls.skip_verify {
            let text = "whoever answers is taken for Vault; trust its CA instead".to_owned();
            warnings.push(Warning { code: "skip-verify", text });
        }
        warnings
    }

    fn with_credential(mut self, credential: SecretText) -> Self {
        let Auth::Token(token) = &mut self.auth;
        token.inline = Some(credential);
        self
    }

    fn build(&self, host: &Host) -> Result<Arc<dyn Provider>, BuildError> {
        let lookup = |name: &str| host.environment.get(name).map(|value| value.expose().to_owned());
        Ok(Arc::new(Self::build(self, &Environment::from_variables(lookup))?))
    }
}
