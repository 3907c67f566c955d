//! One node for tests: a fake KMS behind a guard, a keyring on it, and a probe that goes when it is told to.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::envelope::Clusters;
use crate::events::Events;
use crate::fake::{FakeClock, FakeProvider, Recorder};
use crate::guard::{Guard, Limits};
use crate::probe::{ProbeTimes, Prober};
use crate::promotion::PromotionRule;
use crate::{
    AadPolicy, Api, Call, DecryptRequest, Encrypted, ErrorKind, Key, KeyConfig, Keyring, ProviderError, Secret, Writer,
};

/// The wall clock at the start; the key was made long before.
pub(crate) const START: u64 = 1_000_000;
pub(crate) const GRACE: Duration = Duration::from_secs(120);
/// The promotion delay, in seconds.
pub(crate) const DELAY: u64 = 180;

pub(crate) struct Rig {
    pub(crate) kms: Arc<FakeProvider>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) events: Arc<Recorder>,
    pub(crate) key: Arc<Key>,
    pub(crate) writer: Arc<Writer>,
    pub(crate) ring: Arc<Keyring>,
    prober: Option<Prober>,
}

/// A key named `name` on this KMS.
pub(crate) fn key_on(kms: &Arc<FakeProvider>, name: &str, clusters: &[&str], events: &Arc<Recorder>) -> Arc<Key> {
    let clusters = Clusters::new(clusters.iter().map(ToString::to_string).collect()).unwrap();
    let aad = AadPolicy::Required { accept_without: false };
    let config = KeyConfig { name: name.to_owned(), clusters: Arc::new(clusters), aad };
    Arc::new(Key::new(config, Arc::new(Guard::new(name, kms.clone(), Limits::default(), events.clone()))))
}

pub(crate) fn call() -> Call {
    Call::within(Duration::from_secs(3))
}

pub(crate) fn seed() -> Secret {
    Secret::new(b"CANARY-CANARY-CANARY-CANARY-1234".to_vec())
}

impl Rig {
    /// A node at [`START`] that has probed nothing yet, on a key whose version 1 is old enough.
    pub(crate) fn new() -> Self {
        Self::on(Arc::new(FakeProvider::new(START - 10_000)))
    }

    /// A node on this KMS.
    pub(crate) fn on(kms: Arc<FakeProvider>) -> Self {
        Self::with(kms, &["prod-eu-1"], PromotionRule::default())
    }

    pub(crate) fn with(kms: Arc<FakeProvider>, clusters: &[&str], rule: PromotionRule) -> Self {
        let (clock, events) = (Arc::new(FakeClock::new(START)), Arc::new(Recorder::default()));
        let key = key_on(&kms, "primary", clusters, &events);
        let writer = Arc::new(Writer::new(GRACE));
        let heard: Arc<dyn Events> = events.clone();
        let ring = Keyring::new(vec![key.clone()], writer.clone(), heard.clone()).unwrap();
        let prober = Prober::new(key.clone(), writer.clone(), rule, ProbeTimes::default(), clock.clone(), heard);
        Self { kms, clock, events, key, writer, ring: Arc::new(ring), prober: Some(prober) }
    }

    /// A node whose first probe was good.
    pub(crate) async fn ready() -> Self {
        let mut rig = Self::new();
        rig.round().await.unwrap();
        rig
    }

    /// A node that writes under version 1 while version 2 is due, announced, and not used yet.
    pub(crate) async fn promoted() -> Self {
        let mut rig = Self::ready().await;
        rig.encrypt().await.unwrap();
        rig.rotate_due();
        rig.round().await.unwrap();
        assert_eq!(rig.version(), Some(2));
        rig
    }

    pub(crate) async fn round(&mut self) -> Result<(), ErrorKind> {
        self.prober.as_mut().unwrap().round().await.map_err(|error| error.kind())
    }

    /// Lets the probe run by itself from now on.
    pub(crate) fn run(&mut self) -> JoinHandle<()> {
        tokio::spawn(self.prober.take().unwrap().run())
    }

    /// Makes a version that is old enough to write.
    pub(crate) fn rotate_due(&self) -> u32 {
        use crate::Clock as _;
        self.kms.rotate(self.clock.unix_seconds() - DELAY)
    }

    pub(crate) fn version(&self) -> Option<u32> {
        self.ring.health().active.and_then(|(_, version)| version.number())
    }

    pub(crate) fn key_id(&self) -> String {
        self.ring.status().unwrap().key_id.to_string()
    }

    pub(crate) fn healthz(&self) -> String {
        self.ring.status().unwrap().healthz
    }

    pub(crate) async fn encrypt(&self) -> Result<Encrypted, ErrorKind> {
        self.ring.encrypt(Api::V2, &seed(), &call()).await.map_err(|error| error.kind())
    }

    pub(crate) async fn open(&self, ciphertext: &[u8], key_id: Option<&str>) -> Result<(), ProviderError> {
        let plaintext = self.ring.decrypt(DecryptRequest { ciphertext, key_id }, &call()).await?;
        assert!(plaintext.same_as(&seed()), "it opened to something else");
        Ok(())
    }

    pub(crate) async fn reads(&self, written: &Encrypted) -> Result<(), ErrorKind> {
        self.open(&written.ciphertext, Some(written.key_id.as_str())).await.map_err(|error| error.kind())
    }
}
