//! The YAML parser: strict, bounded, and silent about values.

use serde::de::{DeserializeOwned, Deserializer, SeqAccess, Visitor};
use serde_saphyr::options::NonFiniteFloatPolicy;
use serde_saphyr::{Error, Options, alias_limits, budget, from_str_with_options, options};

use super::error::ConfigError;
use super::outline::Outline;
use super::suggest::closest;

/// Reads one document. `outline` lets an error name the field.
///
/// # Errors
/// With line and column; never with a value, and with the name of an unknown field only if it can't be a secret.
pub(super) fn read<T: DeserializeOwned>(text: &str, origin: &str, outline: Option<&Outline>) -> Result<T, ConfigError> {
    from_str_with_options(text, bounds()).map_err(|error| {
        let error = error.without_snippet();
        let place = error.location().map(|location| (location.line(), location.column())).filter(|place| place.0 > 0);
        let (what, remedy) = explain(error);
        let field = place.zip(outline).and_then(|(place, outline)| outline.path_at(place));
        let what = field.map(|field| format!("`{field}` {what}")).unwrap_or(what);
        ConfigError::new(origin, what, remedy).at(place)
    })
}

const NO_DURATION: (&str, &str) = ("is no duration", "write a number with its unit, such as `200ms`, `30s` or `2m`");

/// Times as humantime writes them. By way of a text, so that an error keeps its place.
pub(super) mod duration {
    use std::time::Duration;

    use humantime_serde::re::humantime::parse_duration;
    pub(crate) use humantime_serde::serialize;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let (what, remedy) = super::NO_DURATION;
        parse_duration(&String::deserialize(deserializer)?).map_err(|_| D::Error::custom(format!("{what}; {remedy}")))
    }
}

/// A list, or one value that stands for a list of one.
pub(super) fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Names;
    impl<'de> Visitor<'de> for Names {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a text (a number in quotes) or a list of them")
        }

        fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
            Ok(vec![name.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut names = Vec::new();
            while let Some(name) = list.next_element()? {
                names.push(name);
            }
            Ok(names)
        }
    }
    deserializer.deserialize_any(Names)
}

/// Far above any configuration, far below what would take noticeable time or memory.
fn bounds() -> Options {
    options! {
        with_snippet: false,
        emit_comments: false,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        alias_limits: alias_limits! { max_total_replayed_events: 10_000, max_replay_stack_depth: 8 },
        budget: budget! { max_events: 100_000, max_nodes: 50_000, max_depth: 32, max_aliases: 256, max_documents: 2 },
    }
}

/// What is wrong, as a predicate of the field or the place, and what to do.
fn explain(error: &Error) -> (String, String) {
    let (what, remedy) = match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            let name = sayable(field).map(|field| format!(" `{field}`")).unwrap_or_default();
            return (format!("is an unknown field{name}"), meant(field, expected, "the fields here are"));
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            return ("is none of the known values".to_owned(), meant(variant, expected, "write one of"));
        }
        Error::SerdeMissingField { field, .. } => return (format!("lacks the field `{field}`"), "add it".to_owned()),
        Error::SerdeInvalidValue { expected, .. } if expected == "a duration" => (NO_DURATION.0, NO_DURATION.1),
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => {
            return (format!("must be {}", plain(expected)), "correct it".to_owned());
        }
        Error::InvalidScalar { ty: expected, .. } | Error::Unexpected { expected, .. } => {
            return (format!("must be {}", plain(expected)), "correct it".to_owned());
        }
        Error::NullIntoString { .. } => ("is empty", "write a value, or leave the field out"),
        Error::DuplicateMappingKey { key, .. } => {
            let name = key.as_deref().and_then(sayable).map(|key| format!(" `{key}`")).unwrap_or_default();
            return (format!("is a field{name} that stands here already"), "keep one of the two".to_owned());
        }
        Error::MultipleDocuments { .. } => ("begins a second document", "keep one; take the `---` between them out"),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => (
            "is too large, too deep, or its aliases expand to too much",
            "write the values out, without anchors and aliases",
        ),
        Error::UnknownAnchor { .. } => ("is an alias without its anchor", "write the value out"),
        Error::ExternalMessage { msg, .. } => {
            let remedy = "indent with spaces; quote values with special characters";
            return (format!("is no YAML: {msg}"), remedy.to_owned());
        }
        Error::AliasError { error, .. } => return explain(error),
        // Written by us or by a provider's section; both know that values are not to be said.
        Error::Message { msg, .. } => (msg.as_str(), ""),
        _ => ("can't be read as a configuration", "correct what stands here"),
    };
    (what.to_owned(), remedy.to_owned())
}

/// The remedy for an unknown name.
fn meant(written: &str, known: &[&'static str], list: &str) -> String {
    closest(written, known)
        .map_or_else(|| format!("{list} `{}`", known.join("`, `")), |name| format!("did you mean `{name}`?"))
}

/// A name that may be repeated in an error: no token or password that slipped into the place of a name looks so.
pub(super) fn sayable(name: &str) -> Option<&str> {
    let letters = name.chars().all(|letter| letter.is_ascii_alphabetic() || matches!(letter, '-' | '_' | '<'));
    (letters && (1..=24).contains(&name.len())).then_some(name)
}

/// The parser's words for a form, in an administrator's.
fn plain(expected: &str) -> &str {
    match expected {
        "mapping start" => "fields (`name: value`)",
        "sequence start" => "a list",
        "string scalar" | "string" => "a text",
        "boolean" => "true or false",
        "u8" | "u16" | "u32" | "u64" => "a whole number, 0 or more",
        other if other.starts_with("struct ") => "fields (`name: value`)",
        other => other,
    }
}
