//! Every schedule, breadth first over states that were not met before.
//!
//! What one node does from one state, in front of one KMS, is asked of the real code once and remembered.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::rc::Rc;

use super::kms::{Kms, Times, Version};
use super::node::{Act, Around, Machine, Node, Plan, Record};
use super::rules;
use super::scope::{Budget, Scope};

/// What can happen next: its name, and the world after it.
type Next = Vec<(Rc<str>, World)>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Slot {
    node: u32,
    /// How many changes of the KMS this node's part of it has not heard of.
    behind: u8,
    probed: bool,
    /// Its clock, in ticks beside the right time.
    skew: i8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    time: u8,
    /// The states of the KMS that some node still sees, and since when; the newest last.
    kms: Vec<(u8, u16)>,
    saved: u16,
    /// Sorted: the nodes are alike.
    slots: Vec<Slot>,
    down: bool,
    /// Ticks since the last event.
    quiet: u8,
    left: Budget,
    records: Vec<u16>,
    materials: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Class {
    Round { woken: bool },
    FaultyRound,
    Encrypt,
    FaultyEncrypt,
    Intruded,
}

/// What one node may do next.
struct Step {
    label: Rc<str>,
    node: u32,
    record: Option<u16>,
    good: bool,
    fault: bool,
}

/// What a run has seen.
#[derive(Clone, Copy)]
pub(super) struct Explored {
    pub(super) states: usize,
    pub(super) transitions: usize,
    /// Acts of the real code.
    pub(super) acts: usize,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, transitions, acts } = self;
        write!(f, "{states} states, {transitions} transitions, {acts} acts of the real code")
    }
}

/// A schedule after which something does not hold.
#[derive(Debug)]
pub(super) struct Violation {
    pub(super) what: String,
    pub(super) schedule: Vec<String>,
}

type Steps = Rc<Result<Vec<Step>, (String, String)>>;

pub(super) struct Explorer {
    scope: Scope,
    machine: Machine,
    nodes: Interned<Node>,
    views: Interned<Kms>,
    records: Interned<Record>,
    steps: HashMap<(u32, u16, u16, i16, bool, Class), Steps>,
    readable: HashMap<(u16, u16, u16), Result<(), String>>,
    acts: usize,
}

struct Interned<T> {
    all: Vec<T>,
    index: HashMap<T, u32>,
}

impl<T: Clone + Eq + std::hash::Hash> Interned<T> {
    fn new() -> Self {
        Self { all: Vec::new(), index: HashMap::new() }
    }

    fn put(&mut self, value: &T) -> u32 {
        if let Some(at) = self.index.get(value) {
            return *at;
        }
        let at = self.all.len() as u32;
        self.all.push(value.clone());
        self.index.insert(value.clone(), at);
        at
    }
}

/// Runs a scope to its end, or to the first thing that does not hold.
pub(super) fn explore(scope: Scope) -> Result<Explored, Violation> {
    let mut explorer = Explorer {
        machine: Machine::new(scope.habits, scope.delay, scope.observations, scope.broken),
        scope,
        nodes: Interned::new(),
        views: Interned::new(),
        records: Interned::new(),
        steps: HashMap::new(),
        readable: HashMap::new(),
        acts: 0,
    };
    let start = explorer.start();
    let mut index: HashSet<World> = HashSet::from([start.clone()]);
    let mut all = vec![(start, 0, Rc::from("start"))];
    let (mut at, mut transitions) = (0, 0);
    while at < all.len() {
        let world = all[at].0.clone();
        let next = explorer.next(&world).and_then(|next| {
            next.iter()
                .try_for_each(|(label, world)| explorer.check(world).map_err(|what| (what, label.to_string())))?;
            Ok(next)
        });
        match next {
            Ok(next) => {
                for (label, world) in next {
                    transitions += 1;
                    if index.insert(world.clone()) {
                        all.push((world, at, label));
                    }
                }
            }
            Err((what, last)) => {
                let mut schedule = vec![last];
                while at > 0 {
                    schedule.push(all[at].2.to_string());
                    at = all[at].1;
                }
                schedule.reverse();
                return Err(Violation { what, schedule });
            }
        }
        at += 1;
    }
    Ok(Explored { states: all.len(), transitions, acts: explorer.acts })
}

