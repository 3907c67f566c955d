//! What is sent, and what of an answer's head is understood.

use std::time::Duration;

use trousseau_http::{HeaderName, HeaderValue, Method, Request, SecretHeader, Zeroizing};
use trousseau_testkit::https::Reply;

use crate::{client, get, origin, server};

const NOW: &str = "Mon, 23 Nov 2026 10:00:00 GMT";

#[tokio::test]
async fn method_path_headers_and_body_arrive_as_given() {
    let (ca, server) = server(|_| Reply::json(200, &serde_json::json!({"ok": true})));
    let address = origin(&format!("{}/behind/", server.url()));
    let token = SecretHeader::new(Zeroizing::new(b"s.token".to_vec())).unwrap();
    let request = Request::new(Method::PUT, &address, "/v1/transit/encrypt/k?x=%2F")
        .header(HeaderName::from_static("x-vault-request"), HeaderValue::from_static("true"))
        .secret(HeaderName::from_static("x-vault-token"), &token)
        .json(Zeroizing::new(b"{\"a\":1}".to_vec()));
    let response = client(&ca).send(request).await.unwrap();
    assert_eq!(*response.body, b"{\"ok\":true}");
    assert_eq!(response.header("content-type"), Some("application/json"));

    let seen = &server.requests()[0];
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("PUT", "/behind/v1/transit/encrypt/k?x=%2F"));
    assert_eq!(seen.header("Host"), Some(server.address().to_string().as_str()));
    assert_eq!(seen.header("x-vault-request"), Some("true"));
    assert_eq!(seen.header("x-vault-token"), Some("s.token"));
    assert_eq!(seen.json(), serde_json::json!({"a": 1}));
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let (ca, server) = server(|_| Reply::new(307).header("Location", "https://elsewhere.test/"));
    let response = get(&client(&ca), &server).await.unwrap();
    assert_eq!((response.status.as_u16(), server.requests().len()), (307, 1));
    assert_eq!(response.header("location"), Some("https://elsewhere.test/"));
}

#[tokio::test]
async fn retry_after_is_read_in_all_its_forms() {
    let cases = [
        ("7", Some(7)),
        (" 0 ", Some(0)),
        ("Mon, 23 Nov 2026 10:00:30 GMT", Some(30)),
        ("Monday, 23-Nov-26 10:00:30 GMT", Some(30)),
        ("Mon Nov 23 10:00:30 2026", Some(30)),
        ("Mon, 23 Nov 2026 09:00:00 GMT", Some(0)),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("99999999999999999999999", None),
    ];
    for (value, seconds) in cases {
        let (ca, server) = server(move |_| Reply::new(429).header("Date", NOW).header("Retry-After", value));
        let response = get(&client(&ca), &server).await.unwrap();
        assert_eq!(response.retry_after(), seconds.map(Duration::from_secs), "{value}");
        assert_eq!(response.date(), Some(1_795_428_000));
    }
}

#[tokio::test]
async fn without_the_headers_there_is_no_wait_and_no_date() {
    let (ca, server) = server(|_| Reply::new(503).header("Date", "yesterday"));
    let response = get(&client(&ca), &server).await.unwrap();
    assert_eq!((response.retry_after(), response.date()), (None, None));
}

#[tokio::test]
async fn without_date_our_own_clock_counts() {
    let (ca, server) = server(|_| Reply::new(503).header("Retry-After", "Fri, 31 Dec 2100 23:59:59 GMT"));
    let wait = get(&client(&ca), &server).await.unwrap().retry_after().unwrap();
    assert!(wait > Duration::from_secs(3600));
}

#[tokio::test]
async fn a_malformed_path_is_refused_before_anything_is_sent() {
    let (ca, server) = server(|_| Reply::new(200));
    for path in ["", "v1", "/with space", "/\u{e9}\n"] {
        let error = client(&ca).send(Request::new(Method::GET, &origin(&server.url()), path)).await.unwrap_err();
        assert!(error.to_string().contains("percent-encode"), "{error}");
    }
    assert_eq!(server.connections(), 0);
}
