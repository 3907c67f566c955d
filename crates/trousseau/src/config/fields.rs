//! The fields of a section, for people: read out of the schema of the type that reads them, so that they can't differ.

use serde::Serialize;
use serde_json::Value;

use super::Kind;

/// One field of a section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its path inside the section, such as `transit.key`.
    pub field: String,
    /// What stands there: `text`, `whole number`, `true or false`, `list of text`, or the words to choose from.
    pub form: String,
    /// A section can't be without it (nor without the fields around it).
    pub required: bool,
    /// What counts where it is absent, if that is a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// What it is.
    pub description: String,
    /// The variables that fill it where it is unset, the first one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<&'static str>,
    /// The flag that stands for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flag: Option<String>,
}

impl Kind {
    /// Its section's fields, in alphabetical order.
    pub fn fields(&self) -> Vec<Field> {
        let schema = Value::from((self.schema)());
        let mut walk = Walk { kind: self, root: &schema, fields: Vec::new() };
        walk.object(&schema, "", true, &Value::Null);
        walk.fields
    }
}

struct Walk<'a> {
    kind: &'a Kind,
    root: &'a Value,
    fields: Vec<Field>,
}

impl Walk<'_> {
    /// The fields of an object, or of each way to write one. `defaults` is what the object is where it is absent.
    fn object(&mut self, schema: &Value, prefix: &str, required: bool, defaults: &Value) {
        let (_, shape) = self.resolved(schema);
        for way in ways(&shape) {
            let (_, way) = self.resolved(way);
            let Some(properties) = way["properties"].as_object() else { continue };
            // Of several ways to write it none is required.
            let needed = |name: &str| required && ways(&shape).len() == 1 && contains(&way["required"], name);
            for (name, property) in properties {
                let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                self.property(property, path, needed(name), &defaults[name.as_str()]);
            }
        }
    }

    fn property(&mut self, property: &Value, path: String, required: bool, default: &Value) {
        let (description, shape) = self.resolved(property);
        let default = property.get("default").unwrap_or(default);
        let is_object = |way: &&Value| self.resolved(way).1["properties"].is_object();
        if ways(&shape).iter().any(is_object) {
            let before = self.fields.len();
            self.object(&shape, &path, required, default);
            // A variable may stand for the whole of it.
            let variables = self.variables(&path);
            if let Some(first) = self.fields.get_mut(before).filter(|_| !variables.is_empty()) {
                first.variables = variables;
            }
            return;
        }
        let flag = self.kind.flags.iter().find(|flag| flag.field == path).map(|flag| format!("--{}", flag.name));
        self.fields.push(Field {
            form: self.form(&shape),
            required,
            default: Some(default.clone()).filter(|value| !value.is_null() && value.as_str() != Some("")),
            description,
            variables: self.variables(&path),
            flag,
            field: path,
        });
    }

    fn variables(&self, path: &str) -> Vec<&'static str> {
        let fill = self.kind.fills.iter().find(|fill| fill.field == path);
        fill.map(|fill| fill.variables.to_vec()).unwrap_or_default()
    }

    /// A schema's description, in one line, and what it refers to.
    fn resolved(&self, schema: &Value) -> (String, Value) {
        let text = schema["description"].as_str().unwrap_or_default().replace('\n', " ");
        let target = schema["$ref"].as_str().and_then(|place| self.root.pointer(place.trim_start_matches('#')));
        match target {
            Some(target) => {
                let (inner, shape) = self.resolved(target);
                (if text.is_empty() { inner } else { text }, shape)
            }
            None => (text, schema.clone()),
        }
    }

    fn form(&self, shape: &Value) -> String {
        if let Some(word) = shape["const"].as_str() {
            return format!("`{word}`");
        }
        if let Some(words) = shape["enum"].as_array() {
            let words: Vec<_> = words.iter().filter_map(|word| Some(format!("`{}`", word.as_str()?))).collect();
            return words.join(" or ");
        }
        let several = ways(shape);
        if several.len() > 1 || shape.get("anyOf").is_some() {
            let forms: Vec<_> = several.iter().map(|way| self.form(&self.resolved(way).1)).collect();
            return forms.join(" or ");
        }
        let types = match &shape["type"] {
            Value::Array(types) => types.iter().filter_map(Value::as_str).find(|name| *name != "null"),
            other => other.as_str(),
        };
        match types {
            Some("integer") => "whole number".to_owned(),
            Some("boolean") => "true or false".to_owned(),
            Some("array") => format!("list of {}", self.form(&self.resolved(&shape["items"]).1)),
            Some("object") => "fields".to_owned(),
            _ => "text".to_owned(),
        }
    }
}

/// The ways to write a value: its alternatives without `null`, or it alone.
fn ways(shape: &Value) -> Vec<&Value> {
    let several = shape["oneOf"].as_array().or_else(|| shape["anyOf"].as_array());
    let is_null = |way: &Value| way["type"] == "null";
    several.map_or_else(|| vec![shape], |several| several.iter().filter(|way| !is_null(way)).collect())
}

fn contains(list: &Value, name: &str) -> bool {
    list.as_array().is_some_and(|names| names.iter().any(|known| known == name))
}
