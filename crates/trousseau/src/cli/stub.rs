//! Stub.
use crate::config::*;
#[derive(Debug, clap::Args)]
pub(super) struct KeyFlags {}
impl KeyFlags {
    pub(super) fn any(&self) -> bool {
        false
    }
    pub(super) fn load(&self, _: &Environment) -> Result<Loaded, ConfigError> {
        parse("", "x", &Environment::default())
    }
}
#[derive(Debug, clap::Args)]
pub(super) struct ProcessFlags {}
impl ProcessFlags {
    pub(super) fn apply(&self, l: Loaded) -> Result<Loaded, ConfigError> {
        Ok(l)
    }
    pub(super) fn socket(&self) -> Result<Option<Socket>, ConfigError> {
        Ok(None)
    }
    pub(super) fn admin(&self) -> Result<Option<Admin>, ConfigError> {
        Ok(None)
    }
}
