//! The metrics: every name, label and bucket in one table. Labels are bounded: names from the configuration and words
//! from the code, never a text from outside.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use trousseau_core::events::{Event, Events};
use trousseau_core::{Health, KeyId, KeyVersion};

use crate::narrate::{narrate, narrate_skew};
use crate::process::usage;

/// From 50 us, where a local key answers, to the API server's time-out of 3 s and a bit.
const SECONDS: [f64; 15] = [5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0];

/// From 5 us, where a call's own work begins, to a call that waits for a free place to the KMS.
const OWN_SECONDS: [f64; 13] = [5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 0.01, 0.1, 1.0, 3.0];

macro_rules! labels {
    ($name:ident { $($field:ident: $kind:ty),* }) => {
        #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        struct $name { $($field: $kind),* }
    };
}
labels!(RpcLabels { api: &'static str, operation: &'static str, code: &'static str });
labels!(RpcTime { api: &'static str, operation: &'static str });
labels!(KmsLabels { key: String, provider: &'static str, operation: &'static str, outcome: &'static str });
labels!(BoundLabel { bound: &'static str });
labels!(KeyLabel { key: String });
labels!(MemberLabels { key: String, member: String });
labels!(ProbeLabels { key: String, outcome: &'static str });
labels!(ActiveLabels { key: String, key_id_hash: String, version: String });
labels!(AlarmLabel { alarm: &'static str });
labels!(OutcomeLabel { outcome: &'static str });
labels!(WarningLabel { code: &'static str });

type Seconds = Gauge<f64, AtomicU64>;

/// One RPC that kube-apiserver made.
#[derive(Clone, Copy, Debug)]
pub struct Rpc {
    /// `v1` or `v2`.
    pub api: &'static str,
    /// `Status`, `Encrypt` and so on.
    pub operation: &'static str,
    /// The gRPC code's name, `OK` for success.
    pub code: &'static str,
    /// From the request's arrival in the service to its answer.
    pub took: Duration,
    /// Of that, time spent waiting for the KMS.
    pub waited: Duration,
}

/// The registry. Also the listener that turns the core's events into log lines.
pub struct Metrics {
    registry: Registry,
    rpcs: Family<RpcLabels, Counter>,
    rpc_seconds: Family<RpcTime, Histogram>,
    own_seconds: Family<RpcTime, Histogram>,
    kms_seconds: Family<KmsLabels, Histogram>,
    bounds: Family<BoundLabel, Counter>,
    breaker: Family<KeyLabel, Gauge>,
    probes: Family<ProbeLabels, Counter>,
    credential: Family<KeyLabel, Seconds>,
    skew: Family<KeyLabel, Gauge>,
    active: Family<ActiveLabels, Gauge>,
    changes: Counter,
    left_out: Family<MemberLabels, Gauge>,
    alarms: Family<AlarmLabel, Counter>,
    mismatches: Counter,
    reloads: Family<OutcomeLabel, Counter>,
    warnings: Family<WarningLabel, Gauge>,
    ready: Gauge,
    stopped: Gauge,
    age: Seconds,
    resident: Gauge,
    cpu: Seconds,
    descriptors: Gauge,
}

impl Metrics {
    /// An empty registry that says which build this is.
    pub fn new(version: &'static str, features: &str) -> Self {
        let histogram = || Histogram::new(SECONDS);
        let mut registry = Registry::with_prefix("trousseau");
        macro_rules! metric {
            ($name:literal, $help:literal, $new:expr $(, $unit:expr)?) => {{
                let metric = $new;
                metric!(@register metric, $name, $help $(, $unit)?);
                metric
            }};
            (@register $metric:ident, $name:literal, $help:literal) => {
                registry.register($name, $help, $metric.clone())
            };
            (@register $metric:ident, $name:literal, $help:literal, $unit:expr) => {
                registry.register_with_unit($name, $help, $unit, $metric.clone())
            };
        }
        let rpcs = metric!("rpcs", "Calls by kube-apiserver, by gRPC code", Family::default());
        let rpc_seconds =
            metric!("rpc", "Time of a call", Family::new_with_constructor(histogram as fn() -> _), Unit::Seconds);
        let own_seconds = metric!(
            "rpc_own",
            "Time of a call without the wait for the KMS",
            Family::new_with_constructor((|| Histogram::new(OWN_SECONDS)) as fn() -> _),
            Unit::Seconds
        );
        let kms_seconds = metric!(
            "kms_call",
            "Time of a call to the KMS",
            Family::new_with_constructor(histogram as fn() -> _),
            Unit::Seconds
        );
        let bounds = metric!("bound_hits", "How often a bound was hit", Family::default());
        let breaker = metric!("breaker_open", "1 while the KMS is left alone after failures", Family::default());
        let probes = metric!("probes", "Background probes", Family::default());
        let credential =
            metric!("credential_ttl", "How long the KMS credential still lives", Family::default(), Unit::Seconds);
        let skew = metric!("clock_skew", "The KMS's clock minus this node's", Family::default(), Unit::Seconds);
        let active = metric!(
            "active_key",
            "1 for the version that writes; the hash is the one in Kubernetes' own metrics",
            Family::default()
        );
        let changes = metric!("key_id_changes", "How often the announced key_id changed", Counter::default());
        let left_out = metric!("member_left_out", "1 while nothing is written with this member", Family::default());
        let alarms = metric!("alarms", "What somebody must look at", Family::default());
        let mismatches = metric!("key_id_mismatches", "Records whose key_id and header disagree", Counter::default());
        let reloads = metric!("config_reloads", "Reloads of the configuration", Family::default());
        let warnings = metric!(
            "config_warning",
            "1 for each thing that the configuration allows and should not",
            Family::default()
        );
        let ready = metric!("ready", "1 while Status answers ok", Gauge::default());
        let stopped = metric!("stopped", "1 while encryption is stopped", Gauge::default());
        let age = metric!(
            "snapshot_age",
            "Time since the last good probe of the writing key",
            Seconds::default(),
            Unit::Seconds
        );
        let resident = metric!("process_resident_memory", "Resident memory", Gauge::default(), Unit::Bytes);
        let cpu = metric!("process_cpu", "User and system time since the start", Seconds::default(), Unit::Seconds);
        let descriptors = metric!("process_open_fds", "Open descriptors", Gauge::default());
        let build = Info::new([("version", version.to_owned()), ("features", features.to_owned())]);
        registry.register("build", "This build", build);
        Self {
            registry,
            rpcs,
            rpc_seconds,
            own_seconds,
            kms_seconds,
            bounds,
            breaker,
            probes,
            credential,
            skew,
            active,
            changes,
            left_out,
            alarms,
            mismatches,
            reloads,
            warnings,
            ready,
            stopped,
            age,
            resident,
            cpu,
            descriptors,
        }
    }

    /// Counts a call by kube-apiserver.
    pub fn rpc(&self, rpc: Rpc) {
        let Rpc { api, operation, code, took, waited } = rpc;
        self.rpcs.get_or_create(&RpcLabels { api, operation, code }).inc();
        let time = RpcTime { api, operation };
        self.rpc_seconds.get_or_create(&time).observe(took.as_secs_f64());
        self.own_seconds.get_or_create(&time).observe(took.saturating_sub(waited).as_secs_f64());
    }

    /// Counts a reload: `applied`, `pending`, `refused`.
    pub fn reload(&self, outcome: &'static str) {
        self.reloads.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Forgets what was said of keys before: those that now come have breakers of their own, closed at first.
    pub fn keys_change(&self) {
        self.breaker.clear();
        self.credential.clear();
        self.skew.clear();
    }

    /// Replaces the list of the configuration's warnings.
    pub fn set_warnings(&self, codes: impl IntoIterator<Item = &'static str>) {
        self.warnings.clear();
        for code in codes {
            self.warnings.get_or_create(&WarningLabel { code }).set(1);
        }
    }

    /// The page in OpenMetrics text; `health` is the writing key's at this moment, if there is one.
    pub fn page(&self, health: Option<&Health>) -> String {
        self.ready.set(health.is_some_and(|health| health.ready).into());
        self.stopped.set(health.is_some_and(|health| health.stopped.is_some()).into());
        self.age.set(health.and_then(|health| health.proven).map_or(f64::NAN, |age| age.as_secs_f64()));
        let usage = usage();
        self.resident.set(usage.resident);
        self.cpu.set(usage.cpu);
        self.descriptors.set(usage.descriptors);
        let mut page = String::with_capacity(16_384);
        // Writing into a String can't fail.
        let _ = text::encode(&mut page, &self.registry);
        page
    }

    fn announce(&self, key: &str, key_id: &KeyId, version: &KeyVersion) {
        self.active.clear();
        let labels =
            ActiveLabels { key: key.to_owned(), key_id_hash: key_id.kubernetes_hash(), version: version.to_string() };
        self.active.get_or_create(&labels).set(1);
    }

    fn alarm(&self, alarm: &'static str) {
        self.alarms.get_or_create(&AlarmLabel { alarm }).inc();
    }

    fn probe(&self, key: &str, outcome: &'static str) {
        self.probes.get_or_create(&ProbeLabels { key: key.to_owned(), outcome }).inc();
    }
}

impl Events for Metrics {
    fn on(&self, event: &Event<'_>) {
        narrate(event);
        let key_label = |key: &&str| KeyLabel { key: (*key).to_owned() };
        match event {
            Event::KmsCall { key, provider, operation, outcome, took } => {
                let outcome = outcome.map_or_else(|kind| kind.label(), |()| "ok");
                let operation = operation.label();
                let labels = KmsLabels { key: (*key).to_owned(), provider: provider.name, operation, outcome };
                self.kms_seconds.get_or_create(&labels).observe(took.as_secs_f64());
            }
            Event::BoundHit(bound) => {
                self.bounds.get_or_create(&BoundLabel { bound: bound.label() }).inc();
            }
            Event::Breaker { key, open } => {
                self.breaker.get_or_create(&key_label(key)).set((*open).into());
            }
            Event::ProbeGood { key, credential_ttl, clock_skew, .. } => {
                self.probe(key, "good");
                if let Some(ttl) = credential_ttl {
                    self.credential.get_or_create(&key_label(key)).set(ttl.as_secs_f64());
                }
                if let Some(skew) = clock_skew {
                    narrate_skew(key, self.skew.get_or_create(&key_label(key)).set(*skew), *skew);
                }
            }
            Event::ProbeFailed { key, .. } => self.probe(key, "failed"),
            Event::Promoted { key, from, to, version } => {
                if from.is_some() {
                    self.changes.inc();
                }
                self.announce(key, to, version);
            }
            Event::Withdrawn { key, back_to, version } => {
                self.changes.inc();
                self.announce(key, back_to, version);
            }
            Event::Stopped { .. } => self.alarm("stopped"),
            Event::Restored { .. } => self.alarm("restored"),
            Event::Member { key, member, writes, .. } => {
                let labels = MemberLabels { key: (*key).to_owned(), member: (*member).to_owned() };
                self.left_out.get_or_create(&labels).set((!writes).into());
            }
            Event::MemberStopped { .. } => self.alarm("member_stopped"),
            Event::ActiveShut { .. } => self.alarm("active_version_shut"),
            Event::KeyReplacedSuspected { .. } => self.alarm("key_replaced_suspected"),
            Event::KeyIdMismatch => {
                self.mismatches.inc();
            }
            _ => {}
        }
    }
}
