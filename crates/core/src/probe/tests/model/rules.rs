//! What must hold in every state: the properties that the model checks.

use super::kms::{Kms, Times};
use super::node::{Act, Around, Machine, Node, Outcome, Record};
use super::scope::Scope;
use crate::error::ErrorKind;
use crate::key_id::KeyId;

/// A step of one node by itself.
pub(super) fn of_one_node(
    scope: &Scope,
    machine: &Machine,
    (before, around, act): (&Node, &Around, &Act),
    out: &Outcome,
) -> Result<(), String> {
    never_reused(out)?;
    never_goes_back(scope, before, act, out)?;
    one_snapshot(scope, machine, around, act, out)?;
    goes_back_to_what_was_used(scope, act, out)?;
    stops_only_for_a_lost_key(scope, before, around, act, out)
}

/// I3: an id that was left, by an Encrypt under its successor, is not announced again; and the announced one can be
/// used. Also by the next process, which finds what was old enough to be old enough still; but where its clock was set
/// back, its node of the KMS lags or the key is another one, it can't know what the one before announced.
fn never_reused(out: &Outcome) -> Result<(), String> {
    let Some(snap) = &out.node.snapshot else {
        return Ok(());
    };
    if out.node.left.contains(snap.key_id.as_str()) {
        return Err(format!("never reused: version {} was left, and is announced again", snap.version));
    }
    if snap.use_state > 1 {
        return Err("an id that was taken back is announced: no Encrypt can be answered".to_owned());
    }
    Ok(())
}

/// Of what a process announced, a good look at a key that nobody replaced leads to the same version or a later one.
fn never_goes_back(scope: &Scope, before: &Node, act: &Act, out: &Outcome) -> Result<(), String> {
    let good = matches!(act, Act::Round { intruder: None, .. }) && out.round == Some(true);
    match (&before.snapshot, &out.node.snapshot) {
        (Some(last), Some(next)) if good && scope.keeps_its_key() && next.version < last.version => {
            Err(format!("no flip-flop: version {} is announced after {}", next.version, last.version))
        }
        _ => Ok(()),
    }
}

/// I2: Encrypt speaks for an id that Status announced before or announces after; the ciphertext names its version.
fn one_snapshot(scope: &Scope, machine: &Machine, around: &Around, act: &Act, out: &Outcome) -> Result<(), String> {
    let alone = matches!(act, Act::Encrypt { intruder: None, .. });
    if alone && out.encrypted == Some(Ok(())) && out.node.stopped {
        return Err("Encrypt was answered while Status answers an error".to_owned());
    }
    let Some(record) = &out.record else {
        return alone_succeeds(scope, around, act, out);
    };
    if !out.status.contains(&Some(record.key_id.clone())) {
        return Err(format!("Status and Encrypt disagree: {} is not in {:?}", record.key_id, out.status));
    }
    let named = |kms: &Kms| {
        let infos = kms.infos(scope.habits);
        infos.iter().any(|info| info.version == record.version.into() && machine.key_id(info) == record.key_id)
            && kms.material(record.version) == Some(record.material)
    };
    if scope.keeps_its_key() && !named(&around.view) && !named(&around.fresh) {
        return Err(format!("key_id and ciphertext name different versions: {record:?}"));
    }
    Ok(())
}

/// Nothing fails, and the announced version may encrypt: Encrypt is answered.
fn alone_succeeds(scope: &Scope, around: &Around, act: &Act, out: &Outcome) -> Result<(), String> {
    let Act::Encrypt { plan, intruder: None } = act else {
        return Ok(());
    };
    let may = out.node.snapshot.as_ref().is_some_and(|snap| {
        let lowest = around.fresh.min_encryption.max(around.fresh.min_decryption);
        snap.version >= lowest && around.fresh.material(snap.version).is_some()
    });
    if plan.failing.is_none() && around.view == around.fresh && scope.keeps_its_key() && may && !out.node.stopped {
        return Err(format!("Encrypt fails without a reason: {:?}", out.encrypted));
    }
    Ok(())
}

