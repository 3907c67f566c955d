//! Connections are used again, and one that went stale costs a second try, not an error.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Barrier;
use trousseau_http::{Config, ErrorKind, Method, Request, Zeroizing};
use trousseau_testkit::https::Reply;

use crate::{client, config, get, origin, server};

#[tokio::test]
async fn requests_in_turn_share_one_connection() {
    let (ca, server) = server(|request| match request.number % 3 {
        0 => Reply::bytes(200, "whole"),
        1 => Reply::bytes(200, "in chunks").chunked(),
        _ => Reply::new(204),
    });
    let client = client(&ca);
    for _ in 0..30 {
        get(&client.clone(), &server).await.unwrap();
    }
    assert_eq!((server.connections(), server.requests().len()), (1, 30));
}

#[tokio::test]
async fn connections_beyond_the_idle_bound_are_closed() {
    let (ca, server) = server(|_| Reply::new(200).after(Duration::from_millis(300)));
    let client = Config { max_idle: 2, ..config(&ca) }.build().unwrap();
    let burst = || async {
        let start = Arc::new(Barrier::new(4));
        let calls = [(); 4].map(|()| {
            let (client, start) = (client.clone(), Arc::clone(&start));
            let request = Request::new(Method::GET, &origin(&server.url()), "/x");
            tokio::spawn(async move {
                start.wait().await;
                client.send(request).await.unwrap();
            })
        });
        for call in calls {
            call.await.unwrap();
        }
    };
    burst().await;
    assert_eq!(server.connections(), 4);
    burst().await;
    assert_eq!(server.connections(), 6, "two kept, two new");
}

#[tokio::test]
async fn an_old_idle_connection_is_not_used() {
    let (ca, server) = server(|_| Reply::new(200));
    let client = Config { idle_for: Duration::from_millis(20), ..config(&ca) }.build().unwrap();
    get(&client, &server).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    get(&client, &server).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_idle_is_not_used() {
    let (ca, server) = server(|_| Reply::bytes(200, "bye").then_close());
    let client = client(&ca);
    for _ in 0..10 {
        // No pause between: the close may or may not have been seen when the next request goes out.
        get(&client, &server).await.unwrap();
    }
    assert_eq!((server.connections(), server.requests().len()), (10, 10));
}

#[tokio::test]
async fn a_post_is_sent_again_when_a_used_connection_ends_without_answer() {
    let (ca, server) = server(|request| if request.number == 0 { Reply::new(200) } else { Reply::close() });
    let client = client(&ca);
    get(&client, &server).await.unwrap();
    let body = Zeroizing::new(b"{\"plaintext\": \"\"}".to_vec());
    let post = Request::new(Method::POST, &origin(&server.url()), "/encrypt").json(body);
    assert_eq!(client.send(post).await.unwrap().status, 200);
    let seen = server.requests();
    let places: Vec<_> = seen.iter().map(|r| (r.connection, r.number, r.method.as_str())).collect();
    assert_eq!(places, [(0, 0, "GET"), (0, 1, "POST"), (1, 0, "POST")]);
    assert_eq!(seen[1].body, seen[2].body);
}

#[tokio::test]
async fn the_second_try_is_the_last() {
    let (ca, server) = server(|request| match request.connection {
        0 if request.number == 0 => Reply::new(200),
        _ => Reply::close(),
    });
    let client = client(&ca);
    get(&client, &server).await.unwrap();
    assert_eq!(get(&client, &server).await.unwrap_err().kind(), ErrorKind::Cut);
    assert_eq!((server.connections(), server.requests().len()), (2, 3));
}

#[tokio::test]
async fn many_idle_connections_that_lead_nowhere_cost_one_deadline() {
    let (ca, server) = server(|request| match request.number {
        0 => Reply::new(200).after(Duration::from_millis(300)),
        _ => Reply::never(),
    });
    let mut config = config(&ca);
    config.deadlines.first_byte = Duration::from_secs(2);
    let client = config.build().unwrap();
    let calls = [(); 5].map(|()| {
        let (client, request) = (client.clone(), Request::new(Method::GET, &origin(&server.url()), "/x"));
        tokio::spawn(async move { client.send(request).await })
    });
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(server.connections(), 5);
    assert_eq!(get(&client, &server).await.unwrap_err().kind(), ErrorKind::Deadline);
    get(&client, &server).await.unwrap();
    assert_eq!(server.connections(), 6);
}
