//! The `admin:` field.

use std::net::{Ipv4Addr, SocketAddr};

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// The admin endpoint: `/livez`, `/readyz`, `/healthz`, `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where it listens.
    pub address: SocketAddr,
    /// Serve `/healthz` and nothing else there (the legacy file, whose probe comes through the node's address).
    pub health_only: bool,
}

impl Admin {
    /// Reads `127.0.0.1:8787`, `[::1]:8787` or `off`.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, &'static str> {
        if text == "off" {
            return Ok(None);
        }
        match text.parse() {
            Ok(address) => Ok(Some(Self { address, health_only: false })),
            Err(_) => Err("is no IP address with a port; write one such as 127.0.0.1:8787, or `off`"),
        }
    }
}

/// Loopback, all pages.
pub(super) fn admin_default() -> Option<Admin> {
    Some(Admin { address: (Ipv4Addr::LOCALHOST, 8787).into(), health_only: false })
}

/// Reads the field.
pub(super) fn admin<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Admin>, D::Error> {
    Admin::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}
