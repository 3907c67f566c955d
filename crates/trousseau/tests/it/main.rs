//! The program as a user meets it, without real servers: exit codes, texts, the socket, a Vault that lies.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something is not as it must be"
)]

mod bad_input;
mod bench;
mod canary;
mod commands;
mod drain;
#[path = "../honest_vault/mod.rs"]
mod honest_vault;
#[path = "../load/mod.rs"]
mod load;
mod lying_vault;
mod notify;
mod pending;
#[path = "../document/picture.rs"]
mod picture;
mod process;
mod reload;
mod renewal;
mod service_manager;
mod serving;
mod slow_encrypt;
mod upgrade;
mod upstream_names;
