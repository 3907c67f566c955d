//! http:// only with consent.

use trousseau_http::{Config, ErrorKind, HttpError};
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::https::{Front, Reply, ScriptedServer};

use crate::{client, config, get, origin};

#[tokio::test]
async fn without_consent_it_is_refused_before_a_connection() {
    let server = ScriptedServer::start(Front::Plain, |_| Reply::new(200));
    let client = client(&TestCa::new());
    let at_start = client.check(&origin(&server.url())).unwrap_err();
    let at_send = get(&client, &server).await.unwrap_err();
    let text = |error: &HttpError| {
        assert_eq!(error.kind(), ErrorKind::Invalid);
        error.to_string()
    };
    assert_eq!(text(&at_start), text(&at_send));
    assert!(text(&at_start).contains("plain text; write https://, or consent"), "{at_start}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn with_consent_it_is_spoken() {
    let server = ScriptedServer::start(Front::Plain, |_| Reply::bytes(200, "plain"));
    let client = Config { plain_http: true, ..config(&TestCa::new()) }.build().unwrap();
    client.check(&origin(&server.url())).unwrap();
    assert_eq!(*get(&client, &server).await.unwrap().body, b"plain");
}

#[test]
fn a_host_that_tls_cannot_name_is_refused_at_check() {
    let error = client(&TestCa::new()).check(&origin("https://-vault-")).unwrap_err();
    assert!(error.to_string().contains("`-vault-` is no host name"), "{error}");
}
