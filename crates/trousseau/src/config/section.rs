//! The section of a key that names its KMS, whichever kind that is; and the row of a kind in the program's table.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value};
use trousseau_core::section::{BuildError, Environment, Fault, Fill, Flag, Hint, Host, Section, Warning};
use trousseau_core::{Provider, ProviderKind, SecretText};

/// A kind of KMS that this build has.
#[derive(Debug)]
pub struct Kind {
    /// The name of its section.
    pub name: &'static str,
    /// The cargo feature that it is built by.
    pub feature: &'static str,
    /// What log, metrics, key_id and ciphertext say.
    pub kind: ProviderKind,
    /// One line for people.
    pub summary: &'static str,
    /// The fields that the environment fills.
    pub fills: &'static [Fill],
    /// The flags that stand for fields.
    pub flags: &'static [Flag],
    /// JSON Schema of the section.
    pub schema: fn() -> Schema,
    /// The same as a part of a larger one.
    pub part: fn(&mut SchemaGenerator) -> Schema,
    parse: fn(&'static str, Value) -> serde_json::Result<ProviderSection>,
}

impl Kind {
    /// The row of one kind.
    pub const fn of<S: Section>(name: &'static str, feature: &'static str) -> Self {
        Self {
            name,
            feature,
            kind: S::KIND,
            summary: S::SUMMARY,
            fills: S::FILLS,
            flags: S::FLAGS,
            schema: || schemars::schema_for!(S),
            part: SchemaGenerator::subschema_for::<S>,
            parse: |name, value| Ok(ProviderSection::new(name, serde_json::from_value::<S>(value)?)),
        }
    }

    /// Its section as data, for those who make one of something else than a native file.
    ///
    /// # Errors
    /// A field that is missing, unknown, or of another form; the text may hold values.
    pub fn parse(&self, fields: Value) -> serde_json::Result<ProviderSection> {
        (self.parse)(self.name, fields)
    }
}

/// The section of a key that says in which KMS it lies.
#[derive(Clone, Debug)]
pub struct ProviderSection {
    name: &'static str,
    fields: Arc<dyn Erased>,
}

impl ProviderSection {
    /// A section under its name.
    pub fn new(name: &'static str, fields: impl Section) -> Self {
        Self { name, fields: Arc::new(fields) }
    }

    /// Its name in the file.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its fields, if it is of this kind.
    pub fn get<S: Section>(&self) -> Option<&S> {
        self.fields.as_any().downcast_ref()
    }

    /// The first field that can't work.
    pub(super) fn check(&self) -> Result<(), Fault> {
        self.fields.check()
    }

    /// What works and should not stay so.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        self.fields.warnings()
    }

    /// The fields that are unset and that a variable fills, and the variable.
    pub(super) fn filled_by(&self, environment: &Environment) -> Vec<(Fill, &'static str)> {
        let unset = self.fields.fills().iter().filter(|fill| self.fields.is_unset(fill.field));
        unset.filter_map(|fill| Some((*fill, environment.filling(fill)?))).collect()
    }

    /// The same with a credential that the Go Trousseau's file holds itself.
    #[must_use]
    pub(super) fn with_credential(&self, credential: SecretText) -> Self {
        Self { name: self.name, fields: self.fields.with_credential(credential) }
    }

    /// Its fields, defaults included, secrets masked.
    pub(super) fn show(&self) -> Value {
        without_nulls(self.fields.show())
    }

    /// What the KMS can tell a person whose section is refused.
    pub(super) fn hint(&self, host: &Host) -> Option<Hint> {
        self.fields.hint(host)
    }

    /// Makes the provider.
    ///
    /// # Errors
    /// See [`Section::build`].
    pub fn build(&self, host: &Host) -> Result<Arc<dyn Provider>, BuildError> {
        self.fields.build(host)
    }
}

/// A [`Section`] as an object.
trait Erased: Debug + Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn fills(&self) -> &'static [Fill];
    fn is_unset(&self, field: &str) -> bool;
    fn check(&self) -> Result<(), Fault>;
    fn warnings(&self) -> Vec<Warning>;
    fn with_credential(&self, credential: SecretText) -> Arc<dyn Erased>;
    fn show(&self) -> Value;
    fn hint(&self, host: &Host) -> Option<Hint>;
    fn build(&self, host: &Host) -> Result<Arc<dyn Provider>, BuildError>;
}

impl<S: Section> Erased for S {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn fills(&self) -> &'static [Fill] {
        S::FILLS
    }

    fn is_unset(&self, field: &str) -> bool {
        Section::is_unset(self, field)
    }

    fn check(&self) -> Result<(), Fault> {
        Section::check(self)
    }

    fn warnings(&self) -> Vec<Warning> {
        Section::warnings(self)
    }

    fn with_credential(&self, credential: SecretText) -> Arc<dyn Erased> {
        Arc::new(Section::with_credential(self.clone(), credential))
    }

    fn show(&self) -> Value {
        // Texts, numbers and lists, which JSON can always write.
        serde_json::to_value(self).unwrap_or_default()
    }

    fn hint(&self, host: &Host) -> Option<Hint> {
        Section::hint(self, host)
    }

    fn build(&self, host: &Host) -> Result<Arc<dyn Provider>, BuildError> {
        Section::build(self, host)
    }
}

/// What is unset is not shown.
pub(super) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let set = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(set.map(|(name, value)| (name, without_nulls(value))).collect::<Map<_, _>>())
        }
        other => other,
    }
}
