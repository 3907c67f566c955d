//! Clocks that are two minutes off. They stand where the test sets them, so nothing here depends on how long it takes.

use super::control_plane::{ControlPlane, Settings};
use super::kept::{assert_fresh_everywhere, assert_readable_everywhere, keep};
use super::traffic::{Traffic, under_load};

/// As it is shipped.
const DELAY: u64 = 180;
const OFF: u64 = 120;

const FAST: usize = 0;
const RIGHT: usize = 1;
const SLOW: usize = 2;

#[test]
fn i3_a_clock_two_minutes_off_shifts_the_switch_by_two_minutes_and_nothing_is_unreadable() {
    if !cfg!(feature = "test-clock") {
        panic!("this build's clock can't be set: run `cargo xtask test`, or add `--features test-clock`");
    }
    let clocks = Some([OFF as i64, 0, -(OFF as i64)]);
    let mut plane = ControlPlane::start(Settings { promotion_delay: "3m", clocks, ..Settings::default() });
    under_load(&mut plane, |plane, traffic| {
        let old = plane.newest();
        traffic.wait_written(plane, &[FAST, RIGHT, SLOW], &old);
        let version = plane.rotate();
        let (made, new) = (plane.created(version), plane.newest());

        at(plane, traffic, made + DELAY - OFF - 1, [&old, &old, &old]);
        at(plane, traffic, made + DELAY - OFF, [&new, &old, &old]);
        // The others read under an id that they don't announce, and the fast one under one that it has left.
        traffic.wait_written(plane, &[FAST], &new);
        keep(plane, FAST, "by-the-fast", &new);
        keep(plane, RIGHT, "by-the-right", &old);
        keep(plane, SLOW, "by-the-slow", &old);
        traffic.wait_for_more(plane);
        readable_everywhere(plane);

        at(plane, traffic, made + DELAY - 1, [&new, &old, &old]);
        at(plane, traffic, made + DELAY, [&new, &new, &old]);
        at(plane, traffic, made + DELAY + OFF - 1, [&new, &new, &old]);
        traffic.wait_written(plane, &[FAST, RIGHT], &new);
        keep(plane, SLOW, "by-the-slow-later", &old);
        readable_everywhere(plane);

        at(plane, traffic, made + DELAY + OFF, [&new, &new, &new]);
        traffic.wait_written(plane, &[FAST, RIGHT, SLOW], &new);
        keep(plane, SLOW, "by-the-slow-at-last", &new);
        readable_everywhere(plane);
        assert_fresh_everywhere(plane, "by-the-slow");

        // A clock that is put back changes nothing.
        at(plane, traffic, made, [&new, &new, &new]);
    });
}

/// Sets the time, and looks at what each node announces once it has looked at its clock.
fn at(plane: &ControlPlane, traffic: &Traffic<'_>, now: u64, announced: [&String; 3]) {
    plane.set_time(now);
    let before: Vec<f64> = plane.nodes.iter().map(|node| node.good_probes()).collect();
    // Of the probes that end from now on, the first may have begun before.
    traffic.until(plane, "two good probes of every node", |plane| {
        plane.nodes.iter().zip(&before).all(|(node, before)| node.good_probes() >= before + 2.0)
    });
    for (node, expected) in plane.nodes.iter().zip(announced) {
        let told = node.key_id().expect("Status answers");
        assert_eq!(&told, expected, "node {} at {now}; the key has {:?}", node.letter, plane.key_ids());
    }
}

fn readable_everywhere(plane: &ControlPlane) {
    plane.assert_every_seed_opens_everywhere();
    ["by-the-fast", "by-the-right", "by-the-slow"].iter().for_each(|name| assert_readable_everywhere(plane, name));
}
