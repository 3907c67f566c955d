//! A multi-Region key: which region is asked, and what their answers come to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use trousseau_aws::AwsProvider;
use trousseau_core::{Call, ErrorKind, Provider};
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::https::{Front, Reply, ScriptedServer};

use crate::double::{Double, described};
use crate::{MATERIAL, build, call, refusal, seed, unwrap, wrap};

const HERE: &str = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";
const THERE: &str = "arn:aws:kms:eu-central-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";

/// What a region answers instead of what it should.
type Fault = Arc<Mutex<Option<Reply>>>;

struct Two {
    ca: TestCa,
    servers: [ScriptedServer; 2],
    faults: [Fault; 2],
}

impl Two {
    fn start() -> Self {
        let ca = TestCa::new();
        let faults: [Fault; 2] = Default::default();
        let start = |arn: &str, fault: &Fault| {
            let (double, fault) = (Double::new(arn, MATERIAL), Arc::clone(fault));
            ScriptedServer::start(Front::tls(&ca.server(&["127.0.0.1"])), move |request| {
                fault.lock().unwrap().clone().unwrap_or_else(|| double.answer(request))
            })
        };
        let servers = [start(HERE, &faults[0]), start(THERE, &faults[1])];
        let text = "[default]\naws_access_key_id = AKIATEST\naws_secret_access_key = x\n";
        std::fs::write(ca.folder().join("credentials"), text).unwrap();
        Self { ca, servers, faults }
    }

    fn provider(&self) -> AwsProvider {
        build(json!({
            "key": HERE,
            "endpoint": self.servers[0].url(),
            "replicas": [{"region": "eu-central-1", "endpoint": self.servers[1].url()}],
            "credentialsFile": self.ca.folder().join("credentials"),
            "tls": {"ca": self.ca.file()},
            "timeouts": {"connect": "20s", "firstByte": "20s"},
        }))
    }

    fn fail(&self, region: usize, reply: impl Into<Option<Reply>>) {
        *self.faults[region].lock().unwrap() = reply.into();
    }

    /// Requests so far.
    fn counts(&self) -> [usize; 2] {
        [0, 1].map(|at| self.servers[at].requests().len())
    }
}

#[tokio::test]
async fn the_own_region_is_asked_and_each_by_its_own_name() {
    let two = Two::start();
    let provider = two.provider();
    let wrapped = wrap(&provider).await.unwrap();
    assert_eq!(two.counts(), [1, 0]);
    two.fail(0, Reply::close());
    assert!(unwrap(&provider, &wrapped.bytes).await.unwrap().plaintext.same_as(&seed()), "material is shared");
    let there = two.servers[1].requests().pop().unwrap();
    assert_eq!(there.json()["KeyId"], THERE);
    assert!(there.header("authorization").unwrap().contains("/eu-central-1/kms/"));
}

#[tokio::test]
async fn a_region_that_failed_is_asked_last_until_a_probe_finds_it_well() {
    for outage in [Reply::close(), Reply::new(503), refusal(400, "ThrottlingException", "")] {
        let two = Two::start();
        let provider = two.provider();
        two.fail(0, outage);
        for _ in 0..3 {
            wrap(&provider).await.unwrap();
        }
        assert_eq!(two.counts(), [1, 3], "its callers don't wait for it again and again");
        provider.observe(&call()).await.unwrap();
        let lines = provider.report();
        assert!(!lines[0].0 && lines[0].1.starts_with("eu-west-1: "), "{lines:?}");
        assert_eq!(lines[1], (true, "eu-central-1".to_owned()));
        two.fail(0, None);
        provider.observe(&call()).await.unwrap();
        assert!(provider.report().iter().all(|(good, _)| *good));
        let before = two.counts();
        wrap(&provider).await.unwrap();
        assert_eq!(two.counts(), [before[0] + 1, before[1]]);
    }
}

#[tokio::test]
async fn a_silent_region_leaves_time_for_the_other() {
    let two = Two::start();
    let provider = two.provider();
    two.fail(0, Reply::never());
    let call = Call::within(Duration::from_secs(4));
    assert!(provider.wrap(&1.into(), &seed(), None, &call).await.is_ok());
}

