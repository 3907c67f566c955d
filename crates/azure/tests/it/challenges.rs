//! 401 and what the vault asks for then: followed for this vault only.

use std::sync::atomic::{AtomicUsize, Ordering};

use trousseau_core::{ErrorKind, Provider};
use trousseau_testkit::https::Reply;

use super::{Fixture, Request, call, opens, wrap};

#[tokio::test]
async fn a_revoked_token_is_replaced_once_it_is_old_enough_to_be_worth_it() {
    let fixture = Fixture::vault();
    let provider = fixture.provider();
    let wrapped = wrap(&provider).await.unwrap();
    fixture.azure.revoke();
    let error = super::unwrap(&provider, &wrapped).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "a token of a moment ago is not replaced: logins are throttled");
    assert_eq!(fixture.count("/oauth2/"), 1);
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(11)).await;
    tokio::time::resume();
    opens(&provider, &wrapped).await;
    assert_eq!(fixture.count("/oauth2/"), 2);
}

#[tokio::test]
async fn a_challenge_for_somebody_elses_service_is_not_followed() {
    let fixture = Fixture::vault();
    fixture.azure.resource("https://management.azure.com");
    let error = fixture.provider().presence(&call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.chain().contains("`https://management.azure.com`, which is not its own"), "{}", error.chain());
    let logins: Vec<_> = fixture.server.requests().into_iter().filter(|it| it.path.contains("/oauth2/")).collect();
    assert_eq!(logins.len(), 1);
    let form = String::from_utf8_lossy(&logins[0].body).into_owned();
    assert!(form.contains("vault.azure.net") && !form.contains("management"), "nothing was asked for the foreigner");
}

/// Without `resource`, on a host of no known cloud: the challenge would have to name the host's own domain.
#[tokio::test]
async fn on_an_unknown_host_nothing_is_sent_before_the_challenge_was_checked() {
    let fixture = Fixture::vault();
    let provider = fixture.with(|section| {
        section.as_object_mut().unwrap().remove("resource");
    });
    let error = provider.presence(&call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{}", error.chain());
    assert!(error.chain().contains("set `resource`"), "{}", error.chain());
    assert_eq!(fixture.count("/oauth2/"), 0);
    let sent = fixture.server.requests();
    assert!(sent.iter().all(|request| request.header("authorization").is_none() && request.body.is_empty()));
}

#[tokio::test]
async fn a_vault_without_a_challenge_is_named() {
    let fixture = Fixture::vault().lying(|_| Some(Reply::new(200)));
    let provider = fixture.with(|section| {
        section.as_object_mut().unwrap().remove("resource");
    });
    let error = provider.presence(&call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unusable);
    assert!(error.chain().contains("set `resource`"), "{}", error.chain());
}

#[tokio::test]
async fn a_vault_of_another_tenant_is_named() {
    let other = "11111111-2222-3333-4444-555555555555";
    let fixture = Fixture::vault().lying(move |request: &Request| {
        let challenge =
            format!(r#"Bearer authorization="https://login.windows.net/{other}", resource="https://vault.azure.net""#);
        let vault = request.path.starts_with("/keys/");
        vault.then(|| Reply::new(401).header("WWW-Authenticate", &challenge))
    });
    let error = fixture.provider().presence(&call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.chain().contains(&format!("belongs to tenant {other}")), "{}", error.chain());
}

#[tokio::test]
async fn a_link_to_the_next_page_never_takes_the_token_elsewhere() {
    let elsewhere = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&elsewhere);
    let attacker = trousseau_testkit::https::ScriptedServer::start(trousseau_testkit::https::Front::Plain, move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Reply::new(500)
    });
    for link in
        ["{}/keys/k/versions?api-version=7.4&$skiptoken=1", "{}/secrets/x?y", "nonsense", "https://h/keys/k/versions"]
    {
        let link = link.replace("{}", &attacker.url());
        let fixture = Fixture::vault().lying(move |request: &Request| {
            let first = request.path.contains("/keys/k/versions") && !request.path.contains("skiptoken");
            let good = request.header("authorization").is_some();
            (first && good).then(|| Reply::json(200, &serde_json::json!({"value": [], "nextLink": link})))
        });
        let result = fixture.provider().observe(&call()).await;
        if let Err(error) = result {
            assert_eq!(error.kind(), ErrorKind::BadAnswer, "{}", error.chain());
        }
    }
    assert_eq!(elsewhere.load(Ordering::Relaxed), 0);
}
