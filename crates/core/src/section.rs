//! What a kind of KMS says of its section in the configuration: the fields, what fills them, and what they are built
//! into. One implementation of [`Section`] and one line in the program's table make a KMS configurable.
//!
//! The section is a plain type that serde reads. Three rules come with that:
//! * unknown fields are refused: `#[serde(deny_unknown_fields)]`, with names in camelCase;
//! * what is serialised is shown to people (`config show`), so a secret is a [`SecretText`], which writes itself as
//!   `***`, and a URL is written by [`without_password`];
//! * the comments on the fields are the documentation that `trousseau providers` prints.
//!
//! ```
//! use std::path::PathBuf;
//! use std::sync::Arc;
//!
//! use trousseau_core::section::{BuildError, Environment, Fault, Fill, Host, Section, absolute};
//! use trousseau_core::{Provider, ProviderKind};
//!
//! #[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema, serde::Serialize)]
//! #[serde(deny_unknown_fields, rename_all = "camelCase")]
//! struct Config {
//!     /// The key's name.
//!     key: String,
//!     /// The file with the token. Absent = `ACME_TOKEN_FILE`.
//!     token_file: Option<PathBuf>,
//! }
//!
//! const TOKEN_FILE: Fill = Fill { field: "tokenFile", variables: &["ACME_TOKEN_FILE"], in_key_id: false };
//!
//! impl Section for Config {
//!     const KIND: ProviderKind = ProviderKind { code: 0xF1, name: "acme" };
//!     const SUMMARY: &'static str = "Acme KMS";
//!     const FILLS: &'static [Fill] = &[TOKEN_FILE];
//!
//!     fn is_unset(&self, field: &str) -> bool {
//!         field == TOKEN_FILE.field && self.token_file.is_none()
//!     }
//!
//!     fn check(&self) -> Result<(), Fault> {
//!         absolute("tokenFile", self.token_file.as_deref())
//!     }
//!
//!     fn build(&self, host: &Host) -> Result<Arc<dyn Provider>, BuildError> {
//!         let filled = || TOKEN_FILE.variables.iter().find_map(|name| host.environment.get(name));
//!         let file = self.token_file.clone().or_else(|| Some(filled()?.expose().into()));
//!         Err(format!("{} under {} with {file:?} is left to the reader", Self::SUMMARY, self.key).into())
//!     }
//! }
//!
//! let relative = Config { key: "k".into(), token_file: Some("token".into()) };
//! assert_eq!(relative.check().unwrap_err().field, "tokenFile");
//! let variables = Environment::new(|name| (name == "ACME_TOKEN_FILE").then(|| "/run/token".to_owned()));
//! assert_eq!(variables.filling(&TOKEN_FILE), Some("ACME_TOKEN_FILE"));
//! let host = Host { environment: variables, credentials: None };
//! let error = Config { key: "k".into(), token_file: None }.build(&host).err().unwrap();
//! assert!(error.to_string().contains("/run/token"));
//! ```

mod environment;

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

use crate::provider::{Provider, ProviderKind};
use crate::secret::SecretText;

pub use environment::{Environment, Fill, Host};

/// The section of a key that says in which KMS it lies, for one kind of KMS.
pub trait Section: DeserializeOwned + Serialize + JsonSchema + Clone + fmt::Debug + Send + Sync + 'static {
    /// The kind of KMS.
    const KIND: ProviderKind;

    /// One line for people: which KMS this is, and which of its parts.
    const SUMMARY: &'static str;

    /// The fields that the environment fills where they are unset.
    const FILLS: &'static [Fill] = &[];

    /// The command line's flags that stand for fields.
    const FLAGS: &'static [Flag] = &[];

    /// True where a field of [`FILLS`](Self::FILLS) is unset, so that the environment counts.
    fn is_unset(&self, field: &str) -> bool {
        let _ = field;
        false
    }

    /// Looks for what can't work and what the types can't say. Reads no file, asks nobody.
    ///
    /// # Errors
    /// The first such field, by its path inside the section.
    fn check(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// What works and should not stay so.
    fn warnings(&self) -> Vec<Warning> {
        Vec::new()
    }

    /// The same with a credential that the Go Trousseau's file holds itself; the native format has no field for one.
    #[must_use]
    fn with_credential(self, credential: SecretText) -> Self {
        drop(credential);
        self
    }

    /// What the KMS can tell a person whose section is refused, such as the key that an alias points to. The one thing
    /// here that asks the KMS; the caller bounds its time, and nothing that runs waits for it.
    fn hint(&self, host: &Host) -> Option<Hint> {
        let _ = host;
        None
    }

    /// Makes the provider. May read files; asks no KMS, and works while the KMS is down.
    ///
    /// # Errors
    /// Settings that can never work, with what to do; no secret in the text.
    fn build(&self, host: &Host) -> Result<Arc<dyn Provider>, BuildError>;
}

