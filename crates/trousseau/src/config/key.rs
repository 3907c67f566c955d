//! One entry of `keys:`.

use std::fmt;

use serde::Deserialize;
use serde::de::value::{EnumAccessDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, VariantAccess, Visitor};
use trousseau_core::AadPolicy;

use super::Environment;

const FIELDS: &[&str] = &["name", "local", "vault", "aad", "accept"];
const PROVIDERS: &[&str] = &["local", "vault"];

/// A configured key.
#[derive(Clone, Debug)]
pub struct Key {
    /// For people and metrics; letters, digits, `.`, `_` and `-`, at most 63. In no ciphertext and no key_id.
    pub name: String,
    /// The KMS that holds it.
    pub provider: ProviderConfig,
    /// Whether its wraps carry authenticated data; `aad` and `accept` of the file together.
    pub aad: AadPolicy,
}

/// The section of a key that says in which KMS it lies: one per kind of KMS that this build has.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProviderConfig {
    /// A key in a file on this machine.
    Local(trousseau_local::Config),
    /// A transit key of Vault or OpenBao.
    Vault(Box<trousseau_vault::Config>),
}

/// What else a key reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accept {
    /// Our own records that carry no authenticated data.
    TrousseauNoAad,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Aad {
    Required,
    Off,
}

impl Key {
    /// The fields that are unset and that a variable fills, and the variable.
    pub(super) fn filled_by(&self, environment: &Environment) -> Vec<(&'static str, &'static str)> {
        let mut fields: Vec<(&'static str, &'static str)> = match &self.provider {
            ProviderConfig::Local(_) => Vec::new(),
            ProviderConfig::Vault(vault) => unset(vault),
        };
        fields.retain(|(_, variable)| environment.get(variable).is_some());
        fields
    }
}

/// The fields that are unset, and the variables that Vault's own tools read for them.
fn unset(vault: &trousseau_vault::Config) -> Vec<(&'static str, &'static str)> {
    let trousseau_vault::Auth::Token(token) = &vault.auth;
    let pair = vault.tls.cert.is_none() && vault.tls.key.is_none();
    let fields = [
        (vault.address.is_empty(), "vault.address", "VAULT_ADDR"),
        (vault.namespace.is_empty(), "vault.namespace", "VAULT_NAMESPACE"),
        (token.file.is_none() && token.inline.is_none(), "vault.auth.token", "VAULT_TOKEN"),
        (vault.tls.ca.is_none(), "vault.tls.ca", "VAULT_CACERT"),
        (pair, "vault.tls.cert", "VAULT_CLIENT_CERT"),
        (pair, "vault.tls.key", "VAULT_CLIENT_KEY"),
        (vault.tls.server_name.is_none(), "vault.tls.serverName", "VAULT_TLS_SERVER_NAME"),
        (vault.proxy.is_none(), "vault.proxy", "VAULT_PROXY_ADDR"),
    ];
    fields.into_iter().filter(|(unset, ..)| *unset).map(|(_, field, variable)| (field, variable)).collect()
}

/// A `vault:` section of which only this much is said.
pub(super) fn transit(address: String, mount: &str, key: String) -> trousseau_vault::Config {
    trousseau_vault::Config {
        address,
        namespace: String::new(),
        transit: trousseau_vault::Transit { mount: mount.to_owned(), key, version: None },
        auth: trousseau_vault::Auth::default(),
        tls: trousseau_vault::Tls::default(),
        proxy: None,
        allow_http: false,
        identity: trousseau_vault::IdentitySource::default(),
        epoch: None,
        timeouts: trousseau_vault::Timeouts::default(),
    }
}

// By hand, because `flatten` and `deny_unknown_fields` exclude each other and lose line and column.
impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("key", FIELDS, Read)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("struct key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Key, A::Error> {
        let (mut name, mut aad, mut accept) = (None, Aad::Required, Vec::new());
        let mut section: Option<(String, ProviderConfig)> = None;
        while let Some(field) = map.next_key::<String>()? {
            match (field.as_str(), &section) {
                ("name", _) => name = Some(map.next_value()?),
                ("aad", _) => aad = map.next_value()?,
                ("accept", _) => accept = map.next_value::<Vec<Accept>>()?,
                (other, _) if !PROVIDERS.contains(&other) => return Err(A::Error::unknown_field(other, FIELDS)),
                (other, Some((first, _))) => {
                    let text = format!("lies in two KMS, `{first}` and `{other}`; make two keys of it");
                    return Err(A::Error::custom(text));
                }
                (other, None) => {
                    let read = EnumAccessDeserializer::new(Section { name: other, map: &mut map });
                    let provider = ProviderConfig::deserialize(read)?;
                    section = Some((field, provider));
                }
            }
        }
        let Some((_, provider)) = section else {
            let text = format!("names no KMS; add one of `{}`", PROVIDERS.join("`, `"));
            return Err(A::Error::custom(text));
        };
        let aad = match aad {
            Aad::Required => AadPolicy::Required { accept_without: accept.contains(&Accept::TrousseauNoAad) },
            Aad::Off => AadPolicy::Off,
        };
        Ok(Key { name: name.ok_or_else(|| A::Error::missing_field("name"))?, provider, aad })
    }
}

/// A field and its value, read as an enum's variant.
struct Section<'a, A> {
    name: &'a str,
    map: &'a mut A,
}

impl<'de, A: MapAccess<'de>> EnumAccess<'de> for Section<'_, A> {
    type Error = A::Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), A::Error> {
        let name = StrDeserializer::new(self.name);
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de, A: MapAccess<'de>> VariantAccess<'de> for Section<'_, A> {
    type Error = A::Error;

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.map.next_value_seed(seed)
    }

    fn unit_variant(self) -> Result<(), A::Error> {
        Err(A::Error::custom("a KMS needs fields"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, A::Error> {
        Err(A::Error::custom("a KMS needs fields"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, A::Error> {
        Err(A::Error::custom("a KMS needs fields"))
    }
}
