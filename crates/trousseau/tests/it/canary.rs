//! I9: nothing secret gets out. Every path is driven at the most verbose level with planted canaries, and everything
//! that leaves the process is searched for them, in every form.
//!
//! | secret | driven by |
//! |---|---|
//! | Vault token: file, VAULT_TOKEN, inline in the legacy file | `echo` |
//! | Vault token in a malformed or too long file | `files` |
//! | seeds: plaintexts of Encrypt and Decrypt, v1 and v2 | `echo`, `caller` |
//! | local key material, also in broken key files | `files`, `commands` |
//! | values in bad configuration files | `configuration` |
//! | TLS client key, good and broken | `files` |
//! | proxy's password | `proxy` |
//! | what a caller puts into uid, key_id, annotations, metadata, version | `caller` |
//! | what a panic says | `panics` |
//! | memory: core file, /proc/PID/mem, /proc/PID/environ | `memory` |
//! | the environment, as --help and errors could show it | `commands` |
//! | what systemd is told (sd_notify) | each `stage` |
//! | both processes of a take-over | `take_over` |
//! | token, seeds and local key through `any` and `plugin` | `composed` |
//! | AWS's and Azure's credentials and tokens | not here: `secrecy` of those crates' own tests, on the provider alone |
//! | PIN of a PKCS#11 token | comes with PKCS#11 |

mod caller;
mod commands;
mod composed;
mod configuration;
mod echo;
mod files;
mod memory;
mod panics;
mod proxy;
mod search;
mod stage;
mod take_over;
