//! The environment, as data.

use std::collections::BTreeMap;

use trousseau_core::SecretText;

/// The variables of the environment that count here. A value, so that tests need not change the process.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, SecretText>);

impl Environment {
    /// The `VAULT_` and proxy variables of this process, empty ones left out.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// A variable's value.
    pub fn get(&self, name: &str) -> Option<&SecretText> {
        self.0.get(name)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        let named = |name: &str| name.starts_with("VAULT_") || name.to_ascii_uppercase().ends_with("_PROXY");
        let counts = |(name, value): &(String, String)| named(name) && !value.is_empty();
        Self(variables.into_iter().filter(counts).map(|(name, value)| (name, SecretText::new(value))).collect())
    }
}
