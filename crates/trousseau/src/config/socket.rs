//! The `socket:` section.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The socket that kube-apiserver connects to, and who may.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Socket {
    /// Absolute, at most 107 bytes. Default `/run/trousseau/kms.sock`.
    pub path: PathBuf,
    /// Default 0660.
    pub mode: Mode,
    /// User name or number that owns the socket; looked up when it is bound. Absent = who we run as.
    pub owner: Option<String>,
    /// Group name or number; looked up when it is bound. Absent = ours.
    pub group: Option<String>,
    /// Who may connect, by the peer credentials of the connection; absent = whom the mode admits.
    pub allow: Option<Allow>,
}

/// Users and groups, by number: a peer in one of the two lists may connect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Allow {
    /// User numbers.
    pub uids: Vec<u32>,
    /// Group numbers: the peer's primary group.
    pub gids: Vec<u32>,
}

/// A file mode, written as octal digits: `"0660"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Default for Socket {
    fn default() -> Self {
        let path = PathBuf::from("/run/trousseau/kms.sock");
        Self { path, mode: Mode(0o660), owner: None, group: None, allow: None }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match u32::from_str_radix(&text, 8) {
            Ok(mode) if mode <= 0o777 && (3..=4).contains(&text.len()) => Ok(Self(mode)),
            _ => Err(D::Error::custom("is no file mode; write octal digits in quotes, such as \"0660\"")),
        }
    }
}

impl JsonSchema for Mode {
    fn schema_name() -> Cow<'static, str> {
        "Mode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-7]{3,4}$"})
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
