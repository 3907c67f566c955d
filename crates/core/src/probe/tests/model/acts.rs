//! What one node may do next, and all ways in which that may go.

use std::rc::Rc;

use super::node::{Act, Plan};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Class {
    Round { woken: bool },
    FaultyRound,
    Encrypt,
    FaultyEncrypt,
    Intruded,
}

/// What one node did, and what it is then.
pub(super) struct Step {
    pub(super) label: Rc<str>,
    pub(super) node: u32,
    pub(super) record: Option<u16>,
    pub(super) good: bool,
    pub(super) fault: bool,
}

/// What a class of acts comes to from one state; or what does not hold, and after which act.
pub(super) type Steps = Rc<Result<Vec<Step>, (String, String)>>;

/// The most calls that a round makes.
const CALLS: u8 = 5;

/// All ways in which one class of acts may go.
pub(super) fn acts(class: Class, lags: bool, down: bool) -> Vec<Act> {
    let all = |calls: u8| if lags { 0..1 << calls } else { 0..1 };
    let down = down.then_some((0, u8::MAX));
    let one_or_rest = |calls: u8| (0..calls).flat_map(|from| [(from, 1), (from, u8::MAX)]);
    let whole = if lags { vec![0, u8::MAX] } else { vec![0] };
    let plan = |fresh_calls, failing| Plan { fresh_calls, failing };
    let mut acts = Vec::new();
    match class {
        Class::Round { woken } => {
            acts.extend(all(if down.is_some() { 0 } else { CALLS }).map(|fresh_calls| Act::Round {
                plan: plan(fresh_calls, down),
                woken,
                intruder: None,
            }))
        }
        Class::Encrypt => acts.extend(
            all(if down.is_some() { 0 } else { 2 })
                .map(|fresh_calls| Act::Encrypt { plan: plan(fresh_calls, down), intruder: None }),
        ),
        Class::FaultyRound => {
            for fresh_calls in whole {
                acts.extend(one_or_rest(CALLS).map(|failing| Act::Round {
                    plan: plan(fresh_calls, Some(failing)),
                    woken: false,
                    intruder: None,
                }));
            }
        }
        Class::FaultyEncrypt => {
            acts.extend(one_or_rest(2).map(|failing| Act::Encrypt { plan: plan(0, Some(failing)), intruder: None }))
        }
        Class::Intruded => {
            for fresh_calls in whole {
                for at in 0..CALLS {
                    for failing in [None, Some((at, u8::MAX))] {
                        let plan = plan(fresh_calls, failing);
                        acts.push(Act::Round { plan: plan.clone(), woken: true, intruder: Some(at) });
                    }
                }
                for at in 0..2 {
                    for failing in [None, Some((0, u8::MAX)), Some((2, u8::MAX))] {
                        let round = plan(fresh_calls, failing);
                        acts.push(Act::Encrypt { plan: plan(0, None), intruder: Some((at, round)) });
                    }
                }
            }
        }
    }
    acts
}