/// A sentence for a person, if the KMS can be asked for it.
pub type Hint = Pin<Box<dyn Future<Output = Option<String>> + Send>>;

/// Why a provider can't be made of its section.
pub type BuildError = Box<dyn Error + Send + Sync>;

/// A flag that stands for a field: a key by flags alone needs no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Its name without the two dashes.
    pub name: &'static str,
    /// The path inside the section, such as `transit.key`.
    pub field: &'static str,
    /// What its value is.
    pub value: FlagValue,
    /// A key can't be without it, unless the environment fills the field.
    pub required: bool,
    /// One line for `--help`.
    pub help: &'static str,
}

/// What a flag's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagValue {
    /// Any text; the word stands for it in the help.
    Text(&'static str),
    /// A file, relative to where the command runs.
    File,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// What is wrong with one field of a configuration that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its path, such as `transit.key`; empty for the whole section.
    pub field: String,
    /// What is wrong with it, as a predicate: `is empty`. Never a value that may be secret.
    pub what: String,
    /// What to write or do.
    pub remedy: String,
}

impl Fault {
    /// A fault of a field.
    pub fn new(field: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { field: field.into(), what: what.into(), remedy: remedy.into() }
    }
}

/// Something accepted that should not stay so: logged once, counted by its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// A stable word such as `plain-http`: a metric label.
    pub code: &'static str,
    /// What it is and what to do; holds no value of a field that may be secret.
    pub text: String,
}

/// Refuses a path that is not absolute: a service's working directory is an accident.
///
/// # Errors
/// A fault of `field`.
pub fn absolute(field: &str, path: Option<&Path>) -> Result<(), Fault> {
    match path {
        Some(path) if !path.is_absolute() => Err(Fault::new(field, "is no absolute path", "begin it with `/`")),
        _ => Ok(()),
    }
}

/// Serialises a URL; `***` for one with a user in front of its host, who may have a password there.
///
/// # Errors
/// The serialiser's.
pub fn without_password<S: Serializer>(url: &impl AsUrl, serializer: S) -> Result<S::Ok, S::Error> {
    match url.as_url() {
        Some(url) if url.contains(['@', '?', '#']) => serializer.serialize_str(MASKED),
        Some(url) => serializer.serialize_str(url),
        None => serializer.serialize_none(),
    }
}

/// What [`without_password`] writes: a URL, or perhaps one.
pub trait AsUrl {
    /// The URL, if there is one.
    fn as_url(&self) -> Option<&str>;
}

impl AsUrl for String {
    fn as_url(&self) -> Option<&str> {
        Some(self)
    }
}

impl AsUrl for Option<String> {
    fn as_url(&self) -> Option<&str> {
        self.as_deref()
    }
}

/// What stands in the place of a secret.
pub(crate) const MASKED: &str = "***";

#[cfg(test)]
mod tests {
    use super::{AsUrl, Environment, Fill};

    #[test]
    fn the_first_variable_that_is_set_fills_a_field() {
        let fill = Fill { field: "ca", variables: &["A", "B"], in_key_id: false };
        let of = |pairs: &[(&str, &str)]| -> Environment {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(of(&[("B", "1"), ("A", "2")]).filling(&fill), Some("A"));
        assert_eq!(of(&[("B", "1"), ("A", "")]).filling(&fill), Some("B"));
        assert_eq!(Environment::default().filling(&fill), None);
        assert_eq!(format!("{:?}", of(&[("A", "canary")])), "Environment");
    }

    #[test]
    fn i9_what_is_serialised_is_masked() {
        #[derive(serde::Serialize)]
        struct Shown {
            #[serde(serialize_with = "super::without_password")]
            url: Option<String>,
            token: crate::SecretText,
        }
        let shown = Shown { url: Some("https://u:canary@h".into()), token: "canary".to_owned().into() };
        let text = serde_json::to_string(&shown).unwrap();
        assert_eq!(text, r#"{"url":"***","token":"***"}"#);
        assert_eq!("https://h".to_owned().as_url(), Some("https://h"));
    }
}
