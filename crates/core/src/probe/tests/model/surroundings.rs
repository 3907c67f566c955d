//! What happens around the nodes: time, the KMS, outages, restarts and clocks.

use super::explore::Explorer;
use super::kms::{Kms, Version};
use super::world::{Next, Slot, World};

impl Explorer {
    pub(super) fn of_time(&self, world: &World, next: &mut Next) {
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

    pub(super) fn of_kms(&mut self, world: &World, next: &mut Next) {
        let now = self.views.all[usize::from(world.newest())].clone();
        let backups = [0, world.saved].map(|saved| self.views.all[usize::from(saved)].clone());
        let mut changed = |label: &str, kms: Kms, edit: &dyn Fn(&mut World)| {
            let mut then = world.clone();
            edit(&mut then);
            let kms = self.views.put(&kms) as u16;
            if kms == world.newest() {
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
                    then.saved = world.newest();
                });
            }
        }
        if left.deletions > 0 && number > 0 {
            changed("delete the key", Kms::default(), &|then| {
                then.left.deletions -= 1;
                then.saved = world.newest();
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
    pub(super) fn of_surroundings(&mut self, world: &World, at: usize, next: &mut Next) {
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
            let restarted = match self.scope.starts_where_it_was() {
                true => self.machine.restarted(&self.nodes.all[world.slots[at].node as usize]),
                false => self.machine.fresh(),
            };
            let node = self.nodes.put(&restarted);
            put(format!("node {at} restarts"), &|then| {
                then.left.restarts -= 1;
                (then.slots[at].node, then.slots[at].probed) = (node, false);
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
}