impl Explorer {
    /// One version, long since old enough; all nodes about to make their first probe.
    fn start(&mut self) -> World {
        let kms = Kms { versions: vec![Version { material: 0, created: 0 }], ..Kms::default() };
        let kms = self.views.put(&kms) as u16;
        let node = self.nodes.put(&self.machine.fresh());
        let slot = Slot { node, behind: 0, probed: false, skew: 0 };
        World {
            time: self.scope.settled(),
            kms: vec![(0, kms)],
            saved: kms,
            slots: vec![slot; self.scope.nodes],
            down: false,
            quiet: 0,
            left: self.scope.budget,
            records: Vec::new(),
            materials: 1,
        }
    }

    /// All worlds one step on.
    fn next(&mut self, world: &World) -> Result<Next, (String, String)> {
        let mut next = Vec::new();
        self.of_time(world, &mut next);
        if !world.down {
            self.of_kms(world, &mut next);
        }
        for at in 0..world.slots.len() {
            if at > 0 && world.slots[at] == world.slots[at - 1] {
                continue;
            }
            self.of_surroundings(world, at, &mut next);
            let untold = self.scope.habits.times == Times::Untold;
            let probed = world.slots[at].probed;
            let mut classes = vec![Class::Encrypt];
            if !probed || !untold {
                classes.push(Class::Round { woken: false });
            }
            if untold {
                classes.push(Class::Round { woken: true });
            }
            if world.left.faults > 0 && !world.down {
                classes.extend([Class::FaultyRound, Class::FaultyEncrypt]);
            }
            if world.left.intrusions > 0 && !world.down {
                classes.push(Class::Intruded);
            }
            for class in classes {
                self.of_node(world, at, class, &mut next)?;
            }
        }
        for (_, world) in &mut next {
            world.slots.sort_unstable();
            let oldest = world.slots.iter().map(|slot| usize::from(slot.behind)).max().unwrap_or(0);
            world.kms.drain(..world.kms.len() - 1 - oldest);
            world.kms[0].0 = if oldest == 0 { 0 } else { world.kms[0].0 };
        }
        Ok(next)
    }

    fn of_time(&self, world: &World, next: &mut Vec<(Rc<str>, World)>) {
        let stale = |slot: &Slot| {
            let unseen = world.kms.len() - usize::from(slot.behind);
            slot.behind > 0 && world.time + 1 - world.kms[unseen].0 > self.scope.lag
        };
        let over = world.time >= self.scope.settled() + self.scope.ticks;
        if over || world.slots.iter().any(|slot| !slot.probed || stale(slot)) {
            return;
        }
        let mut then = world.clone();
        then.time += 1;
        let calm = !world.down && world.slots.iter().all(|slot| slot.behind == 0);
        then.quiet = if calm { (world.quiet + 1).min(self.scope.settled()) } else { 0 };
        then.slots.iter_mut().for_each(|slot| slot.probed = false);
        next.push(("-- a tick".into(), then));
    }

