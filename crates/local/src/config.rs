//! The `local:` section of a key, as it stands in the configuration file.

use std::path::PathBuf;

use serde::Deserialize;

/// A key in a file on this machine. Exactly one of the two fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// The key file that `trousseau keygen` made: mode 0600 or stricter, owned by root or by us.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// The name of a systemd credential that holds the key file (`LoadCredential=`); found in
    /// `$CREDENTIALS_DIRECTORY`.
    #[serde(default)]
    pub credential: Option<String>,
}
