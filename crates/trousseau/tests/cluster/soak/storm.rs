//! What goes wrong, at random: parts that die or close, in any mixture, and changes in between.

use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::Signal;
use trousseau_cluster::wait;

use super::identity::Identities;
use super::load::Load;
use crate::rig::{KEY, Rig, new_token};

/// A part that is away for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    PluginKilled,
    PluginStopped,
    VaultKilled,
    VaultSealed,
    ApiKilled,
    ApiStopped,
    EtcdStopped,
}

use Outage::{ApiKilled, ApiStopped, EtcdStopped, PluginKilled, PluginStopped, VaultKilled, VaultSealed};

pub(crate) struct Storm {
    random: Rng,
    longest: Duration,
    began: Instant,
    rounds: u32,
    outages: u32,
    rotations: u32,
    reloads: u32,
    tokens: u32,
    /// etcd was away, or the API server was started, since the last checkpoint: its start may have failed.
    pub(crate) api_may_be_gone: bool,
}

impl Storm {
    pub(crate) fn new(random: Rng, length: Duration, began: Instant) -> Self {
        // In an hour also such that end the API server's writes, 3 minutes after the last good Status.
        let longest = (length / 15).clamp(Duration::from_secs(3), Duration::from_secs(240));
        let [rounds, outages, rotations, reloads, tokens] = [0; 5];
        Self { random, longest, began, rounds, outages, rotations, reloads, tokens, api_may_be_gone: false }
    }

    /// One mixture of outages, begun and ended in any order; at its end every part runs, though it may not be ready.
    pub(crate) fn round(&mut self, rig: &mut Rig) {
        self.rounds += 1;
        if self.rounds == 1 || self.random.bool() {
            self.rotate(rig);
        }
        if self.random.u8(..5) == 0 {
            self.replace_token(rig);
        }
        if self.random.u8(..4) == 0 {
            self.reload(rig);
        }
        let mut outages = self.draw();
        println!("{:>6} s  {outages:?}", self.began.elapsed().as_secs());
        for outage in &outages {
            begin(*outage, rig);
            self.pause(Duration::from_millis(500));
        }
        if !outages.iter().any(|outage| [VaultKilled, VaultSealed].contains(outage)) && self.random.u8(..4) == 0 {
            self.rotate(rig);
        }
        // Mostly short, at times long.
        let longest = if self.random.u8(..8) == 0 { self.longest } else { self.longest.min(Duration::from_secs(5)) };
        self.pause(longest);
        self.random.shuffle(&mut outages);
        // An API server that starts without etcd ends.
        outages.sort_by_key(|outage| *outage != EtcdStopped);
        for outage in outages {
            end(outage, rig);
            self.outages += 1;
            self.api_may_be_gone |= outage == EtcdStopped;
            self.pause(Duration::from_millis(500));
        }
        self.pause(Duration::from_secs(4));
    }

    /// One to three parts, each in one of its ways; etcd seldom, as nothing else goes on without it.
    fn draw(&mut self) -> Vec<Outage> {
        let mut parts = vec![&[PluginKilled, PluginStopped][..], &[VaultKilled, VaultSealed], &[ApiKilled, ApiStopped]];
        if self.random.u8(..6) == 0 {
            parts.push(&[EtcdStopped]);
        }
        self.random.shuffle(&mut parts);
        parts.truncate(self.random.usize(1..=3));
        parts.into_iter().map(|ways| ways[self.random.usize(..ways.len())]).collect()
    }

    fn rotate(&mut self, rig: &Rig) {
        rig.vault.rotate("transit", KEY).unwrap();
        self.rotations += 1;
    }

    /// A new token in the file, then the old one is revoked.
    pub(crate) fn replace_token(&mut self, rig: &Rig) {
        let old = token(rig);
        new_token(&rig.vault, &rig.dir());
        rig.vault.revoke(&old).unwrap();
        self.tokens += 1;
    }

    /// A bad configuration, then a good one with another setting, by rename; and SIGHUP at times.
    fn reload(&mut self, rig: &mut Rig) {
        let file = rig.dir().join("config.yaml");
        let good = fs::read_to_string(&file).unwrap();
        let [from, to] = if good.contains("grace: 5s") { ["5s", "6s"] } else { ["6s", "5s"] };
        let other = good.replace(&format!("grace: {from}"), &format!("grace: {to}"));
        assert_ne!(good, other);
        for text in ["keys: []", &other] {
            fs::write(rig.dir().join("new"), text).unwrap();
            fs::rename(rig.dir().join("new"), &file).unwrap();
            self.pause(Duration::from_millis(500));
        }
        if self.random.bool() {
            rig.plugin.signal(Signal::HUP);
        }
        self.reloads += 1;
    }

    fn pause(&mut self, longest: Duration) {
        wait::pause(longest.mul_f64(self.random.f64()));
    }
}

fn begin(outage: Outage, rig: &mut Rig) {
    match outage {
        PluginKilled => rig.plugin.kill(),
        PluginStopped => rig.plugin.stop(),
        VaultKilled => rig.vault.kill().unwrap(),
        VaultSealed => rig.vault.seal().unwrap(),
        ApiKilled => rig.api.kill().unwrap(),
        ApiStopped => rig.api.stop().unwrap(),
        EtcdStopped => rig.etcd.stop().unwrap(),
    }
}

fn end(outage: Outage, rig: &mut Rig) {
    match outage {
        PluginKilled | PluginStopped => rig.plugin.start_again(),
        VaultKilled => {
            rig.vault.restart().unwrap();
            rig.vault.unseal().unwrap();
        }
        VaultSealed => rig.vault.unseal().unwrap(),
        ApiKilled | ApiStopped => rig.api.respawn().unwrap(),
        EtcdStopped => rig.etcd.restart().unwrap(),
    }
}

/// The plugin's token.
pub(crate) fn token(rig: &Rig) -> String {
    fs::read_to_string(rig.dir().join("token")).unwrap().trim().to_owned()
}

/// A soak in which nothing was written, read or promoted would prove nothing.
pub(crate) fn assert_something_happened(load: &Load<'_>, identities: &Identities) {
    assert!(load.acknowledged().len() >= 20, "{load}");
    assert!(load.reads() >= 5, "{load}");
    assert!(identities.count() >= 2, "no rotation came into use: {identities}");
}

impl fmt::Display for Storm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, outages, rotations, reloads, tokens, .. } = self;
        write!(f, "{rounds} rounds, {outages} outages, {rotations} rotations, {reloads} reloads, {tokens} new tokens")
    }
}
