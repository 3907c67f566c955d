//! Answers that are too large, cut short, or no answers.

use trousseau_http::{Config, ErrorKind, HttpError, Method, Request};
use trousseau_testkit::https::Reply;

use crate::{client, config, get, origin, server};

#[tokio::test]
async fn a_body_at_the_bound_is_read_and_one_over_it_is_not() {
    for chunked in [false, true] {
        let (ca, server) = server(move |request| {
            let reply = Reply::bytes(200, vec![b'x'; if request.path == "/fits" { 20_000 } else { 20_001 }]);
            if chunked { reply.chunked() } else { reply }
        });
        let client = Config { max_body: 20_000, ..config(&ca) }.build().unwrap();
        let send = |path: &str| client.send(Request::new(Method::GET, &origin(&server.url()), path));
        assert_eq!(send("/fits").await.unwrap().body.len(), 20_000);
        let error = send("/over").await.unwrap_err();
        assert!(matches!(error, HttpError::TooLarge { limit: 20_000, .. }), "{error}");
        assert_eq!(send("/fits").await.unwrap().body.len(), 20_000, "and the client goes on");
    }
}

#[tokio::test]
async fn a_hundred_megabytes_are_refused_as_soon_as_the_bound_is_passed() {
    let (ca, server) = server(|_| Reply::enormous(100_000_000).chunked());
    let error = get(&client(&ca), &server).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("1000000 bytes"), "{error}");
}

#[tokio::test]
async fn an_announced_length_is_not_believed_with_memory() {
    let (ca, server) = server(|_| Reply::enormous(u64::MAX / 2));
    assert_eq!(get(&client(&ca), &server).await.unwrap_err().kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn a_body_cut_short_is_no_answer() {
    for chunked in [false, true] {
        let (ca, server) = server(move |_| {
            let reply = Reply::bytes(200, "{\"data\": {}}").cut_at(5);
            if chunked { reply.chunked() } else { reply }
        });
        let error = get(&client(&ca), &server).await.unwrap_err();
        assert!(matches!(error, HttpError::Cut { what: "inside its answer", .. }), "{error}");
        assert_eq!(server.requests().len(), 1, "an answer that began is no reason to send again");
    }
}

#[tokio::test]
async fn a_connection_closed_without_answer_is_cut_and_not_asked_again() {
    let (ca, server) = server(|_| Reply::close());
    let error = get(&client(&ca), &server).await.unwrap_err();
    assert!(matches!(error, HttpError::Cut { what: "before its answer", .. }), "{error}");
    assert_eq!((server.connections(), server.requests().len()), (1, 1));
}

#[tokio::test]
async fn garbage_is_named_as_no_http_and_not_shown() {
    for garbage in ["SSH-2.0-canary-7f3a\r\n\r\n", "HTTP/1.1 200 OK\r\ncanary 7f3a\r\n\r\n"] {
        let (ca, server) = server(move |_| Reply::raw(garbage));
        let error = get(&client(&ca), &server).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotHttp, "{error}");
        assert!(!format!("{error} {error:?}").contains("7f3a"));
    }
}

#[tokio::test]
async fn an_endless_head_is_no_answer() {
    let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(200_000));
    let (ca, server) = server(move |_| Reply::raw(head.clone()));
    assert_eq!(get(&client(&ca), &server).await.unwrap_err().kind(), ErrorKind::NotHttp);
}

#[tokio::test]
async fn nobody_listening_and_unknown_names_are_told_apart() {
    let (ca, gone) = server(|_| Reply::new(200));
    let url = gone.url();
    drop(gone);
    let send = |url: &str| {
        let request = Request::new(Method::GET, &origin(url), "/");
        let client = client(&ca);
        async move { client.send(request).await.unwrap_err() }
    };
    let refused = send(&url).await;
    assert_eq!(refused.kind(), ErrorKind::Connect);
    assert!(refused.to_string().contains("listens on that port"), "{refused}");
    let unknown = send("https://no-such-host.invalid").await;
    assert_eq!(unknown.kind(), ErrorKind::Connect);
    let text = unknown.to_string();
    assert!(text.contains("no-such-host.invalid:443") && text.contains("DNS"), "{text}");
}
