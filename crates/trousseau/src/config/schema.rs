//! The configuration's JSON Schema, made from the types that read it, so that they can't differ.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

use super::Config;

/// JSON Schema (draft 7, which every editor and every Helm takes) of a native configuration file, with the kinds of KMS
/// that this build has. What it can't say, such as that a quorum is not above the number of members, is checked when a
/// file is read.
pub fn schema() -> Schema {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<Config>()
}

/// A text, or a list of texts.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}
