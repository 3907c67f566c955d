//! One Trousseau is away while the key is rotated five times, and starts with nothing: there is no state file.

use std::time::Duration;

use trousseau_cluster::wait;

use super::control_plane::{ControlPlane, Settings};
use super::kept::{assert_readable_everywhere, keep};
use super::traffic::under_load;

const AWAY: usize = 2;
const PRESENT: [usize; 2] = [0, 1];

#[test]
fn i3_a_node_that_joins_after_five_rotations_works_at_once_under_the_same_key_id() {
    let mut plane = ControlPlane::start(Settings { promotion_delay: "2s", ..Settings::default() });
    under_load(&mut plane, |plane, traffic| {
        let first = plane.newest();
        traffic.wait_written(plane, &[0, 1, 2], &first);
        traffic.wait_for_more(plane);
        for (node, name) in [(AWAY, "kept-c-1"), (0, "kept-a-1")] {
            keep(plane, node, name, &first);
            assert_readable_everywhere(plane, name);
        }
        traffic.excuse(AWAY, true);
        plane.nodes[AWAY].plugin.stop();

        let mut fresh = Vec::new();
        for rotation in 1..=5 {
            plane.rotate();
            traffic.wait_announced(plane, &PRESENT, &plane.newest());
            // A seed that no API server made: the node that is away has seen none of these versions.
            fresh.push(plane.nodes[0].plugin.client().encrypt(&[rotation; 32]).unwrap());
        }
        // Its API server has their seeds, and needs nobody to open them.
        assert_readable_everywhere(plane, "kept-c-1");
        assert_readable_everywhere(plane, "kept-a-1");

        let newest = plane.newest();
        plane.nodes[AWAY].plugin.forget_all_but(&["config.yaml", "token"]);
        plane.nodes[AWAY].plugin.start_again();
        let away = &plane.nodes[AWAY];
        // Of a process that listens, Status says an error until the first probe; then this and nothing else.
        let mut client = away.plugin.client();
        let told = wait::until(Duration::from_secs(60), "an answer of Status", || Ok(client.status().ok()));
        let told = told.unwrap_or_else(|error| panic!("{error}\n{}", away.plugin.log()));
        assert_eq!((told.healthz.as_str(), &told.key_id), ("ok", &newest));
        let encrypted = client.encrypt(&[9; 32]).unwrap();
        assert_eq!(encrypted.key_id, newest, "and Encrypt goes by what Status says");
        for (number, answer) in (1..).zip(&fresh) {
            let record = trousseau_record::EncryptedObject {
                key_id: answer.key_id.clone(),
                encrypted_dek_source: answer.ciphertext.clone(),
                ..trousseau_record::EncryptedObject::default()
            };
            assert_eq!(client.decrypt(&record).unwrap(), [number; 32]);
        }
        plane.assert_every_seed_opens_everywhere();

        // grpc-go dials again after up to two minutes, as long as it was away at most.
        traffic.until(plane, "its API server to be ready", |plane| plane.nodes[AWAY].api.readyz().unwrap().ready);
        traffic.wait_written(plane, &[0, 1, 2], &newest);
        keep(plane, 0, "kept-a-6", &newest);
        keep(plane, AWAY, "kept-c-6", &newest);
        for name in ["kept-a-1", "kept-c-1", "kept-a-6", "kept-c-6"] {
            assert_readable_everywhere(plane, name);
        }
        traffic.excuse(AWAY, false);
    });
}