    fn of_kms(&mut self, world: &World, next: &mut Vec<(Rc<str>, World)>) {
        let now = self.views.all[usize::from(newest(world))].clone();
        let backups = [0, world.saved].map(|saved| self.views.all[usize::from(saved)].clone());
        let mut changed = |label: &str, kms: Kms, edit: &dyn Fn(&mut World)| {
            let mut then = world.clone();
            edit(&mut then);
            let kms = self.views.put(&kms) as u16;
            if kms == newest(world) {
                return;
            }
            if self.scope.lag > 0 {
                then.kms.push((world.time, kms));
                then.slots.iter_mut().for_each(|slot| slot.behind += 1);
            } else {
                then.kms = vec![(0, kms)];
            }
            then.quiet = 0;
            next.push((label.into(), then));
        };
        let (left, number) = (world.left, now.newest());
        let version = |ahead| Version { material: world.materials + ahead, created: world.time };
        if left.rotations > 0 && number > 0 {
            let mut kms = now.clone();
            kms.versions.push(version(0));
            changed("rotate", kms, &|then| {
                (then.left.rotations, then.materials) = (left.rotations - 1, world.materials + 1)
            });
        }
        if left.min_encryption > 0 && number > 0 {
            let kms = Kms { min_encryption: number, ..now.clone() };
            changed("raise min_encryption", kms, &|then| then.left.min_encryption -= 1);
        }
        if left.min_decryption > 0 && number > 0 {
            let kms = Kms { min_decryption: number, ..now.clone() };
            changed("raise min_decryption", kms, &|then| then.left.min_decryption -= 1);
        }
        if left.replacements > 0 {
            for (rotated, shut) in [(0, 0), (1, 0), (1, 2), (2, 3)] {
                let versions = (0..=rotated).map(version).collect();
                let kms = Kms { versions, min_decryption: shut, ..Kms::default() };
                changed(&format!("replace the key, rotate it {rotated} times, shut below {shut}"), kms, &|then| {
                    (then.left.replacements, then.materials) = (left.replacements - 1, world.materials + rotated + 1);
                    then.saved = newest(world);
                });
            }
        }
        if left.deletions > 0 && number > 0 {
            changed("delete the key", Kms::default(), &|then| {
                then.left.deletions -= 1;
                then.saved = newest(world);
            });
        }
        if left.restores > 0 {
            for kms in backups {
                changed("restore a backup", kms, &|then| then.left.restores -= 1);
            }
        }
        if left.outages > 0 {
            let mut then = world.clone();
            (then.down, then.quiet, then.left.outages) = (true, 0, left.outages - 1);
            next.push(("the KMS goes down".into(), then));
        }
    }

    /// What happens to a node from outside.
    fn of_surroundings(&mut self, world: &World, at: usize, next: &mut Vec<(Rc<str>, World)>) {
        let mut put = |label: String, edit: &dyn Fn(&mut World)| {
            let mut then = world.clone();
            edit(&mut then);
            next.push((label.into(), then));
        };
        if world.down && at == 0 {
            put("the KMS is back".into(), &|then| (then.down, then.quiet) = (false, 0));
        }
        if world.slots[at].behind > 0 {
            put(format!("node {at}'s KMS catches up"), &|then| then.slots[at].behind -= 1);
        }
        if world.left.restarts > 0 {
            // The state that all started from.
            put(format!("node {at} restarts"), &|then| {
                then.left.restarts -= 1;
                (then.slots[at].node, then.slots[at].probed) = (0, false);
            });
        }
        if world.left.clocks > 0 {
            for skew in [-1, 0, 1].into_iter().filter(|skew| *skew != world.slots[at].skew) {
                put(format!("node {at}'s clock is set {skew} off"), &|then| {
                    then.left.clocks -= 1;
                    then.slots[at].skew = skew;
                });
            }
        }
    }

