//! One node as plain data, and the real code driven from it: put together, one act, taken apart again.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::kms::{Answers, BASE, Habits, Kms, ModelKms, TICK, material_of, wrap_of};
use crate::clock::Clock;
use crate::envelope::{Algorithm, Clusters, Header, aad};
use crate::error::{ErrorKind, ProviderError};
use crate::events::{Event, Events};
use crate::fake::{FAKE, FakeClock};
use crate::keyring::Encrypted;
use crate::probe::{Lineage, ProbeTimes, Prober};
use crate::promotion::{Promotion, PromotionRule};
use crate::provider::VersionInfo;
use crate::writer::{Announced, Failure, Snapshot};
use crate::{AadPolicy, Api, Call, DecryptRequest, Key, KeyConfig, KeyId, Keyring, Secret, Writer};

const CLUSTER: &str = "model";
const SEED: [u8; 32] = [7; 32];

/// A [`Snapshot`] as data: the witness is rebuilt from the material that made it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Snap {
    pub(super) key_id: KeyId,
    pub(super) version: u32,
    pub(super) material: u8,
    pub(super) use_state: u8,
}

/// All that a process knows of its writing key, and what its API server remembers of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub(super) snapshot: Option<Snap>,
    pub(super) before: Option<Snap>,
    pub(super) failure: Option<ErrorKind>,
    pub(super) stopped: bool,
    absent: bool,
    lineage: Lineage,
    promotion: Promotion,
    /// The id of the last answered Encrypt, and those that were left for it.
    pub(super) used: Option<KeyId>,
    pub(super) left: BTreeSet<String>,
    /// This process answered it, and not the one before.
    pub(super) used_here: bool,
}

/// Ways to break the rule: the model must see each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// New versions write at once.
    NoDelay,
    /// The KMS's min_encryption_version is not looked at.
    NoMinEncryption,
    /// A promoted id is never taken back.
    NoBefore,
    /// An id that was used is taken back all the same.
    UseForgotten,
    /// What was proven of the key is forgotten between rounds.
    NoLineage,
    /// Which version writes is forgotten between rounds.
    ActiveForgotten,
    /// A process begins with the lowest version, whatever is old enough.
    StartsAtLowest,
    /// Observations of versions without times are not added up.
    NoCounting,
}

/// How one act of a node goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Plan {
    pub(super) fresh_calls: u8,
    pub(super) failing: Option<(u8, u8)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Act {
    /// A probe; at one of its calls the API server may come in between with an Encrypt.
    Round { plan: Plan, woken: bool, intruder: Option<u8> },
    /// An Encrypt; at one of its calls a whole probe may come in between.
    Encrypt { plan: Plan, intruder: Option<(u8, Plan)> },
}

/// What stands around a node.
#[derive(Clone, Debug)]
pub(super) struct Around {
    pub(super) view: Kms,
    pub(super) fresh: Kms,
    /// The node's own clock, in ticks.
    pub(super) clock: i16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Record {
    pub(super) key_id: KeyId,
    pub(super) version: u32,
    pub(super) material: u8,
    pub(super) ciphertext: Vec<u8>,
}

/// What one act did.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Outcome {
    pub(super) node: Node,
    pub(super) record: Option<Record>,
    pub(super) round: Option<bool>,
    pub(super) encrypted: Option<Result<(), ErrorKind>>,
    /// Alarms: an older backup was restored; the active version was shut and may be another key's.
    pub(super) restored: bool,
    pub(super) suspected: bool,
    /// The id before and after.
    pub(super) status: [Option<KeyId>; 2],
}

#[derive(Default)]
struct Alarms {
    restored: AtomicBool,
    suspected: AtomicBool,
}

impl Events for Alarms {
    fn on(&self, event: &Event<'_>) {
        match event {
            Event::Restored { .. } => self.restored.store(true, Ordering::SeqCst),
            Event::ActiveShut { .. } => self.suspected.store(true, Ordering::SeqCst),
            _ => {}
        }
    }
}

/// The real parts that all nodes share; they hold no state of a node.
pub(super) struct Machine {
    kms: Arc<ModelKms>,
    key: Arc<Key>,
    rule: PromotionRule,
    broken: Option<Broken>,
}

struct Live {
    writer: Arc<Writer>,
    ring: Keyring,
    prober: Prober,
    alarms: Arc<Alarms>,
}

impl Machine {
    pub(super) fn new(habits: Habits, delay: u8, observations: u32, broken: Option<Broken>) -> Self {
        let mut kms = ModelKms::new(habits);
        kms.hide_min_encryption = broken == Some(Broken::NoMinEncryption);
        let kms = Arc::new(kms);
        let clusters = Arc::new(Clusters::new(vec![CLUSTER.to_owned()]).unwrap());
        let config =
            KeyConfig { name: "primary".to_owned(), clusters, aad: AadPolicy::Required { accept_without: false } };
        let delay = if broken == Some(Broken::NoDelay) { 0 } else { u64::from(delay) * TICK };
        let rule = PromotionRule { delay: Duration::from_secs(delay), observations };
        Self { key: Arc::new(Key::new(config, kms.clone())), kms, rule, broken }
    }

