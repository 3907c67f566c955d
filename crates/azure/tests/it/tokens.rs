//! Tokens: kept, renewed ahead of time by one caller, and never waited for twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use trousseau_core::{ErrorKind, Provider};
use trousseau_testkit::https::Reply;

use super::{Fixture, Request, call, opens, shared, wrap};

/// Moves the process's clock and the double's together.
async fn pass(fixture: &Fixture, seconds: u64) {
    fixture.azure.advance(i64::try_from(seconds).unwrap());
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn many_calls_at_once_log_in_once() {
    let fixture = Fixture::vault();
    let provider = shared(fixture.provider());
    let mut calls = JoinSet::new();
    for _ in 0..32 {
        let provider = Arc::clone(&provider);
        calls.spawn(async move { provider.presence(&call()).await.unwrap() });
    }
    calls.join_all().await;
    assert_eq!(fixture.count("/oauth2/"), 1);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_not_sooner() {
    let fixture = Fixture::vault();
    let provider = fixture.provider();
    provider.presence(&call()).await.unwrap();
    pass(&fixture, 3000).await;
    provider.presence(&call()).await.unwrap();
    assert_eq!(fixture.count("/oauth2/"), 1, "ten minutes are left");
    pass(&fixture, 400).await;
    provider.presence(&call()).await.unwrap();
    assert_eq!(fixture.count("/oauth2/"), 2, "three minutes are left");
    provider.presence(&call()).await.unwrap();
    assert_eq!(fixture.count("/oauth2/"), 2);
}

#[tokio::test]
async fn a_renewal_that_fails_leaves_the_token_in_use_and_is_not_repeated_at_once() {
    let down = Arc::new(AtomicBool::new(false));
    let inside = Arc::clone(&down);
    let fixture = Fixture::vault().lying(move |request: &Request| {
        (inside.load(Ordering::Relaxed) && request.path.contains("/oauth2/")).then(|| Reply::new(503))
    });
    let provider = fixture.provider();
    let wrapped = wrap(&provider).await.unwrap();
    down.store(true, Ordering::Relaxed);
    pass(&fixture, 3400).await;
    for _ in 0..5 {
        opens(&provider, &wrapped).await;
    }
    assert_eq!(fixture.count("/oauth2/"), 2);
    pass(&fixture, 31).await;
    opens(&provider, &wrapped).await;
    assert_eq!(fixture.count("/oauth2/"), 3);
    pass(&fixture, 200).await;
    let error = super::unwrap(&provider, &wrapped).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server, "now it has ended: {}", error.chain());
    down.store(false, Ordering::Relaxed);
    opens(&provider, &wrapped).await;
}

/// The one who renews waits for a slow login; the others go on with the token that still lives.
#[tokio::test]
async fn nobody_waits_for_anothers_renewal() {
    let slow = Arc::new(AtomicBool::new(false));
    let inside = Arc::clone(&slow);
    let fixture = Fixture::vault();
    let azure = fixture.azure.clone();
    let fixture = fixture.lying(move |request: &Request| {
        let login = inside.load(Ordering::Relaxed) && request.path.contains("/oauth2/");
        login.then(|| azure.answer(request).after(Duration::from_secs(6)))
    });
    let provider = shared(fixture.provider());
    provider.presence(&call()).await.unwrap();
    slow.store(true, Ordering::Relaxed);
    pass(&fixture, 3400).await;
    let renewing = tokio::spawn({
        let provider = Arc::clone(&provider);
        async move { provider.presence(&call()).await }
    });
    while fixture.count("/oauth2/") < 2 {
        tokio::task::yield_now().await;
    }
    let began = Instant::now();
    for _ in 0..5 {
        provider.presence(&call()).await.unwrap();
    }
    assert!(!renewing.is_finished(), "the others took {:?}, as long as the renewal", began.elapsed());
    renewing.await.unwrap().unwrap();
}

#[tokio::test]
async fn calls_that_wait_for_one_failing_login_share_its_failure() {
    let fixture = Fixture::vault().lying(|request: &Request| {
        request.path.contains("/oauth2/").then(|| Reply::new(500).after(Duration::from_millis(300)))
    });
    let provider = shared(fixture.provider());
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let provider = Arc::clone(&provider);
        calls.spawn(async move { provider.presence(&call()).await.unwrap_err().kind() });
    }
    assert!(calls.join_all().await.iter().all(|kind| *kind == ErrorKind::Server));
    assert_eq!(fixture.count("/oauth2/"), 1);
}

#[tokio::test]
async fn what_is_left_of_the_token_is_told() {
    let fixture = Fixture::vault();
    fixture.azure.token_life(600);
    let left = fixture.provider().observe(&call()).await.unwrap().credential_ttl.unwrap();
    assert!((Duration::from_secs(500)..Duration::from_secs(600)).contains(&left), "{left:?}");
}
