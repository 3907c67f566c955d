//! Every schedule of several nodes, up to a bound, on the real probe, promotion rule, writer and keyring.
//!
//! One node's state is taken apart into plain data and put together again around each act, so states that were met
//! before are not followed again. Time is in ticks, in each of which each node probes at least once. A fake KMS without
//! cryptography answers at once; the Guard (retries, breaker) is left out, but for what it does with a lagging node.

mod acts;
mod broken;
mod explore;
mod found;
mod kms;
mod node;
mod rules;
mod scope;
mod surroundings;
mod world;

use explore::explore;
use kms::{Habits, Times};
use scope::{Budget, Scope};

const VAULT: Habits = Habits { times: Times::Created, active_node: true };
const STANDBY: Habits = Habits { times: Times::Created, active_node: false };
const FILE: Habits = Habits { times: Times::ActiveFrom(3), active_node: false };
const UNTOLD: Habits = Habits { times: Times::Untold, active_node: true };

const NONE: Budget = Budget {
    rotations: 0,
    outages: 0,
    faults: 0,
    intrusions: 0,
    restarts: 0,
    clocks: 0,
    min_encryption: 0,
    min_decryption: 0,
    replacements: 0,
    deletions: 0,
    restores: 0,
};

const BASE: Scope = Scope {
    name: "",
    nodes: 2,
    ticks: 5,
    delay: 2,
    lag: 0,
    observations: 1,
    habits: VAULT,
    budget: NONE,
    broken: None,
};

fn holds(scope: Scope) {
    let began = std::time::Instant::now();
    match explore(scope) {
        Ok(seen) => {
            println!("{}: {seen} in {:?}", scope.name, began.elapsed());
            assert!(seen.settled > 0, "{}: too short for all to agree after the last event", scope.name);
        }
        Err(violation) => {
            panic!("{}: {}\nafter:\n  {}", scope.name, violation.what, violation.schedule.join("\n  "))
        }
    }
}

#[test]
fn three_nodes_turn_together() {
    let budget = Budget { rotations: 1, outages: 1, ..NONE };
    holds(Scope { name: "three nodes, a rotation, an outage", nodes: 3, budget, ..BASE });
}

#[test]
fn three_nodes_of_which_one_restarts() {
    let budget = Budget { rotations: 2, restarts: 1, ..NONE };
    holds(Scope { name: "three nodes, two rotations, a restart", nodes: 3, budget, ..BASE });
}

#[test]
fn two_rotations_in_trouble() {
    let budget = Budget { rotations: 2, outages: 1, ..NONE };
    holds(Scope { name: "two rotations, an outage", budget, ..BASE });
    let budget = Budget { rotations: 1, outages: 1, restarts: 1, faults: 1, ..NONE };
    holds(Scope { name: "a rotation, an outage, a restart, a fault in any call", budget, ..BASE });
}

#[test]
fn encrypts_amid_rounds() {
    let budget = Budget { rotations: 2, outages: 1, intrusions: 1, ..NONE };
    holds(Scope { name: "one node, an Encrypt amid a round", nodes: 1, budget, ..BASE });
}

#[test]
fn lagging_standbys_and_clocks_off() {
    let budget = Budget { rotations: 1, clocks: 1, ..NONE };
    let scope = Scope { delay: 3, ticks: 9, lag: 1, budget, ..BASE };
    holds(Scope { name: "standbys that lag, clocks a tick off, no active node", habits: STANDBY, ..scope });
    holds(Scope { name: "key files that are copied late, clocks a tick off", habits: FILE, ..scope });
}

#[test]
fn a_kms_that_tells_no_times() {
    let budget = Budget { rotations: 1, outages: 1, ..NONE };
    holds(Scope { name: "no times", observations: 3, ticks: 6, habits: UNTOLD, budget, ..BASE });
}

#[test]
fn versions_are_shut() {
    let budget = Budget { rotations: 2, min_encryption: 1, min_decryption: 1, ..NONE };
    holds(Scope { name: "one node, min_encryption and min_decryption raised", nodes: 1, budget, ..BASE });
}

#[test]
fn keys_are_replaced_deleted_and_restored() {
    let replaced = Budget { rotations: 1, replacements: 1, restores: 1, ..NONE };
    let scope = Scope { nodes: 1, ticks: 6, budget: replaced, ..BASE };
    holds(Scope { name: "one node, replaced, restored", ..scope });
    holds(Scope { name: "one node, replaced, restored, no active node", habits: STANDBY, ..scope });
    holds(Scope { name: "one node, replaced, restored, a key file", habits: FILE, ..scope });
    let deleted = Budget { rotations: 1, deletions: 1, restores: 1, outages: 1, ..NONE };
    holds(Scope { name: "one node, deleted, restored, an outage", budget: deleted, ..scope });
    let shut = Budget { replacements: 1, rotations: 1, min_decryption: 1, ..NONE };
    holds(Scope { name: "one node, replaced, min_decryption raised", budget: shut, ..scope });
}

/// `cargo test -p trousseau-core --release -- --ignored --nocapture soak_`: the same with more of everything.
#[test]
#[ignore = "takes a quarter of an hour and some 15 GB of memory"]
fn soak_more_nodes_and_more_events() {
    let budget = Budget { rotations: 2, outages: 1, ..NONE };
    holds(Scope { name: "three nodes, two rotations, an outage", nodes: 3, budget, ..BASE });
    let budget = Budget { rotations: 1, outages: 1, restarts: 1, ..NONE };
    holds(Scope { name: "three nodes, a rotation, an outage, a restart", nodes: 3, budget, ..BASE });
    let budget = Budget { rotations: 2, outages: 1, restarts: 1, ..NONE };
    holds(Scope { name: "two rotations, an outage, a restart", budget, ..BASE });
    let budget = Budget { rotations: 2, outages: 1, faults: 1, ..NONE };
    holds(Scope { name: "two rotations, an outage, a fault in any call", budget, ..BASE });
    let budget = Budget { rotations: 2, outages: 1, intrusions: 2, faults: 1, ..NONE };
    holds(Scope { name: "one node, Encrypts amid rounds, a fault", nodes: 1, ticks: 7, budget, ..BASE });
    let budget = Budget { rotations: 1, restarts: 1, outages: 1, clocks: 1, ..NONE };
    let scope = Scope { delay: 3, ticks: 9, lag: 1, budget, ..BASE };
    holds(Scope { name: "standbys that lag, clocks a tick off, no active node", habits: STANDBY, ..scope });
    holds(Scope { name: "standbys that lag, clocks a tick off", ..scope });
    holds(Scope { name: "key files that are copied late, clocks a tick off", habits: FILE, ..scope });
    let budget = Budget { rotations: 1, outages: 1, restarts: 1, ..NONE };
    holds(Scope { name: "no times", observations: 3, ticks: 6, habits: UNTOLD, budget, ..BASE });
    let budget = Budget { rotations: 2, min_encryption: 1, min_decryption: 1, outages: 1, ..NONE };
    holds(Scope { name: "min_encryption and min_decryption raised", budget, ..BASE });
    let budget = Budget { rotations: 1, replacements: 1, deletions: 1, restores: 1, ..NONE };
    holds(Scope { name: "replaced, deleted, restored", ticks: 4, budget, ..BASE });
}