/// A replica that was never made says `NotFound`: that is not the end of the key while its own region is out.
#[tokio::test]
async fn a_refusal_decides_nothing_while_a_region_is_out() {
    for refused in [
        refusal(400, "NotFoundException", "Key does not exist"),
        refusal(400, "DisabledException", ""),
        refusal(400, "AccessDeniedException", ""),
    ] {
        let two = Two::start();
        let provider = two.provider();
        two.fail(0, Reply::close());
        two.fail(1, refused);
        for _ in 0..2 {
            assert_eq!(wrap(&provider).await.unwrap_err().kind(), ErrorKind::Unreachable);
            assert_eq!(unwrap(&provider, b"wrap").await.unwrap_err().kind(), ErrorKind::Unreachable);
            assert_eq!(provider.observe(&call()).await.unwrap_err().kind(), ErrorKind::Unreachable);
            assert_eq!(provider.presence(&call()).await.unwrap_err().kind(), ErrorKind::Unreachable);
        }
    }
}

/// An outage counts for the breaker, which would then shut out the good records too.
#[tokio::test]
async fn a_tampered_record_is_one_whichever_region_is_out() {
    for out in [0, 1] {
        let two = Two::start();
        let provider = two.provider();
        let good = wrap(&provider).await.unwrap().bytes;
        two.fail(out, Reply::close());
        for _ in 0..2 {
            assert_eq!(unwrap(&provider, b"tampered").await.unwrap_err().kind(), ErrorKind::Unauthentic);
            assert!(unwrap(&provider, &good).await.is_ok());
        }
        two.fail(1 - out, refusal(400, "MalformedCiphertextException", ""));
        assert_eq!(unwrap(&provider, b"tampered").await.unwrap_err().kind(), ErrorKind::Malformed);
    }
}

#[tokio::test]
async fn a_tampered_record_is_asked_for_in_one_region() {
    let two = Two::start();
    assert_eq!(unwrap(&two.provider(), b"tampered").await.unwrap_err().kind(), ErrorKind::Unauthentic);
    assert_eq!(two.counts(), [1, 0]);
}

#[tokio::test]
async fn what_all_regions_refuse_is_refused_as_the_own_one_does() {
    let two = Two::start();
    let provider = two.provider();
    two.fail(0, refusal(400, "DisabledException", ""));
    two.fail(1, refusal(400, "NotFoundException", ""));
    assert_eq!(wrap(&provider).await.unwrap_err().kind(), ErrorKind::Disabled);
    assert_eq!(provider.observe(&call()).await.unwrap_err().kind(), ErrorKind::Disabled);
    two.fail(0, refusal(400, "NotFoundException", ""));
    assert_eq!(provider.presence(&call()).await.unwrap_err().kind(), ErrorKind::Gone);
}

#[tokio::test]
async fn one_good_answer_is_enough_and_who_refused_is_asked_last() {
    for refused in ["DisabledException", "NotFoundException", "AccessDeniedException"] {
        let two = Two::start();
        let provider = two.provider();
        two.fail(0, refusal(400, refused, ""));
        let wrapped = wrap(&provider).await.unwrap();
        assert!(unwrap(&provider, &wrapped.bytes).await.is_ok());
        assert_eq!(two.counts(), [1, 2], "{refused}: no second call begins with a refusal");
        assert!(provider.observe(&call()).await.is_ok());
        assert!(!provider.report()[0].0, "and what is wrong shows");
        two.fail(0, None);
        provider.observe(&call()).await.unwrap();
        let before = two.counts();
        assert!(unwrap(&provider, &wrapped.bytes).await.is_ok());
        assert_eq!(two.counts(), [before[0] + 1, before[1]], "{refused}: well again");
    }
}

/// A probe that finds the key refused there does not put the region first again; one that may not look says nothing.
#[tokio::test]
async fn a_probe_keeps_a_region_last_that_refuses_the_key() {
    for (refused, own) in [("DisabledException", 0), ("AccessDeniedException", 1)] {
        let two = Two::start();
        let provider = two.provider();
        two.fail(0, refusal(400, refused, ""));
        wrap(&provider).await.unwrap();
        provider.observe(&call()).await.unwrap();
        let before = two.counts();
        wrap(&provider).await.unwrap();
        assert_eq!(two.counts(), [before[0] + own, before[1] + 1], "{refused}");
    }
}

/// The own region's word counts where both describe the key.
#[tokio::test]
async fn the_own_region_names_the_material() {
    let two = Two::start();
    two.fail(1, described(THERE, Some("lagging")));
    for _ in 0..5 {
        let seen = two.provider().observe(&call()).await.unwrap();
        assert_eq!(seen.versions[0].version.to_string(), MATERIAL);
    }
}
