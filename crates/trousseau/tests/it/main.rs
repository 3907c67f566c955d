//! The program as a user meets it, without real servers: exit codes, texts, the socket, a Vault that lies.

mod bad_input;
mod commands;
mod lying_vault;
mod process;
mod serving;
