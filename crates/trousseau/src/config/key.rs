//! One entry of `keys:`.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use trousseau_core::AadPolicy;

use super::place::ANY;
use super::{AnySection, Place};
use crate::wire;

/// A key's fields: the sections that this build has, and what all of them share.
static FIELDS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| ["name"].into_iter().chain(wire::sections()).chain([ANY, "aad", "accept"]).collect());

/// A configured key.
#[derive(Clone, Debug)]
pub struct Key {
    /// For people and metrics; letters, digits, `.`, `_` and `-`, at most 63. In no ciphertext and no key_id.
    pub name: String,
    /// The KMS that holds it, or several.
    pub provider: Place,
    /// Whether its wraps carry authenticated data; `aad` and `accept` of the file together.
    pub aad: AadPolicy,
}

/// What else a key reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Accept {
    /// Our own records that carry no authenticated data.
    TrousseauNoAad,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Aad {
    Required,
    Off,
}

// By hand, because `flatten` and `deny_unknown_fields` exclude each other and lose line and column.
impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("key", &FIELDS, Read)
    }
}

// By hand like the reading: one of the kinds of KMS that this build has, or several.
impl JsonSchema for Key {
    fn schema_name() -> Cow<'static, str> {
        "Key".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = json!({
            "description": "For people and metrics; in no ciphertext and no key_id.",
            "type": "string", "pattern": "^[A-Za-z0-9._-]{1,63}$",
        });
        let mut fields = Map::from_iter([("name".to_owned(), name)]);
        let mut places = Vec::new();
        for kind in wire::KINDS {
            fields.insert(kind.name.to_owned(), (kind.part)(generator).into());
            places.push(json!({"required": [kind.name]}));
        }
        fields.insert(ANY.to_owned(), generator.subschema_for::<AnySection>().into());
        places.push(json!({"required": [ANY]}));
        fields.insert("aad".to_owned(), generator.subschema_for::<Aad>().into());
        fields.insert("accept".to_owned(), generator.subschema_for::<Vec<Accept>>().into());
        json_schema!({
            "description": "A key: its name, and the one KMS that it lies in.",
            "type": "object", "properties": Value::Object(fields), "additionalProperties": false,
            "required": ["name"], "oneOf": places,
        })
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
        let mut section: Option<Place> = None;
        while let Some(field) = map.next_key::<String>()? {
            match (field.as_str(), &section) {
                ("name", _) => name = Some(map.next_value()?),
                ("aad", _) => aad = map.next_value()?,
                ("accept", _) => accept = map.next_value::<Vec<Accept>>()?,
                (other, _) if other != ANY && wire::sections().all(|known| known != other) => {
                    match wire::feature_of(other) {
                        Some(feature) => map.next_value_seed(Lacking(feature))?,
                        None => return Err(A::Error::unknown_field(other, &FIELDS)),
                    }
                }
                (other, Some(first)) => {
                    let text = format!("lies in two KMS, `{}` and `{other}`; make two keys of it", first.name());
                    return Err(A::Error::custom(text));
                }
                (ANY, None) => section = Some(Place::Any(map.next_value()?)),
                (other, None) => section = wire::read(other, &mut map)?.map(Place::Kms),
            }
        }
        let Some(provider) = section else {
            let text = format!("names no KMS; add one of `{}`", wire::sections().collect::<Vec<_>>().join("`, `"));
            return Err(A::Error::custom(text));
        };
        let aad = match aad {
            Aad::Required => AadPolicy::Required { accept_without: accept.contains(&Accept::TrousseauNoAad) },
            Aad::Off => AadPolicy::Off,
        };
        Ok(Key { name: name.ok_or_else(|| A::Error::missing_field("name"))?, provider, aad })
    }
}

/// Refuses the section of a KMS that this build lacks, at its place.
struct Lacking(&'static str);

impl<'de> DeserializeSeed<'de> for Lacking {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, _: D) -> Result<(), D::Error> {
        let Self(feature) = self;
        let what = "names a KMS that this build of Trousseau lacks";
        let remedy = format!("take a released binary, which has all of them, or build with `--features {feature}`");
        Err(D::Error::custom(format!("{what}; {remedy}")))
    }
}