/// An outage before the promoted id was used: Status goes on with the id that was. A process that has just started knows
/// of no id before, and none is promised of it.
fn goes_back_to_what_was_used(scope: &Scope, act: &Act, out: &Outcome) -> Result<(), String> {
    let failed = matches!(act, Act::Round { intruder: None, .. }) && out.round == Some(false);
    if !failed || !scope.keeps_its_key() || scope.budget.min_decryption > 0 {
        return Ok(());
    }
    match (&out.node.snapshot, &out.node.used) {
        (Some(snap), Some(used)) if out.node.used_here && snap.use_state == 0 && snap.key_id != *used => {
            Err(format!("an outage leaves the API server with version {}, under which it has no seed", snap.version))
        }
        _ => Ok(()),
    }
}

/// A good look at the KMS stops writes if what this process proved can't be opened any more, and only then.
fn stops_only_for_a_lost_key(
    scope: &Scope,
    before: &Node,
    around: &Around,
    act: &Act,
    out: &Outcome,
) -> Result<(), String> {
    let Act::Round { plan, intruder: None, .. } = act else {
        return Ok(());
    };
    let kms = &around.fresh;
    let (Some(proven), true) = (&before.snapshot, plan.failing.is_none() && around.view == *kms && kms.newest() > 0)
    else {
        return Ok(());
    };
    if scope.keeps_its_key() && out.round != Some(true) {
        return Err("writes go on: a good look at a key that works fails".to_owned());
    }
    let lost = kms.material(proven.version) != Some(proven.material);
    let opens = !lost && proven.version >= kms.min_decryption;
    if before.stopped && !out.node.stopped && !opens && !out.restored {
        return Err("a stop ends although the old wrap does not open".to_owned());
    }
    if !lost && out.node.stopped {
        return Err(format!("writes stop although version {} still has its key", proven.version));
    }
    // One who can't be sure of the answer counts first.
    let counting = !scope.habits.active_node && out.node.failure == Some(ErrorKind::TooNew);
    if lost && !(out.node.stopped || out.restored || out.suspected || counting) {
        return Err(format!("version {} has another key, and nobody is told", proven.version));
    }
    // Without marks of its versions, a key that no more opens what was proven may be any key.
    if lost && out.suspected && scope.habits.times == Times::Untold && proven.version >= kms.min_decryption {
        return Err("only an alarm where writes must stop".to_owned());
    }
    Ok(())
}

/// Readable everywhere: what was ever answered opens on a node that has just started with this view of the KMS, for as
/// long as the KMS has its version.
pub(super) fn readable(machine: &Machine, record: &Record, around: &Around) -> Result<(), String> {
    let kept = around.fresh.material(record.version) == Some(record.material);
    if !kept || record.version < around.fresh.min_decryption {
        return Ok(());
    }
    machine.reads(record, around).map_err(|kind| {
        format!(
            "readable everywhere: a node that knows of {} versions reads no version {}: {kind:?}",
            around.view.newest(),
            record.version
        )
    })
}

/// All saw the same KMS for long enough: all announce its newest version.
pub(super) fn agreed(scope: &Scope, machine: &Machine, kms: &Kms, node: &Node) -> Result<(), String> {
    let Some(snap) = &node.snapshot else {
        return if kms.newest() == 0 { Ok(()) } else { Err(format!("no flip-flop: no id after {:?}", node.failure)) };
    };
    if node.stopped {
        // An older backup of the same key is no reason to stop.
        let another = kms.material(snap.version).is_some_and(|material| material != snap.material);
        let may = another || scope.budget.replacements + scope.budget.deletions > 0;
        return if may { Ok(()) } else { Err("writes go on: stopped over an older backup".to_owned()) };
    }
    let expected: Option<KeyId> = kms.infos(scope.habits).last().map(|info| machine.key_id(info));
    if kms.newest() > 0 && Some(&snap.key_id) != expected.as_ref() {
        return Err(format!("no flip-flop: version {} is announced and not {}", snap.version, kms.newest()));
    }
    Ok(())
}