    fn of_node(
        &mut self,
        world: &World,
        at: usize,
        class: Class,
        next: &mut Vec<(Rc<str>, World)>,
    ) -> Result<(), (String, String)> {
        let slot = &world.slots[at];
        let view = world.kms[world.kms.len() - 1 - usize::from(slot.behind)].1;
        let clock = i16::from(world.time) + i16::from(slot.skew);
        let key = (slot.node, view, newest(world), clock, world.down, class);
        let steps = match self.steps.get(&key) {
            Some(steps) => steps.clone(),
            None => {
                let steps: Steps = Rc::new(self.real(key));
                self.steps.insert(key, steps.clone());
                steps
            }
        };
        for step in steps.as_ref().as_ref().map_err(Clone::clone)? {
            let mut then = world.clone();
            then.slots[at].node = step.node;
            if let Class::Round { woken: false } = class {
                then.slots[at].probed = true;
            }
            if let Some(record) = step.record
                && let Err(place) = then.records.binary_search(&record)
            {
                then.records.insert(place, record);
            }
            if step.fault {
                then.left.faults -= 1;
            }
            if class == Class::Intruded {
                then.left.intrusions -= 1;
            }
            if step.fault || class == Class::Intruded && !step.good {
                then.quiet = 0;
            }
            if class == Class::Encrypt && !step.good && world.quiet >= self.scope.settled() && self.writes(world) {
                return Err(("writes go on: Encrypt fails long after the last event".into(), step.label.to_string()));
            }
            next.push((format!("node {at}: {}", step.label).into(), then));
        }
        Ok(())
    }

    fn writes(&self, world: &World) -> bool {
        world.slots.iter().all(|slot| slot.probed && !self.nodes.all[slot.node as usize].stopped)
            && self.views.all[usize::from(newest(world))].newest() > 0
    }

    /// Asks the real code for all that a node may do.
    fn real(
        &mut self,
        (node, view, fresh, clock, down, class): (u32, u16, u16, i16, bool, Class),
    ) -> Result<Vec<Step>, (String, String)> {
        let before = self.nodes.all[node as usize].clone();
        let kms = |at: u16| self.views.all[usize::from(at)].clone();
        let around = Around { view: kms(view), fresh: kms(fresh), clock };
        let mut met = HashSet::new();
        let mut steps = Vec::new();
        for act in acts(class, view != fresh, down) {
            self.acts += 1;
            let label = format!("{act:?}");
            let fail = |what: String| (what, label.clone());
            let out = self.machine.act(&before, &around, &act).map_err(fail)?;
            rules::of_one_node(&self.scope, &self.machine, (&before, &around, &act), &out).map_err(fail)?;
            let good = out.round != Some(false) && out.encrypted.is_none_or(|ended| ended.is_ok());
            let fault = matches!(class, Class::FaultyRound | Class::FaultyEncrypt);
            let node = self.nodes.put(&out.node);
            let record = out.record.as_ref().map(|record| self.records.put(record) as u16);
            if met.insert((node, record, good)) {
                steps.push(Step { label: label.into(), node, record, good, fault });
            }
        }
        Ok(steps)
    }

    /// What must hold of all nodes together.
    fn check(&mut self, world: &World) -> Result<(), String> {
        let fresh = newest(world);
        for record in &world.records {
            for slot in &world.slots {
                let view = world.kms[world.kms.len() - 1 - usize::from(slot.behind)].1;
                let (views, records, machine) = (&self.views.all, &self.records.all, &self.machine);
                let read = self.readable.entry((*record, view, fresh)).or_insert_with(|| {
                    let kms = |at: u16| views[usize::from(at)].clone();
                    let around = Around { view: kms(view), fresh: kms(fresh), clock: 0 };
                    rules::readable(machine, &records[usize::from(*record)], &around)
                });
                read.clone()?;
            }
        }
        if world.quiet >= self.scope.settled() && world.slots.iter().all(|slot| slot.probed) {
            let kms = &self.views.all[usize::from(fresh)];
            for slot in &world.slots {
                rules::agreed(&self.scope, &self.machine, kms, &self.nodes.all[slot.node as usize])?;
            }
        }
        Ok(())
    }
}

fn newest(world: &World) -> u16 {
    world.kms[world.kms.len() - 1].1
}

/// The most calls that a round makes.
const CALLS: u8 = 5;

/// All ways in which one class of acts may go.
fn acts(class: Class, lags: bool, down: bool) -> Vec<Act> {
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
