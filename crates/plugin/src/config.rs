//! The `plugin:` section of a key, as it stands in the configuration file.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trousseau_core::section::{BuildError, Fault, Host, Section, Warning, absolute};
use trousseau_core::{Provider, ProviderKind};

use crate::provider::PluginProvider;

/// `sockaddr_un` has 108 bytes, the last of them zero.
const MAX_SOCKET_PATH: usize = 107;

/// Another KMS plugin on this machine.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "plugin")]
pub struct Config {
    /// The path of its socket; not ours. Its directory and mode must let us connect.
    pub socket: PathBuf,
    /// Which of Kubernetes' two KMS APIs it speaks.
    #[serde(default)]
    pub api: Api,
    /// What its key is called for ever: key_id is made of it, so it is the same on all nodes. Needed only where two keys
    /// lie behind plugins.
    #[serde(default)]
    pub name: String,
    /// Raised by hand after its key was replaced; only with `api: v1`, which tells no key_id.
    #[serde(default)]
    pub epoch: Option<u32>,
}

/// Kubernetes' KMS APIs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// `v1beta1`: it names no key, so that a rotation behind it can't be seen.
    V1,
    /// `v2` and `v2beta1`.
    #[default]
    V2,
}

impl Section for Config {
    const KIND: ProviderKind = ProviderKind::PLUGIN;
    const SUMMARY: &'static str = "another Kubernetes KMS plugin (v1 or v2) behind its Unix socket";

    fn check(&self) -> Result<(), Fault> {
        if self.socket.as_os_str().as_bytes().starts_with(b"unix:") {
            return Err(Fault::new("socket", "is an endpoint", "write the path alone, such as /run/other/kms.sock"));
        }
        absolute("socket", Some(&self.socket))?;
        let length = self.socket.as_os_str().len();
        if length > MAX_SOCKET_PATH {
            let what = format!("has {length} bytes, more than the {MAX_SOCKET_PATH} that a socket's path may have");
            return Err(Fault::new("socket", what, "let the other plugin listen on a shorter one"));
        }
        if self.epoch.is_some() && self.api == Api::V2 {
            let remedy = "remove it: the plugin's own key_id tells a replaced key apart";
            return Err(Fault::new("epoch", "is set, but `api` is `v2`", remedy));
        }
        Ok(())
    }

    fn warnings(&self) -> Vec<Warning> {
        let text = "KMS v1 names no key: a key that is rotated or replaced behind the plugin is not seen, and nothing \
                    is re-encrypted for it; use `api: v2` if the plugin speaks it";
        match self.api {
            Api::V1 => vec![Warning { code: "plugin-v1", text: text.to_owned() }],
            Api::V2 => Vec::new(),
        }
    }

    fn build(&self, _: &Host) -> Result<Arc<dyn Provider>, BuildError> {
        Ok(Arc::new(PluginProvider::new(self)))
    }
}
