//! Random trouble under load: a short form in the ordinary run, as long as wanted by `cargo xtask test --soak DURATION`.
//!
//! One thread writes, one reads, one asks for Status, and this one kills, stops, seals, rotates and reloads at random.
//! What must hold all the time:
//!
//! * an acknowledged Secret is there, with its last acknowledged value or a later one that was tried; a read may fail
//!   while something is down, but never tells anything else;
//! * one key version has one key_id, in etcd and over every restart (I3), and Status never goes back behind an id that
//!   a record was written under (I2).
//!
//! And at each checkpoint, when nothing is down any more: all is ready again by itself, a write succeeds, an API server
//! without any seed in memory reads everything, no alarm, no panic, no secret in the log, and no growth in a
//! stretch of calls alone.

mod calm;
mod checkpoint;
pub(crate) mod identity;
mod kubectl;
pub(crate) mod ledger;
pub(crate) mod load;
mod storm;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::rig::Rig;
use checkpoint::checkpoint;
use identity::Identities;
use ledger::Ledger;
use load::Load;
use storm::Storm;

const ORDINARY: Duration = Duration::from_secs(40);

/// Tells all threads to end, and holds what was found to be wrong.
#[derive(Default)]
pub(crate) struct Run {
    over: AtomicBool,
    wrong: Mutex<Vec<String>>,
}

impl Run {
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// A broken invariant; the run ends.
    pub(crate) fn wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
        self.over.store(true, Ordering::Relaxed);
    }

    /// `log` is for the text of the failure.
    pub(crate) fn assert_nothing_wrong(&self, log: impl FnOnce() -> String) {
        let wrong = self.wrong.lock().unwrap().clone();
        assert!(wrong.is_empty(), "{wrong:#?}\nplugin's log:\n{}", log());
    }
}

/// Ends the other threads also when this one panics.
pub(crate) struct End<'a>(pub(crate) &'a Run);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text:?} is no whole number")))
}

#[test]
fn soak_random_trouble_loses_nothing() {
    let length = number("TROUSSEAU_SOAK").map_or(ORDINARY, Duration::from_secs);
    let seed = number("TROUSSEAU_SOAK_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("soak: {length:?}; TROUSSEAU_SOAK_SEED={seed} draws the same troubles again");
    let mut rig = Rig::start();
    let (run, ledger, identities) = (Run::default(), Ledger::default(), Identities::default());
    let load = Load::new(&rig.api, &rig.dir(), "", &ledger, &run);
    let mut client = rig.plugin.client();
    std::thread::scope(|scope| {
        let _end = End(&run);
        let mut random = fastrand::Rng::with_seed(seed);
        let (writer, reader) = (random.fork(), random.fork());
        scope.spawn(|| load.write(writer));
        scope.spawn(|| load.read(reader));
        scope.spawn(|| identities.watch(&mut client, &run));

        let began = Instant::now();
        let mut storm = Storm::new(random, length, began);
        loop {
            for _ in 0..6 {
                storm.round(&mut rig);
                identities.scan(&rig.etcd, &run);
                run.assert_nothing_wrong(|| rig.plugin.log());
                if began.elapsed() >= length {
                    break;
                }
            }
            checkpoint(&mut rig, &mut storm, &load, &identities, length);
            run.assert_nothing_wrong(|| rig.plugin.log());
            println!("{:>6} s  checkpoint: {storm}; {load}; {identities}", began.elapsed().as_secs());
            if began.elapsed() >= length {
                break;
            }
        }
    });
    run.assert_nothing_wrong(|| rig.plugin.log());
    storm::assert_something_happened(&load, &identities);
}
