//! Every schedule, breadth first over states that were not met before.
//!
//! What one node does from one state, in front of one KMS, is asked of the real code once and remembered.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::acts::{Class, Step, Steps, acts};
use super::found::{Explored, Violation};
use super::kms::{Kms, Times, Version};
use super::node::{Around, Machine, Node, Record};
use super::rules;
use super::scope::{Budget, Scope};
use super::world::{Interned, Next, Slot, World};

pub(super) struct Explorer {
    pub(super) scope: Scope,
    pub(super) machine: Machine,
    pub(super) nodes: Interned<Node>,
    pub(super) views: Interned<Kms>,
    records: Interned<Record>,
    steps: HashMap<(u32, u16, u16, i16, bool, Class), Steps>,
    readable: HashMap<(u16, u16, u16), Result<(), String>>,
    acts: usize,
    settled: usize,
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
        settled: 0,
    };
    let start = Rc::new(explorer.start());
    let mut index: HashSet<Rc<World>> = HashSet::from([start.clone()]);
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
                    let world = Rc::new(world);
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
    Ok(Explored { states: all.len(), transitions, acts: explorer.acts, settled: explorer.settled })
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
            world.tidy();
        }
        Ok(next)
    }

    fn of_node(&mut self, world: &World, at: usize, class: Class, next: &mut Next) -> Result<(), (String, String)> {
        let slot = &world.slots[at];
        let view = world.view(slot);
        let clock = i16::from(world.time) + i16::from(slot.skew);
        let key = (slot.node, view, world.newest(), clock, world.down, class);
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
            && self.views.all[usize::from(world.newest())].newest() > 0
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
        let fresh = world.newest();
        for record in &world.records {
            for slot in &world.slots {
                let view = world.view(slot);
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
            self.settled += usize::from(world.left == Budget::default());
            for slot in &world.slots {
                rules::agreed(&self.scope, &self.machine, kms, &self.nodes.all[slot.node as usize])?;
            }
        }
        Ok(())
    }
}
