//! One process follows another on the live socket, while Vault echoes: what both of them say.

use std::fs;

use tempfile::TempDir;

use super::echo::{EchoingVault, PLACES, works};
use super::files::start;
use super::search::{Canary, Outputs, Search};
use super::stage::{FORMATS, Stage};
use crate::process::{free_port, wait_for};

#[test]
fn i9_a_take_over_lets_nothing_out() {
    let (token, seed) = (Canary::text("a token of two processes", "hvs."), Canary::bytes("a seed of two processes"));
    let vault = EchoingVault::start(&seed);
    let (dir, admin) = (TempDir::with_prefix("trousseau-").unwrap(), free_port());
    fs::write(dir.path().join("token"), token.as_str()).unwrap();
    let text = vault.configuration(FORMATS[0], admin, dir.path());
    let mut outputs = Outputs::default();
    let old = start(dir.path(), admin, &text, &[]);
    old.wait_ready();
    let wrapped = old.caller.encrypt(&seed.bytes, &mut outputs).unwrap();
    // The new one begins its waiting among echoes, and takes over once Vault is honest.
    vault.set(1);
    let config = dir.path().join("config.yaml");
    let new = Stage::start(dir.path(), admin, &["--config", config.to_str().unwrap(), "--take-over"], &[]);
    for place in 0..PLACES.len() {
        vault.set(1 + place);
        old.caller.encrypt(&seed.bytes, &mut outputs);
        old.caller.decrypt(&wrapped, &mut outputs);
    }
    assert!(dir.path().join("kms.sock").exists());
    vault.set(0);
    old.ended(&mut outputs, &["token"]);
    wait_for("honest answers", 30, || works(&new, &wrapped, &seed));
    new.wait_ready();
    new.pages(&mut outputs, "after the take-over");
    new.finish(&mut outputs, &["token"]);
    assert!(outputs.contain("another process took the socket over"));
    outputs.assert_clean(&Search::new(&[seed, token]));
}
