//! An AWS KMS that is slow, silent, cut off, or not there.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use trousseau_core::{Call, ErrorKind, Provider};
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::https::{Front, Reply, ScriptedServer};

use crate::{Fake, build, seed, wrap};

#[tokio::test]
async fn broken_answers_are_outages_or_bad_answers() {
    let (fake, reply) = Fake::changing();
    let good = json!({"KeyId": crate::ARN, "CiphertextBlob": "d3JhcA=="});
    for (broken, kind) in [
        (Reply::close(), ErrorKind::Unreachable),
        (Reply::raw("HTTP/0.9 what\r\n\r\n"), ErrorKind::Unreachable),
        (Reply::json(200, &good).cut_at(3), ErrorKind::BadAnswer),
    ] {
        *reply.lock().unwrap() = broken;
        let error = wrap(&fake.provider()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{}", error.chain());
    }
}

#[tokio::test]
async fn silence_ends_at_the_first_byte_bound() {
    let (fake, reply) = Fake::changing();
    *reply.lock().unwrap() = Reply::never();
    let mut section = fake.section();
    section["timeouts"] = json!({"firstByte": "200ms"});
    let error = wrap(&build(section)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{}", error.chain());
    assert!(error.chain().contains("in time"), "{}", error.chain());
}

#[tokio::test]
async fn i8_a_call_ends_with_its_callers_time() {
    let (fake, reply) = Fake::changing();
    *reply.lock().unwrap() = Reply::never();
    let (provider, began) = (fake.provider(), Instant::now());
    let outcome = provider.wrap(&1.into(), &seed(), None, &Call::within(Duration::from_millis(300))).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Deadline);
    assert!(began.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_an_outage() {
    let (fake, _) = Fake::good();
    let silent = ScriptedServer::start(Front::Silence, |_| Reply::new(200));
    let mut section = fake.section();
    section["endpoint"] = json!(silent.url());
    section["timeouts"] = json!({"connect": "200ms"});
    assert_eq!(wrap(&build(section)).await.unwrap_err().kind(), ErrorKind::Unreachable);
}

#[tokio::test]
async fn who_is_not_aws_is_not_trusted() {
    let (fake, _) = Fake::good();
    for (ca, words) in [(TestCa::new(), ""), (TestCa::new(), "")] {
        let mut section = fake.section();
        section["tls"] = json!({"ca": ca.file()});
        let error = wrap(&build(section)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(error.chain().to_lowercase().contains("certificate"), "{}{words}", error.chain());
    }
    assert_eq!(fake.server.requests().len(), 0, "nothing was said to it");
}

#[tokio::test]
async fn nobody_at_home_is_an_outage_and_heals() {
    let (fake, reply) = Fake::changing();
    *reply.lock().unwrap() = Reply::close();
    let provider = fake.provider();
    assert_eq!(wrap(&provider).await.unwrap_err().kind(), ErrorKind::Unreachable);
    *reply.lock().unwrap() = Reply::json(200, &json!({"KeyId": crate::ARN, "CiphertextBlob": "d3JhcA=="}));
    assert!(wrap(&provider).await.is_ok());
    let mut section = fake.section();
    section["endpoint"] = json!(format!("https://127.0.0.1:{}", trousseau_cluster::free_port().unwrap()));
    let error = wrap(&build(section)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.chain().contains("refused"), "{}", error.chain());
}

#[tokio::test]
async fn the_clock_of_aws_is_compared_with_ours() {
    let fake =
        Fake::start(|_| crate::double::described(crate::ARN, None).header("Date", "Mon, 01 Jan 2024 00:00:00 GMT"));
    let seen = fake.provider().observe(&crate::call()).await.unwrap();
    assert!(seen.clock_skew.unwrap() < -60_000_000, "{:?}", seen.clock_skew);
}
