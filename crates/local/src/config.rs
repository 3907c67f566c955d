//! The `local:` section of a key, as it stands in the configuration file.

use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trousseau_core::section::{BuildError, Fault, Flag, FlagValue, Host, Section, absolute};
use trousseau_core::{Provider, ProviderKind};

/// A key in a file on this machine. Exactly one of the two fields.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "local")]
pub struct Config {
    /// The key file that `trousseau keygen` made: mode 0600 or stricter, owned by root or by us.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// The name of a systemd credential that holds the key file (`LoadCredential=`); found in
    /// `$CREDENTIALS_DIRECTORY`.
    #[serde(default)]
    pub credential: Option<String>,
}

impl Section for Config {
    const KIND: ProviderKind = ProviderKind::LOCAL;
    const SUMMARY: &'static str = "a key file on this machine, made by `trousseau keygen`";
    const FLAGS: &'static [Flag] = &[Flag {
        name: "local-key-file",
        field: "file",
        value: FlagValue::File,
        required: true,
        help: "A key file on this machine, made by `trousseau keygen`",
    }];

    fn check(&self) -> Result<(), Fault> {
        absolute("file", self.file.as_deref())?;
        if self.file.is_some() == self.credential.is_some() {
            let what = "needs `file` or `credential`, one of them";
            return Err(Fault::new("", what, "write where the key file is"));
        }
        Ok(())
    }

    fn build(&self, host: &Host) -> Result<Arc<dyn Provider>, BuildError> {
        Ok(Arc::new(Self::build(self, host.credentials.as_deref())?))
    }
}
