//! The key is rotated again and again while everybody writes and reads.

use super::control_plane::{ControlPlane, NODES, Settings};
use super::kept::{assert_fresh_everywhere, assert_readable_everywhere, keep};
use super::traffic::{Traffic, under_load};

#[test]
fn i3_rotations_under_load_end_as_one_key_id_at_three_api_servers() {
    let mut plane = ControlPlane::start(Settings::default());
    under_load(&mut plane, |plane, traffic| {
        settle(plane, traffic, 1);
        for rotations in [1, 1, 3] {
            for _ in 0..rotations {
                plane.rotate();
            }
            traffic.wait_announced(plane, &[0, 1, 2], &plane.newest());
        }
        settle(plane, traffic, 6);
        plane.rotate();
        settle(plane, traffic, 7);
        // Each API server had a seed of its own under each of the three ids.
        let seeds = plane.assert_every_seed_opens_everywhere();
        assert!(seeds >= 3 * NODES, "{seeds}");
    });
}

/// Waits until all nodes and API servers use this version; then a Secret of each is under its id, fresh for the others
/// and readable, as those are that were written under ids before.
fn settle(plane: &ControlPlane, traffic: &Traffic<'_>, version: u32) {
    let key_ids = plane.key_ids();
    let newest = &key_ids[version as usize - 1];
    assert_eq!(Some(newest), key_ids.last(), "{version} is the newest version");
    traffic.wait_announced(plane, &[0, 1, 2], newest);
    traffic.wait_written(plane, &[0, 1, 2], newest);
    for node in 0..NODES {
        keep(plane, node, &format!("kept-{}-{version}", plane.nodes[node].letter), newest);
        let migrated = format!("migrated-{}-{version}", plane.nodes[node].letter);
        keep(plane, node, &migrated, newest);
        assert_fresh_everywhere(plane, &migrated);
        assert_readable_everywhere(plane, &format!("kept-{}-1", plane.nodes[node].letter));
    }
    // What was written under the first id is rewritten once, whoever does it.
    if version > 1 {
        assert_fresh_everywhere(plane, "migrated-a-1");
    }
}
