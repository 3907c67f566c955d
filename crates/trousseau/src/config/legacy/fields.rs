//! The fields of the Go Trousseau's file, in any case.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use trousseau_core::SecretText;

use crate::config::yaml;

/// The top level, or what stands under `vault:`; empty where a field is empty or absent.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) provider: Option<String>,
    pub(super) vault: Option<Box<Self>>,
    pub(super) key_names: Vec<String>,
    pub(super) address: String,
    pub(super) token: SecretText,
    pub(super) client_cert: String,
    pub(super) client_key: String,
    pub(super) role_id: String,
    pub(super) vault_ca_cert: String,
    pub(super) tls_server_name: String,
    pub(super) transit_path: String,
    /// A field of another provider's file.
    pub(super) foreign: String,
    /// Fields that are none of ours, by name.
    pub(super) ignored: Vec<String>,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Read)
    }
}

/// One name or a list; in a struct of its own, because a visitor can't be told how to read a value otherwise.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Names(#[serde(deserialize_with = "yaml::one_or_many")] Vec<String>);

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fields (`name: value`)")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        fn text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<String, A::Error> {
            Ok(map.next_value::<Option<String>>()?.unwrap_or_default())
        }
        let mut fields = Fields::default();
        while let Some(name) = map.next_key::<String>()? {
            match name.to_ascii_lowercase().as_str() {
                "provider" => fields.provider = Some(text(&mut map)?),
                "vault" => fields.vault = map.next_value()?,
                "keynames" => fields.key_names = map.next_value::<Option<Names>>()?.map(|it| it.0).unwrap_or_default(),
                "address" => fields.address = text(&mut map)?,
                "token" => fields.token = SecretText::new(text(&mut map)?),
                "clientcert" => fields.client_cert = text(&mut map)?,
                "clientkey" => fields.client_key = text(&mut map)?,
                "roleid" => fields.role_id = text(&mut map)?,
                "vaultcacert" => fields.vault_ca_cert = text(&mut map)?,
                "tlsservername" => fields.tls_server_name = text(&mut map)?,
                "transitpath" => fields.transit_path = text(&mut map)?,
                // Only of use with a role: what it is for is said there.
                "secretid" | "authpath" => drop(map.next_value::<IgnoredAny>()?),
                other => {
                    map.next_value::<IgnoredAny>()?;
                    if matches!(other, "keyarn" | "keyvaultname") {
                        fields.foreign = name;
                    } else {
                        // What is written in the place of a name may be a token that lost its field.
                        fields.ignored.push(yaml::sayable(&name).unwrap_or("(a field)").to_owned());
                    }
                }
            }
        }
        Ok(fields)
    }
}
