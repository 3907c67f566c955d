//! `any` over a local key and an echoing Vault, and in front of that a second Trousseau by `plugin`: what goes wrong
//! passes through both, and both say all they can.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::echo::{EchoingVault, PLACES, WRITTEN, settings, works};
use super::files::start;
use super::search::{Canary, Outputs, Search};
use super::stage::{FORMATS, Stage, material};
use crate::process::{free_port, run, wait_for};

fn inner(dir: &Path, admin: u16, vault: &EchoingVault) -> Stage {
    let key = dir.join("local.key");
    assert!(run(&["keygen", "--file", key.to_str().unwrap()]).status.success());
    let text = format!(
        "{}keys:\n  - name: both\n    any:\n      of:\n        - name: far\n          vault:\n            address: {}\n            tls: {{ca: {}}}\n            transit: {{key: k}}\n            auth: {{token: {{file: {}/token}}}}\n        - name: near\n          local: {{file: {}}}\n",
        settings(FORMATS[0], admin, dir),
        vault.server.url(),
        vault.ca.file().display(),
        dir.display(),
        key.display(),
    );
    start(dir, admin, &text, &[])
}

fn outer(dir: &Path, admin: u16, socket: &Path) -> Stage {
    let text = format!(
        "{}keys:\n  - name: before\n    plugin: {{socket: {}}}\n",
        settings(FORMATS[1], admin, dir),
        socket.display()
    );
    start(dir, admin, &text, &[])
}

#[test]
fn i9_any_and_plugin_in_front_of_an_echoing_vault_let_nothing_out() {
    let (token, seed) = (Canary::text("a token of a member", "hvs."), Canary::bytes("a seed through two plugins"));
    let vault = EchoingVault::start(&seed);
    let [inner_dir, outer_dir] = [(); 2].map(|()| TempDir::with_prefix("trousseau-").unwrap());
    fs::write(inner_dir.path().join("token"), token.as_str()).unwrap();
    let inner = inner(inner_dir.path(), free_port(), &vault);
    inner.wait_ready();
    let outer = outer(outer_dir.path(), free_port(), &inner_dir.path().join("kms.sock"));
    outer.wait_ready();
    let mut outputs = Outputs::default();
    let stages = [&inner, &outer];
    let wrapped = stages.map(|stage| stage.caller.encrypt(&seed.bytes, &mut outputs).unwrap());
    // Each of the three secrets in every place of an answer, written in different ways.
    for at in 0..3 * PLACES.len() {
        let (turn, place) = (at / PLACES.len(), at % PLACES.len());
        vault.set(1 + place + PLACES.len() * (place % WRITTEN.len() + turn * WRITTEN.len()));
        for (stage, wrapped) in stages.iter().zip(&wrapped) {
            stage.caller.encrypt(&seed.bytes, &mut outputs);
            stage.caller.decrypt(wrapped, &mut outputs);
            stage.caller.status(&mut outputs);
            stage.pages(&mut outputs, "while Vault echoes");
        }
    }
    vault.set(0);
    wait_for("honest answers", 60, || stages.iter().zip(&wrapped).all(|(stage, wrapped)| works(stage, wrapped, &seed)));
    let material = material(inner_dir.path());
    outer.finish(&mut outputs, &[]);
    inner.finish(&mut outputs, &["token", "local.key"]);
    assert!(outputs.count("a call failed") >= 2 && outputs.contain("probe failed"), "both logs were read");
    outputs.assert_clean(&Search::new(&[seed, token, material]));
}
