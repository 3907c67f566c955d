//! AWS's rotation as Kubernetes sees it: the provider below core's key, guard, probe and keyring.

use std::sync::Arc;
use std::time::Duration;

use trousseau_core::envelope::{Clusters, Header};
use trousseau_core::events::{Event, Events};
use trousseau_core::guard::{Guard, Limits};
use trousseau_core::probe::{ProbeTimes, Prober};
use trousseau_core::promotion::PromotionRule;
use trousseau_core::{
    AadPolicy, Api, DecryptRequest, Encrypted, ErrorKind, Key, KeyConfig, Keyring, SystemClock, Writer,
};

use crate::double::Double;
use crate::{Fake, MATERIAL, call, seed};

struct Quiet;

impl Events for Quiet {
    fn on(&self, _: &Event<'_>) {}
}

/// One node.
struct Node {
    ring: Arc<Keyring>,
    prober: Prober,
}

impl Node {
    fn new(fake: &Fake) -> Self {
        let events: Arc<dyn Events> = Arc::new(Quiet);
        let guard = Guard::new("aws", Arc::new(fake.provider()), Limits::default(), events.clone());
        let clusters = Arc::new(Clusters::new(vec!["prod-eu-1".to_owned()]).unwrap());
        let aad = AadPolicy::Required { accept_without: false };
        let key = Arc::new(Key::new(KeyConfig { name: "aws".to_owned(), clusters, aad }, Arc::new(guard)));
        let writer = Arc::new(Writer::new(Duration::from_secs(120)));
        let ring = Arc::new(Keyring::new(vec![key.clone()], writer.clone(), events.clone()).unwrap());
        let (rule, times) = (PromotionRule::default(), ProbeTimes::default());
        Self { ring, prober: Prober::new(key, writer, rule, times, Arc::new(SystemClock), events) }
    }

    async fn ready(fake: &Fake) -> Self {
        let mut node = Self::new(fake);
        node.prober.round().await.unwrap();
        node
    }

    fn key_id(&self) -> String {
        self.ring.status().unwrap().key_id.to_string()
    }

    async fn encrypt(&self) -> Result<Encrypted, ErrorKind> {
        self.ring.encrypt(Api::V2, &seed(), &call()).await.map_err(|error| error.kind())
    }

