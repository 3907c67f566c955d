//! The key flags: one key without a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::ORIGIN;
use crate::config::error::{ConfigError, Fault};
use crate::config::{Config, Environment, Key, Loaded, ProviderConfig, check};

/// One key by flags alone. They don't mix with a file.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Key, instead of a file")]
pub struct KeyFlags {
    /// Vault's address; else VAULT_ADDR
    #[arg(long, value_name = "URL")]
    vault_address: Option<String>,
    /// Vault's namespace; else VAULT_NAMESPACE
    #[arg(long, value_name = "PATH")]
    vault_namespace: Option<String>,
    /// The transit engine's mount [default: transit]
    #[arg(long, value_name = "PATH")]
    transit_mount: Option<String>,
    /// The transit key's name
    #[arg(long, value_name = "NAME")]
    transit_key: Option<String>,
    /// The file that holds Vault's token; else VAULT_TOKEN
    #[arg(long, value_name = "FILE")]
    vault_token_file: Option<PathBuf>,
    /// The only authorities to trust, PEM; else VAULT_CACERT, else the system's
    #[arg(long, value_name = "FILE")]
    vault_ca_cert: Option<PathBuf>,
    /// What key_id is made of [default: metadata]
    #[arg(long, value_name = "SOURCE")]
    key_identity: Option<Identity>,
    /// A key file on this machine, made by `trousseau keygen`
    #[arg(long, value_name = "FILE")]
    local_key_file: Option<PathBuf>,
    /// The cluster's name; several: the first writes, all read
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    cluster: Vec<String>,
}

/// What key_id is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Identity {
    /// Path, version and creation time; needs the right to read the key
    Metadata,
    /// Path and version: for a policy that allows encrypt and decrypt only
    Version,
}

/// A flag and the field that it sets.
const FIELDS: &[(&str, &str)] = &[
    ("--vault-address", "keys[0].vault.address"),
    ("--vault-namespace", "keys[0].vault.namespace"),
    ("--transit-mount", "keys[0].vault.transit.mount"),
    ("--transit-key", "keys[0].vault.transit.key"),
    ("--vault-token-file", "keys[0].vault.auth.token.file"),
    ("--vault-ca-cert", "keys[0].vault.tls.ca"),
    ("--key-identity", "keys[0].vault.identity"),
    ("--local-key-file", "keys[0].local.file"),
    ("--cluster", "cluster"),
];

impl KeyFlags {
    /// True if one of them is given.
    pub fn any(&self) -> bool {
        self.given().any(|(given, _)| given)
    }

    /// The configuration that they say: one key, everything else by default.
    ///
    /// # Errors
    /// No key, two keys, or a value that can't work; the text names the flag.
    pub fn load(&self, environment: &Environment) -> Result<Loaded, ConfigError> {
        let refuse = |fault: Fault| {
            let flag =
                FIELDS.iter().find(|(_, field)| *field == fault.path).map_or(fault.path.as_str(), |(flag, _)| flag);
            ConfigError::new(ORIGIN, format!("`{flag}` {}", fault.what), fault.remedy)
        };
        let config = Config { cluster: self.cluster.clone(), ..Config::of(vec![self.key(environment)?]) };
        check::check(&config).map_err(refuse)?;
        let given = self.given().filter(|(given, _)| *given);
        let origins: BTreeMap<_, _> = given.map(|(_, (flag, field))| (field.to_owned(), flag.to_owned())).collect();
        Ok(Loaded::new(config, "", origins, environment))
    }

    fn key(&self, environment: &Environment) -> Result<Key, ConfigError> {
        let refuse = |what: &str, remedy: &str| Err(ConfigError::new(ORIGIN, what, remedy));
        let vault = self.given().any(|(given, (_, field))| given && field.starts_with("keys[0].vault"));
        let provider = match (&self.local_key_file, &self.transit_key) {
            (None, None) if !vault => {
                return refuse(
                    "no key is named",
                    "name a file by --config, or a key by --transit-key or --local-key-file",
                );
            }
            (None, None) => return refuse("Vault is named without a key", "add --transit-key"),
            (Some(_), _) if vault => {
                return refuse(
                    "--local-key-file and Vault's flags are two keys",
                    "flags name one; several need a file",
                );
            }
            (Some(file), _) => local(file)?,
            (None, Some(name)) => self.vault(name, environment)?,
        };
        Ok(Key {
            name: "primary".to_owned(),
            provider,
            aad: trousseau_core::AadPolicy::Required { accept_without: false },
        })
    }

    fn vault(&self, name: &str, environment: &Environment) -> Result<ProviderConfig, ConfigError> {
        use trousseau_vault::{Auth, IdentitySource, TokenAuth};

        use crate::config::key;

        if self.vault_address.is_none() && environment.get("VAULT_ADDR").is_none() {
            return Err(ConfigError::new(
                ORIGIN,
                "Vault's address is missing",
                "add --vault-address, or set VAULT_ADDR",
            ));
        }
        let mount = self.transit_mount.as_deref().unwrap_or("transit");
        let mut vault = key::transit(self.vault_address.clone().unwrap_or_default(), mount, name.to_owned());
        vault.namespace = self.vault_namespace.clone().unwrap_or_default();
        let file = self.vault_token_file.as_deref().map(absolute).transpose()?;
        vault.auth = Auth::Token(TokenAuth { file, ..TokenAuth::default() });
        vault.tls.ca = self.vault_ca_cert.as_deref().map(absolute).transpose()?;
        vault.identity = match self.key_identity {
            None | Some(Identity::Metadata) => IdentitySource::Metadata,
            Some(Identity::Version) => IdentitySource::Version,
        };
        Ok(ProviderConfig::Vault(Box::new(vault)))
    }

    fn given(&self) -> impl Iterator<Item = (bool, (&'static str, &'static str))> {
        let given = [
            self.vault_address.is_some(),
            self.vault_namespace.is_some(),
            self.transit_mount.is_some(),
            self.transit_key.is_some(),
            self.vault_token_file.is_some(),
            self.vault_ca_cert.is_some(),
            self.key_identity.is_some(),
            self.local_key_file.is_some(),
            !self.cluster.is_empty(),
        ];
        given.into_iter().zip(FIELDS.iter().copied())
    }
}

fn local(file: &Path) -> Result<ProviderConfig, ConfigError> {
    Ok(ProviderConfig::Local(trousseau_local::Config { file: Some(absolute(file)?), credential: None }))
}

/// On a command line a path is as the shell sees it.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, ConfigError> {
    std::path::absolute(path)
        .map_err(|error| ConfigError::new(ORIGIN, format!("`{}` is no path: {error}", path.display()), "correct it"))
}
