//! Three API servers on one etcd and one Vault, each with a Trousseau of its own, under writes and reads through all
//! three.
//!
//! The nodes differ in everything that must not matter to key_id: the key's name, the spelling of Vault's address, token,
//! socket, ports. What must hold all the time, unless a test says otherwise of a node:
//!
//! * no read and no write fails at any API server, and a read tells what was written, through whichever of them;
//! * the ids that a node announces go up in the order of the key's versions, are those that the test derives by itself
//!   from what Vault lists (I3), and none comes back (I2);
//! * one key version has one key_id in etcd, whoever wrote.

mod announced;
mod clock;
mod control_plane;
mod fresh_start;
mod kept;
mod rotation;
mod second_format;
mod traffic;