    /// A process that has just started.
    pub(super) fn fresh(&self) -> Node {
        Node {
            snapshot: None,
            before: None,
            failure: None,
            stopped: false,
            absent: false,
            lineage: Lineage::default(),
            promotion: Promotion::new(self.rule),
            used: None,
            left: BTreeSet::new(),
            used_here: false,
        }
    }

    /// The next process for the same API server, whose memory stays.
    pub(super) fn restarted(&self, node: &Node) -> Node {
        Node { used: node.used.clone(), left: node.left.clone(), ..self.fresh() }
    }

    pub(super) fn key_id(&self, version: &VersionInfo) -> KeyId {
        self.key.key_id(version)
    }

    /// One act from this state.
    pub(super) fn act(&self, node: &Node, around: &Around, act: &Act) -> Result<Outcome, String> {
        let mut live = self.live(node, around);
        self.tamper(&mut live, act);
        let before = live.writer.load().snapshot.clone();
        let mut record = None;
        let (mut round, mut encrypted) = (None, None);
        match act {
            Act::Round { plan, woken, intruder } => {
                live.prober.counts = !woken;
                let Live { ring, prober, .. } = &mut live;
                *self.kms.answers() = answers(around, plan, *intruder);
                let mut probing = pin!(prober.round());
                let mut done = poll(probing.as_mut());
                if done.is_none() {
                    let outer = std::mem::replace(&mut *self.kms.answers(), answers(around, &all_fresh(), None));
                    let answer = finish(ring.encrypt(Api::V2, &seed(), &call()));
                    *self.kms.answers() = outer;
                    encrypted = Some(answer.as_ref().map(drop).map_err(ProviderError::kind));
                    record = answer.ok();
                    done = poll(probing.as_mut());
                }
                round = Some(done.ok_or("the probe waits for ever")?.is_ok());
            }
            Act::Encrypt { plan, intruder } => {
                let Live { ring, prober, .. } = &mut live;
                let at = intruder.as_ref().map(|(at, _)| *at);
                *self.kms.answers() = answers(around, plan, at);
                let (seed, call) = (seed(), call());
                let mut encrypting = pin!(ring.encrypt(Api::V2, &seed, &call));
                let mut done = poll(encrypting.as_mut());
                if let (None, Some((_, plan))) = (&done, intruder) {
                    let outer = std::mem::replace(&mut *self.kms.answers(), answers(around, plan, None));
                    prober.counts = false;
                    round = Some(finish(prober.round()).is_ok());
                    *self.kms.answers() = outer;
                    done = poll(encrypting.as_mut());
                }
                let answer = done.ok_or("Encrypt waits for ever")?;
                encrypted = Some(answer.as_ref().map(drop).map_err(ProviderError::kind));
                record = answer.ok();
            }
        }
        let record = record.map(|encrypted| self.record(&encrypted)).transpose()?;
        let (mut next, alarms) = (capture(&live), &live.alarms);
        let restored = alarms.restored.load(Ordering::SeqCst);
        next.used.clone_from(&node.used);
        next.left.clone_from(&node.left);
        next.used_here = node.used_here || record.is_some();
        if restored {
            (next.used, next.left, next.used_here) = (None, BTreeSet::new(), record.is_some());
        }
        if let Some(record) = &record
            && next.used.as_ref() != Some(&record.key_id)
        {
            next.left.extend(next.used.replace(record.key_id.clone()).map(|id| id.to_string()));
        }
        self.damage(&mut next);
        let after = next.snapshot.as_ref().map(|snap| snap.key_id.clone());
        Ok(Outcome {
            record,
            round,
            encrypted,
            restored,
            suspected: alarms.suspected.load(Ordering::SeqCst),
            status: [before.map(|snapshot| snapshot.key_id.clone()), after],
            node: next,
        })
    }

    /// Whether a node that has just started reads this record.
    pub(super) fn reads(&self, record: &Record, around: &Around) -> Result<(), ErrorKind> {
        *self.kms.answers() = answers(around, &Plan::default(), None);
        let live = self.live(&self.fresh(), around);
        let request = DecryptRequest { ciphertext: &record.ciphertext, key_id: Some(record.key_id.as_str()) };
        let opened = finish(live.ring.decrypt(request, &call())).map_err(|error| error.kind())?;
        if opened.same_as(&seed()) { Ok(()) } else { Err(ErrorKind::BadAnswer) }
    }

    /// A record with what its own header and wrap say, which must be what the answer says.
    fn record(&self, encrypted: &Encrypted) -> Result<Record, String> {
        let (header, _, wrap) = Header::parse(&encrypted.ciphertext).map_err(|error| error.to_string())?;
        let version = header.version.number().ok_or("no number")?;
        let material = material_of(wrap);
        let Encrypted { ciphertext, key_id } = encrypted.clone();
        Ok(Record { key_id, version, material, ciphertext })
    }