    async fn reads(&self, written: &Encrypted) -> bool {
        let request = DecryptRequest { ciphertext: &written.ciphertext, key_id: Some(written.key_id.as_str()) };
        self.ring.decrypt(request, &call()).await.is_ok_and(|plaintext| plaintext.same_as(&seed()))
    }
}

fn named(double: &Double, material: &str) {
    double.change(|state| state.material = material.to_owned());
}

/// Computed by another program, from the fields that the design fixes.
#[tokio::test]
async fn i3_the_key_id_is_the_golden_one_on_every_node() {
    let (fake, double) = Fake::good();
    let (one, other) = (Node::ready(&fake).await, Node::ready(&fake).await);
    assert_eq!(
        (one.key_id().as_str(), other.key_id().as_str()),
        ("t1.JtdmHnprkRA3Lnvwl73pkA", "t1.JtdmHnprkRA3Lnvwl73pkA")
    );
    let written = one.encrypt().await.unwrap();
    assert!(other.reads(&written).await);
    assert_eq!(Header::parse(&written.ciphertext).unwrap().0.version.to_string(), MATERIAL);
    double.change(|state| state.names = false);
    assert_eq!(Node::ready(&fake).await.key_id(), "t1.kjg8Ue5NOcaAjn3yBpwlQg");
}

#[tokio::test]
async fn i2_a_rotation_fails_one_encrypt_and_then_shows_in_key_id() {
    let (fake, double) = Fake::good();
    let mut node = Node::ready(&fake).await;
    let (before, old) = (node.key_id(), node.encrypt().await.unwrap());
    named(&double, "second");
    assert_eq!(node.encrypt().await, Err(ErrorKind::WrongVersion), "nothing is answered under the old id");
    node.prober.round().await.unwrap();
    assert_ne!(node.key_id(), before);
    let new = node.encrypt().await.unwrap();
    assert_eq!(new.key_id.as_str(), node.key_id());
    assert!(node.reads(&old).await && node.reads(&new).await);
    let late = Node::ready(&fake).await;
    assert_eq!(late.key_id(), node.key_id(), "a node that joins later says the same");
    assert!(late.reads(&old).await && late.reads(&new).await);
}

#[tokio::test]
async fn the_right_to_describe_changes_no_key_id() {
    let (fake, double) = Fake::good();
    let with = Node::ready(&fake).await;
    double.change(|state| state.may_describe = false);
    let mut without = Node::ready(&fake).await;
    assert_eq!(without.key_id(), with.key_id());
    assert!(without.reads(&with.encrypt().await.unwrap()).await);
    let before = without.key_id();
    named(&double, "second");
    without.prober.round().await.unwrap();
    assert_ne!(without.key_id(), before, "a rotation is seen all the same");
    assert!(without.encrypt().await.is_ok());
    let lines = without.ring.keys()[0].report();
    assert!(lines.iter().any(|(_, line)| line.contains("kms:DescribeKey is not allowed")), "{lines:?}");
}

/// KMS is eventually consistent: for some minutes its parts may disagree about which material is the current one.
#[tokio::test]
async fn what_wraps_counts_while_the_description_lags_and_nothing_flaps() {
    let (fake, double) = Fake::good();
    let mut node = Node::ready(&fake).await;
    double.change(|state| {
        state.described = Some(MATERIAL.to_owned());
        state.material = "second".to_owned();
    });
    let mut ids = Vec::new();
    for _ in 0..3 {
        node.prober.round().await.unwrap();
        ids.push(node.key_id());
        assert!(node.encrypt().await.is_ok());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    // And the other way round: an old node of KMS wraps again.
    double.change(|state| {
        state.described = None;
        state.material = MATERIAL.to_owned();
    });
    assert!(node.prober.round().await.is_err());
    assert_eq!((node.key_id(), node.encrypt().await), (ids[0].clone(), Err(ErrorKind::WrongVersion)));
    named(&double, "second");
    node.prober.round().await.unwrap();
    assert_eq!(node.key_id(), ids[0]);
}

#[tokio::test]
async fn where_no_material_has_a_name_the_arn_is_all_and_that_is_said() {
    let (fake, double) = Fake::good();
    double.change(|state| state.names = false);
    let mut node = Node::ready(&fake).await;
    let before = node.key_id();
    let written = node.encrypt().await.unwrap();
    assert_eq!(Header::parse(&written.ciphertext).unwrap().0.version, 1.into());
    let lines = node.ring.keys()[0].report();
    assert!(lines.iter().any(|(_, line)| line.contains("made of the ARN alone")), "{lines:?}");
    named(&double, "second");
    node.prober.round().await.unwrap();
    assert_eq!(node.key_id(), before);
    // AWS begins to tell it: one new id, and the old records stay readable.
    double.change(|state| state.names = true);
    node.prober.round().await.unwrap();
    assert_ne!(node.key_id(), before);
    assert!(node.reads(&written).await);
}

#[tokio::test]
async fn a_disabled_key_stops_encryption_and_an_enabled_one_resumes() {
    let (fake, double) = Fake::good();
    let cell = Arc::new(std::sync::Mutex::new(false));
    let (inside, disabled) = (Arc::clone(&double), Arc::clone(&cell));
    let fake = Fake {
        server: crate::ScriptedServer::start(crate::Front::tls(&fake.ca.server(&["127.0.0.1"])), move |request| {
            if *disabled.lock().unwrap() {
                crate::refusal(400, "DisabledException", "is disabled.")
            } else {
                inside.answer(request)
            }
        }),
        ca: fake.ca,
    };
    let mut node = Node::ready(&fake).await;
    let written = node.encrypt().await.unwrap();
    *cell.lock().unwrap() = true;
    assert!(node.prober.round().await.is_err());
    assert!(node.ring.status().is_err(), "Status answers an error, so that writes end");
    assert_eq!(node.encrypt().await, Err(ErrorKind::Stopped));
    *cell.lock().unwrap() = false;
    node.prober.round().await.unwrap();
    assert!(node.reads(&written).await && node.encrypt().await.is_ok());
}
