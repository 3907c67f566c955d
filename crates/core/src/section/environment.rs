//! The machine that a section is built on, and which of its variables fill which field.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::secret::SecretText;

/// A field that variables of the environment fill: the first one that is set counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Its path inside the section, such as `tls.ca`.
    pub field: &'static str,
    /// The variables, the first one first.
    pub variables: &'static [&'static str],
    /// key_id is made of it: it is warned about, because it must be the same on all nodes (I3).
    pub in_key_id: bool,
}

/// The machine that a section is built on.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// The environment.
    pub environment: Environment,
    /// systemd's `$CREDENTIALS_DIRECTORY`.
    pub credentials: Option<PathBuf>,
}

/// The environment's variables, as something to ask. By default there are none, so that a test need not change the
/// process. `Debug` shows nothing of them.
#[derive(Clone)]
pub struct Environment(Arc<Lookup>);

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Environment {
    /// The environment that `lookup` knows; for the process's own, `|name| std::env::var(name).ok()`.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }

    /// A variable's value; an empty one is unset.
    pub fn get(&self, name: &str) -> Option<SecretText> {
        (self.0)(name).map(SecretText::new).filter(|value| !value.expose().is_empty())
    }

    /// The variable that fills a field.
    pub fn filling(&self, fill: &Fill) -> Option<&'static str> {
        fill.variables.iter().find(|name| self.get(name).is_some()).copied()
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self::new(|_| None)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        let variables: std::collections::BTreeMap<_, _> = variables.into_iter().collect();
        Self::new(move |name| variables.get(name).cloned())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}
