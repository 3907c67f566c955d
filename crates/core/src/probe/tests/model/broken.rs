//! The model sees a broken rule: each way to break it ends in the property that it breaks.

use super::explore::explore;
use super::node::Broken;
use super::scope::{Budget, Scope};
use super::{BASE, NONE, STANDBY, UNTOLD};

fn sees(broken: Broken, property: &str, scope: Scope) {
    let violation =
        explore(Scope { broken: Some(broken), ..scope }).err().unwrap_or_else(|| panic!("{broken:?} goes unseen"));
    assert!(violation.what.contains(property), "{broken:?}: {violation:?}");
}

#[test]
fn the_model_sees_a_broken_rule() {
    let budget = Budget { rotations: 1, ..NONE };
    sees(Broken::NoDelay, "readable everywhere", Scope { lag: 1, habits: STANDBY, budget, ..BASE });
    let budget = Budget { rotations: 1, min_encryption: 1, ..NONE };
    sees(Broken::NoMinEncryption, "writes go on", Scope { budget, ..BASE });
    let budget = Budget { rotations: 1, outages: 1, ..NONE };
    sees(Broken::NoBefore, "no seed", Scope { budget, ..BASE });
    sees(Broken::UseForgotten, "no seed", Scope { budget, ..BASE });
    let budget = Budget { rotations: 1, restores: 1, ..NONE };
    sees(Broken::NoLineage, "older backup", Scope { nodes: 1, ticks: 7, budget, ..BASE });
    let budget = Budget { rotations: 1, clocks: 1, ..NONE };
    sees(Broken::ActiveForgotten, "no flip-flop", Scope { nodes: 1, budget, ..BASE });
    let budget = Budget { rotations: 1, restarts: 1, ..NONE };
    sees(Broken::StartsAtLowest, "never reused", Scope { nodes: 1, budget, ..BASE });
    let budget = Budget { rotations: 1, ..NONE };
    sees(Broken::NoCounting, "no flip-flop", Scope { observations: 3, ticks: 6, habits: UNTOLD, budget, ..BASE });
}
