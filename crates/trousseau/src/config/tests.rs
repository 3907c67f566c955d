//! What is accepted, and what each mistake is answered with.

mod native;

use super::{ConfigError, Environment, Loaded, parse};

/// A configuration with one good key, behind `more`.
fn with(more: &str) -> String {
    format!(
        "{more}\nkeys:\n  - name: primary\n    vault:\n      address: https://vault:8200\n      transit: {{key: k8s}}\n"
    )
}

fn read(text: &str) -> Result<Loaded, ConfigError> {
    parse(text, "t.yaml", &Environment::default())
}

fn refused(text: &str) -> String {
    read(text).expect_err(text).to_string()
}
