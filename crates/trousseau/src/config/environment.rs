//! The environment of this process.

pub use trousseau_core::section::Environment;

/// This process's variables, each looked up when it is asked for.
pub fn process_environment() -> Environment {
    Environment::new(|name| std::env::var(name).ok())
}
