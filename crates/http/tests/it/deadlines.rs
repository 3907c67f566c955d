//! Each phase has its own bound, and none outlasts the whole.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use trousseau_http::{Client, Config, Deadlines, ErrorKind, HttpError, Method, Phase, Proxies, Request, Zeroizing};
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::https::{Front, Reply, ScriptedServer};

use crate::{config, get, origin, refusal, server};

const SHORT: Duration = Duration::from_millis(150);

fn hurried(ca: &TestCa, hurry: impl FnOnce(&mut Deadlines)) -> Client {
    let mut config = config(ca);
    hurry(&mut config.deadlines);
    config.build().unwrap()
}

fn assert_ran_out(error: &HttpError, expected: Phase, began: Instant) {
    assert!(matches!(error, HttpError::Deadline { phase, .. } if *phase == expected), "{error}");
    assert_eq!(error.kind(), ErrorKind::Deadline);
    let took = began.elapsed();
    assert!(took >= SHORT - Duration::from_millis(50) && took < Duration::from_secs(10), "{took:?}");
}

/// A listener whose backlog is full: the next SYN gets no answer.
fn deaf() -> (std::net::SocketAddr, Vec<std::net::TcpStream>, std::net::TcpListener) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200));
    let filling = std::iter::from_fn(|| connect().ok()).take(100_000).collect();
    (address, filling, listener)
}

#[tokio::test]
async fn a_host_that_does_not_answer_ends_in_connect() {
    let (address, _filling, _listener) = tokio::task::spawn_blocking(deaf).await.unwrap();
    let client = hurried(&TestCa::new(), |d| d.connect = SHORT);
    let began = Instant::now();
    let request = Request::new(Method::GET, &origin(&format!("https://{address}")), "/");
    assert_ran_out(&client.send(request).await.unwrap_err(), Phase::Connect, began);
}

#[tokio::test]
async fn a_proxy_that_says_nothing_ends_in_connect() {
    let proxy = ScriptedServer::start(Front::Silence, |_| Reply::never());
    let proxies = Proxies::parse(Some(&proxy.address().to_string()), None, None).unwrap();
    let ca = TestCa::new();
    let mut config = Config { proxies, ..config(&ca) };
    config.deadlines.connect = SHORT;
    let began = Instant::now();
    let request = Request::new(Method::GET, &origin("https://vault.test"), "/");
    assert_ran_out(&config.build().unwrap().send(request).await.unwrap_err(), Phase::Connect, began);
}

#[tokio::test]
async fn a_stalled_handshake_ends_in_handshake() {
    let ca = TestCa::new();
    let server = ScriptedServer::start(Front::Silence, |_| Reply::never());
    let client = hurried(&ca, |d| d.handshake = SHORT);
    let began = Instant::now();
    assert_ran_out(&get(&client, &server).await.unwrap_err(), Phase::Handshake, began);
}

#[tokio::test]
async fn a_server_that_never_answers_ends_in_first_byte() {
    let (ca, server) = server(|_| Reply::never());
    let client = hurried(&ca, |d| d.first_byte = SHORT);
    let began = Instant::now();
    let error = get(&client, &server).await.unwrap_err();
    assert_ran_out(&error, Phase::FirstByte, began);
    assert!(error.to_string().contains("took longer than 0.15 s to begin its answer"), "{error}");
    assert_eq!(server.requests().len(), 1, "a deadline is no reason to send again");
}

#[tokio::test]
async fn a_dripping_body_is_ended_by_the_whole() {
    let (ca, server) = server(|_| Reply::bytes(200, vec![b'x'; 10_000]).drip(1, Duration::from_millis(20)));
    let client = hurried(&ca, |d| d.whole = Duration::from_millis(600));
    let began = Instant::now();
    assert_ran_out(&get(&client, &server).await.unwrap_err(), Phase::Body, began);
}

#[tokio::test]
async fn the_whole_also_bounds_the_phases_before_the_body() {
    let (ca, server) = server(|_| Reply::never());
    let client = hurried(&ca, |d| d.whole = Duration::from_millis(600));
    let began = Instant::now();
    assert_ran_out(&get(&client, &server).await.unwrap_err(), Phase::FirstByte, began);
}

#[tokio::test]
async fn a_slow_answer_within_its_bounds_is_an_answer() {
    let (ca, server) = server(|_| Reply::bytes(200, "slow").after(SHORT).drip(1, Duration::from_millis(20)));
    assert_eq!(*get(&hurried(&ca, |_| ()), &server).await.unwrap().body, b"slow");
}

#[tokio::test]
async fn a_caller_who_gives_up_closes_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = origin(&format!("http://{}", listener.local_addr().unwrap()));
    let client = Config { plain_http: true, ..config(&TestCa::new()) }.build().unwrap();
    let call = tokio::spawn(async move { client.send(Request::new(Method::GET, &address, "/")).await });
    let (mut stream, _) = listener.accept().await.unwrap();
    assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
    call.abort();
    assert_eq!(stream.read(&mut [0; 1024]).await.unwrap(), 0, "end of stream");
}

#[tokio::test]
async fn a_server_that_stops_reading_leaves_nothing_running_here() {
    let ca = TestCa::new();
    let Front::Tls(tls) = Front::tls(&ca.server(&["127.0.0.1"])) else { unreachable!() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = origin(&format!("https://{}", listener.local_addr().unwrap()));
    let server = tokio::spawn(async move {
        let session = TlsAcceptor::from(tls).accept(listener.accept().await.unwrap().0).await.unwrap();
        std::future::pending::<()>().await;
        drop(session);
    });
    let client = hurried(&ca, |d| d.first_byte = SHORT);
    // More than the socket buffers take: not even a goodbye can be written any more.
    let request = Request::new(Method::POST, &address, "/").body(Zeroizing::new(vec![b'x'; 64_000_000]));
    assert_eq!(client.send(request).await.unwrap_err().kind(), ErrorKind::Deadline);
    for _ in 0..100 {
        if Handle::current().metrics().num_alive_tasks() == 1 {
            return server.abort();
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("the connection's task goes on");
}

#[test]
fn times_that_make_no_sense_are_refused_at_build() {
    let ca = TestCa::new();
    let mut config = config(&ca);
    config.deadlines.handshake = Duration::ZERO;
    assert!(refusal(&config).contains("handshake time of 0ns"));
    config.deadlines.handshake = Duration::MAX;
    assert!(refusal(&config).contains("at most an hour"));
}
