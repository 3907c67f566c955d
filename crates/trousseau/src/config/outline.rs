//! Where every field of a document stands, and which of them a template left without a value. Holds no values.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use trousseau_core::section::Fault;

use super::error::ConfigError;
use super::yaml;

/// The fields of one document by their path, such as `keys[0].vault.address`.
#[derive(Debug, Default)]
pub(super) struct Outline {
    places: BTreeMap<String, (u64, u64)>,
    top: Vec<String>,
}

impl Outline {
    /// Reads a document for its places only.
    ///
    /// # Errors
    /// What is no YAML, an empty document, one that has no fields, and a value that a template left out.
    pub(super) fn read(text: &str, origin: &str) -> Result<Self, ConfigError> {
        let empty = || ConfigError::new(origin, "is empty", "write at least `keys:` with one key");
        if text.trim_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}').is_empty() {
            return Err(empty());
        }
        let root: Spanned<Node> = yaml::read(text, origin, None)?;
        let mut outline = Self::default();
        match &root.value {
            Node::Map(fields) => outline.top = fields.iter().map(|(name, _)| name.clone()).collect(),
            Node::Null => return Err(empty()),
            Node::Scalar { .. } | Node::List(_) => {
                let what = "has no fields at its top level";
                return Err(ConfigError::new(origin, what, "write `keys:` with one key").at(Some(place(&root))));
            }
        }
        match outline.walk(String::new(), &root) {
            Some(fault) => Err(outline.locate(origin, fault)),
            None => Ok(outline),
        }
    }

    /// The names at the top level.
    pub(super) fn top(&self) -> &[String] {
        &self.top
    }

    /// The field whose value begins at a line and column; the innermost of several.
    pub(super) fn path_at(&self, place: (u64, u64)) -> Option<&str> {
        let fields = self.places.iter().filter(|(path, at)| **at == place && !path.is_empty());
        fields.max_by_key(|(path, _)| path.len()).map(|(path, _)| path.as_str())
    }

    /// A fault as an error: at its field, or at the nearest field around it that stands in the document. Case counts
    /// for nothing, for the legacy file's sake.
    pub(super) fn locate(&self, origin: &str, fault: Fault) -> ConfigError {
        let mut path = fault.field.as_str();
        let place = loop {
            let known = self.places.iter().find(|(known, _)| known.eq_ignore_ascii_case(path));
            match (known, path.rfind(['.', '['])) {
                (Some((_, place)), _) => break Some(*place).filter(|_| !path.is_empty()),
                (None, Some(end)) => path = &path[..end],
                (None, None) => break None,
            }
        };
        ConfigError::new(origin, format!("`{}` {}", fault.field, fault.what), fault.remedy).at(place)
    }

    /// `FILE:LINE` of every field.
    pub(super) fn origins(&self, origin: &str) -> BTreeMap<String, String> {
        let fields = self.places.iter().filter(|(path, _)| !path.is_empty());
        fields.map(|(path, (line, _))| (path.clone(), format!("{origin}:{line}"))).collect()
    }

    /// Notes the places below `path`; the first value that a template left out, if there is one.
    fn walk(&mut self, path: String, node: &Spanned<Node>) -> Option<Fault> {
        let fault = match &node.value {
            Node::Map(fields) => fields.iter().find_map(|(name, value)| {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                self.walk(path, value)
            }),
            Node::List(items) => {
                items.iter().enumerate().find_map(|(index, item)| self.walk(format!("{path}[{index}]"), item))
            }
            Node::Scalar { no_value: true } => Some(Fault::new(
                path.clone(),
                "is `<no value>`: the secret behind the template lacks this field",
                "add the field to the KV secret that the template reads, under the name that the template uses",
            )),
            Node::Scalar { no_value: false } | Node::Null => None,
        };
        self.places.insert(path, place(node));
        fault
    }
}

fn place<T>(node: &Spanned<T>) -> (u64, u64) {
    (node.referenced.line(), node.referenced.column())
}

enum Node {
    Null,
    Scalar { no_value: bool },
    List(Vec<Spanned<Self>>),
    Map(Vec<(String, Spanned<Self>)>),
}

const VALUE: Node = Node::Scalar { no_value: false };

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Read)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or fields")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(VALUE)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(VALUE)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Node, E> {
        Ok(VALUE)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(VALUE)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Node, E> {
        Ok(VALUE)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(VALUE)
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Scalar { no_value: text.contains("<no value>") })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, _>()? {
            // Paths are printed, and what stands in the place of a name may be a token that lost its field.
            fields.push((yaml::sayable(&name).unwrap_or("?").to_owned(), value));
        }
        Ok(Node::Map(fields))
    }
}