    fn live(&self, node: &Node, around: &Around) -> Live {
        let writer = Arc::new(Writer::new(Duration::from_secs(120)));
        let clock = BASE.saturating_add_signed(i64::from(around.clock) * TICK as i64 + TICK as i64 / 2);
        let clock: Arc<dyn Clock> = Arc::new(FakeClock::new(clock));
        let alarms = Arc::new(Alarms::default());
        let snapshot = |snap: &Option<Snap>| snap.as_ref().map(|snap| Arc::new(rebuild(snap)));
        writer.store(Announced {
            snapshot: snapshot(&node.snapshot),
            before: snapshot(&node.before),
            last_good: node.snapshot.is_some().then(Instant::now),
            failure: node.failure.map(|kind| Failure { kind, text: "model".into(), since: Instant::now() }),
            stopped: node.stopped.then(|| "model".into()),
            absent: node.absent,
        });
        *writer.lineage() = node.lineage.clone();
        let times = ProbeTimes::default();
        let mut prober = Prober::new(self.key.clone(), writer.clone(), self.rule, times, clock, alarms.clone());
        prober.promotion = node.promotion.clone();
        let ring = Keyring::new(vec![self.key.clone()], writer.clone(), alarms.clone()).unwrap();
        Live { writer, ring, prober, alarms }
    }

    /// Breaks the rule before an act.
    fn tamper(&self, live: &mut Live, act: &Act) {
        let now = live.writer.load();
        match self.broken {
            Some(Broken::ActiveForgotten) if matches!(act, Act::Round { .. }) => {
                live.writer.store(Announced { snapshot: None, ..Announced::clone(&now) });
            }
            Some(Broken::StartsAtLowest) if now.snapshot.is_none() => {
                live.prober.promotion = Promotion::new(PromotionRule { delay: Duration::MAX, ..self.rule });
            }
            _ => {}
        }
    }

    /// Breaks it after one.
    fn damage(&self, node: &mut Node) {
        match self.broken {
            Some(Broken::NoBefore) => node.before = None,
            Some(Broken::UseForgotten) => {
                if let Some(snap) = &mut node.snapshot {
                    snap.use_state = 0;
                }
            }
            Some(Broken::NoLineage) => node.lineage = Lineage::default(),
            Some(Broken::StartsAtLowest | Broken::NoCounting) => node.promotion = Promotion::new(self.rule),
            Some(Broken::NoDelay | Broken::NoMinEncryption | Broken::ActiveForgotten) | None => {}
        }
    }
}

fn capture(live: &Live) -> Node {
    let now = live.writer.load();
    let snap = |snapshot: &Option<Arc<Snapshot>>| {
        snapshot.as_ref().map(|snapshot| Snap {
            key_id: snapshot.key_id.clone(),
            version: snapshot.version.number().unwrap(),
            material: material_of(Header::parse(&snapshot.witness).unwrap().2),
            use_state: snapshot.use_state(),
        })
    };
    Node {
        snapshot: snap(&now.snapshot),
        before: snap(&now.before),
        failure: now.failure.as_ref().map(|failure| failure.kind),
        stopped: now.stopped.is_some(),
        absent: now.absent,
        lineage: live.writer.lineage().clone().canonical(),
        promotion: live.prober.promotion.clone().canonical(),
        used: None,
        left: BTreeSet::new(),
        used_here: false,
    }
}

fn rebuild(snap: &Snap) -> Snapshot {
    let clusters = Clusters::new(vec![CLUSTER.to_owned()]).unwrap();
    let (cluster, hash) = clusters.first();
    let version = snap.version.into();
    let header = Header { algorithm: Algorithm::KmsWithAad, provider: FAKE.code, version, cluster: hash }.encode();
    let wrap = wrap_of(snap.material, &SEED, &aad(&header, cluster));
    let secret = Secret::new(SEED.to_vec());
    Snapshot::new(snap.key_id.clone(), snap.version.into(), [header, wrap].concat(), secret)
        .in_use_state(snap.use_state)
}

fn seed() -> Secret {
    Secret::new(SEED.to_vec())
}

fn call() -> Call {
    Call::within(Duration::from_secs(3))
}

fn all_fresh() -> Plan {
    Plan { fresh_calls: u8::MAX, failing: None }
}

fn answers(around: &Around, plan: &Plan, pausing: Option<u8>) -> Answers {
    let Around { view, fresh, .. } = around.clone();
    Answers { view, fresh, fresh_calls: plan.fresh_calls, failing: plan.failing, pausing, calls: 0 }
}

fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Nothing in the model waits but where it is told to.
fn finish<T>(future: impl Future<Output = T>) -> T {
    poll(pin!(future)).expect("nothing waits in the model")
}
