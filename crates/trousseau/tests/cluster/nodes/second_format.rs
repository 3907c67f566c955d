//! Nodes that write different formats, as on the way from one release to the next.
//!
//! There is one release so far. The other format that it writes and reads is the one without authenticated data: one
//! node writes that and is moved later, the others only read it.

use std::fs;

use super::control_plane::{ControlPlane, NODES, Settings};
use super::kept::{assert_fresh_everywhere, assert_readable_everywhere, keep};
use super::traffic::under_load;

const OLD: usize = 2;
const READS: &str = "accept: [trousseau-no-aad]";
const WRITES: &str = "aad: off";

/// The algorithm in the header: `FE 54 01`, then it.
const WITH: u8 = 1;
const WITHOUT: u8 = 2;

#[test]
fn i12_a_node_that_writes_the_other_format_has_the_same_key_id_and_is_read_by_all() {
    let mut plane = ControlPlane::start(Settings { key: [READS, READS, WRITES], ..Settings::default() });
    under_load(&mut plane, |plane, traffic| {
        let mut names = Vec::new();
        for version in 1..=2 {
            let newest = plane.newest();
            traffic.wait_announced(plane, &[0, 1, 2], &newest);
            traffic.wait_written(plane, &[0, 1, 2], &newest);
            names.extend(one_of_each(plane, version, &newest, [WITH, WITH, WITHOUT]));
            if version == 1 {
                plane.rotate();
            }
        }
        names.iter().for_each(|name| assert_readable_everywhere(plane, name));
        plane.assert_every_seed_opens_everywhere();

        // The last node is moved: its id stays, and so does what it wrote.
        let applied = |plane: &ControlPlane| {
            plane.nodes[OLD].plugin.metric("trousseau_config_reloads_total{outcome=\"applied\"}")
        };
        let before = applied(plane);
        let file = plane.nodes[OLD].plugin.dir.join("config.yaml");
        let text = fs::read_to_string(&file).unwrap().replace(WRITES, READS);
        fs::write(file.with_extension("new"), text).unwrap();
        fs::rename(file.with_extension("new"), &file).unwrap();
        traffic.until(plane, "the new configuration in use", |plane| applied(plane) > before);
        let sealed = plane.nodes[OLD].plugin.client().encrypt(&[7; 32]).unwrap();
        assert_eq!((sealed.ciphertext[3], &sealed.key_id), (WITH, &plane.newest()));
        traffic.wait_for_more(plane);

        // With the next seed nobody writes it any more.
        plane.rotate();
        let newest = plane.newest();
        traffic.wait_written(plane, &[0, 1, 2], &newest);
        names.extend(one_of_each(plane, 3, &newest, [WITH; NODES]));
        names.iter().for_each(|name| assert_readable_everywhere(plane, name));
        plane.assert_every_seed_opens_everywhere();
    });
}

/// Writes two Secrets by way of each node, in its format; each is fresh for all nodes. The names of those that are
/// never rewritten.
fn one_of_each(plane: &ControlPlane, version: u32, key_id: &str, formats: [u8; NODES]) -> Vec<String> {
    let write = |node: usize| {
        let letter = plane.nodes[node].letter;
        let [kept, migrated] = ["kept", "migrated"].map(|what| format!("{what}-{letter}-{version}"));
        for name in [&kept, &migrated] {
            let record = keep(plane, node, name, key_id);
            assert_eq!(record.encrypted_dek_source[3], formats[node], "{name}");
        }
        assert_fresh_everywhere(plane, &migrated);
        kept
    };
    (0..NODES).map(write).collect()
}
