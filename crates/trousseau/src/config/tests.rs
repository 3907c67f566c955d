//! What is accepted, and what each mistake is answered with.

mod documented;
mod files;
mod flags;
mod fuzz;
mod legacy;
mod native;
mod refused;

use super::{ConfigError, Environment, Loaded, parse};

const CANARY: &str = "hvs.CAESIcanary0";

/// `more`, then one good key.
fn with(more: &str) -> String {
    format!("{more}\nkeys:\n  - name: primary\n    local: {{file: /etc/trousseau/local.key}}\n")
}

/// One Vault key with an address, a transit key, and `more`.
fn vault(more: &str) -> String {
    format!("keys:\n  - name: primary\n    vault:\n      transit: {{key: k8s}}\n      {more}\n")
}

fn read(text: &str) -> Result<Loaded, ConfigError> {
    parse(text, "t.yaml", &Environment::default())
}

fn refused(text: &str) -> String {
    match read(text) {
        Ok(loaded) => panic!("accepted: {text}\n{loaded:?}"),
        Err(error) => error.to_string(),
    }
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn codes(loaded: &Loaded) -> Vec<&'static str> {
    loaded.warnings.iter().map(|warning| warning.code).collect()
}
