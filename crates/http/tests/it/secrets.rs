//! I9: no credential and no key material in any text that this crate makes.

use std::fmt::{Debug, Display};

use trousseau_http::{Config, HeaderName, Method, Proxies, Request, SecretHeader, Zeroizing};
use trousseau_testkit::https::Reply;

use crate::{config, origin, server};

const CANARY: &str = "canary-7f3a";

fn assert_clean(what: &impl Debug) {
    for text in [format!("{what:?}"), format!("{what:#?}")] {
        // Base64 of the canary as well.
        assert!(!text.contains("7f3a") && !text.contains("Y2FuYXJ5"), "{text}");
    }
}

fn assert_clean_error(what: &(impl Debug + Display)) {
    assert_clean(what);
    assert!(!what.to_string().contains("7f3a"), "{what}");
}

fn request(url: &str) -> Request {
    let token = SecretHeader::new(Zeroizing::new(CANARY.into())).unwrap();
    Request::new(Method::POST, &origin(url), format!("/login?token={CANARY}"))
        .secret(HeaderName::from_static("x-vault-token"), &token)
        .json(Zeroizing::new(format!("{{\"plaintext\": \"{CANARY}\"}}").into_bytes()))
}

#[tokio::test]
async fn values_are_not_in_debug_output() {
    let (ca, server) = server(|_| Reply::bytes(200, CANARY).header("X-Secret", CANARY));
    let proxies = Proxies::parse(Some("http://canary-7f3a:canary-7f3a@proxy"), None, None).unwrap();
    assert_clean(&proxies);
    let config = Config { proxies, ..config(&ca) };
    assert_clean(&config);
    let client = config.build().unwrap();
    assert_clean(&client);
    assert_clean(&SecretHeader::new(Zeroizing::new(CANARY.into())).unwrap());
    assert_clean(&request(&server.url()));
    let response = client.send(request(&server.url())).await.unwrap();
    assert_eq!(*response.body, CANARY.as_bytes());
    assert_clean(&response);
}

#[tokio::test]
async fn values_are_not_in_errors() {
    let faults = [
        Reply::close(),
        Reply::bytes(200, CANARY).cut_at(8),
        Reply::bytes(200, CANARY.repeat(100)),
        Reply::bytes(200, CANARY.repeat(100)).chunked(),
        Reply::raw(CANARY),
        Reply::raw(format!("HTTP/1.1 200 {CANARY}\r\n{CANARY} x\r\n\r\n")),
        Reply::raw(format!("HTTP/1.1 200 OK\r\nContent-Length: {CANARY}\r\n\r\n")),
        Reply::raw(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{CANARY}\r\n")),
    ];
    for fault in faults {
        let (ca, server) = server(move |_| fault.clone());
        let client = Config { max_body: 100, ..config(&ca) }.build().unwrap();
        assert_clean_error(&client.send(request(&server.url())).await.unwrap_err());
    }
}

#[test]
fn a_credential_with_a_line_feed_is_refused_unseen() {
    let error = SecretHeader::new(Zeroizing::new(format!("{CANARY}\n").into_bytes())).unwrap_err();
    assert_clean_error(&error);
    assert!(error.to_string().contains("line feeds"), "{error}");
}
