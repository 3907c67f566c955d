//! One call to Key Vault: what for, on which key, and its path.

use crate::identifier::Version;

/// The service version that is spoken: in every vault and HSM since 2023.
const API: &str = "api-version=7.4";

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Encrypt,
    Decrypt,
    Sign,
    /// A version with its public half.
    Read,
    /// The versions.
    List,
}

/// A call.
pub(crate) struct Ask<'a> {
    pub(crate) purpose: Purpose,
    /// The key's name, for error texts.
    pub(crate) key: &'a str,
    /// With its query.
    pub(crate) path: String,
    /// JSON; with one it is a POST, else a GET.
    pub(crate) body: Option<&'a [u8]>,
}

impl<'a> Ask<'a> {
    pub(crate) fn operation(purpose: Purpose, key: &'a str, version: Version, body: &'a [u8]) -> Self {
        Self { purpose, key, path: format!("/keys/{key}/{version}/{}?{API}", purpose.word()), body: Some(body) }
    }

    /// A version; `None` = the newest.
    pub(crate) fn read(key: &'a str, version: Option<Version>) -> Self {
        let version = version.map(|version| format!("/{version}")).unwrap_or_default();
        Self { purpose: Purpose::Read, key, path: format!("/keys/{key}{version}?{API}"), body: None }
    }

    /// The first page of the versions.
    pub(crate) fn list(key: &'a str) -> Self {
        Self { purpose: Purpose::List, key, path: format!("/keys/{key}/versions?{API}"), body: None }
    }

    /// A further page.
    pub(crate) fn page(key: &'a str, path: String) -> Self {
        Self { purpose: Purpose::List, key, path, body: None }
    }

    /// The path without its query, for error texts.
    pub(crate) fn shown(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }
}

impl Purpose {
    /// As in the path and in the names of permissions.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::Sign => "sign",
            Self::Read => "get",
            Self::List => "list",
        }
    }
}
