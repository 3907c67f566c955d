//! Requests through a proxy that the test plays itself.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use trousseau_http::{Client, Config, ErrorKind, HttpError, Method, Proxies, Request, Response};
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::https::{Front, Reply, ScriptedServer};

use crate::{config, origin};

/// Answers CONNECT with `answer` and leads to `to`, whatever name it was asked for. Gives its address and what it read.
async fn proxy(answer: &'static str, to: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let log = Arc::new(Mutex::new(Vec::new()));
    let heads = Arc::clone(&log);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.unwrap() > 0 {}
            heads.lock().unwrap().push(String::from_utf8(head).unwrap());
            stream.write_all(answer.as_bytes()).await.unwrap();
            if answer.contains(" 200 ") {
                let mut server = TcpStream::connect(to).await.unwrap();
                tokio::spawn(async move { copy_bidirectional(&mut stream, &mut server).await });
            }
        }
    });
    (address, log)
}

fn through(ca: &TestCa, proxy: &str) -> Client {
    let proxies = Proxies::parse(Some(proxy), Some(proxy), Some("direct.test")).unwrap();
    Config { proxies, plain_http: true, ..config(ca) }.build().unwrap()
}

async fn get(client: &Client, url: &str) -> Result<Response, HttpError> {
    client.send(Request::new(Method::GET, &origin(url), "/v1/x?y")).await
}

/// A server for `vault.test`, a name that only the proxy knows.
fn vault() -> (TestCa, ScriptedServer) {
    let ca = TestCa::new();
    let server = ScriptedServer::start(Front::tls(&ca.server(&["vault.test"])), |_| Reply::bytes(200, "tunnelled"));
    (ca, server)
}

#[tokio::test]
async fn https_goes_through_a_tunnel_that_is_kept() {
    let (ca, server) = vault();
    let (address, log) = proxy("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n", server.address()).await;
    let client = through(&ca, &format!("http://us%65r:p%40ss@{address}"));
    for _ in 0..3 {
        assert_eq!(*get(&client, "https://vault.test:8200").await.unwrap().body, b"tunnelled");
    }
    let host = "vault.test:8200";
    // base64 of user:p@ss
    let auth = "Proxy-Authorization: Basic dXNlcjpwQHNz\r\n";
    assert_eq!(*log.lock().unwrap(), [format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{auth}\r\n")]);
    let seen = &server.requests()[0];
    assert_eq!((seen.path.as_str(), seen.header("host")), ("/v1/x?y", Some(host)));
    assert_eq!(seen.header("proxy-authorization"), None, "the server is not told the proxy's password");
}

#[tokio::test]
async fn the_server_behind_is_still_verified() {
    let (ca, server) = vault();
    let (address, _) = proxy("HTTP/1.1 200 OK\r\n\r\n", server.address()).await;
    let error = get(&through(&ca, &address.to_string()), "https://other.test").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert!(error.to_string().contains("other.test"), "{error}");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_with_the_remedy() {
    let (ca, server) = vault();
    for (answer, hint) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "USER:PASSWORD@"),
        ("HTTP/1.0 403 Forbidden\r\nContent-Length: 6\r\n\r\ncanary", "allow CONNECT"),
        ("SSH-2.0-canary\r\n\r\n", "is an HTTP proxy"),
        ("HTTP/1.1 200", "ended the connection"),
    ] {
        let (address, _) = proxy(answer, server.address()).await;
        let error = get(&through(&ca, &format!("user:canary@{address}")), "https://vault.test").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Proxy);
        let text = error.to_string();
        assert!(
            text.contains(&address.to_string()) && text.contains("vault.test:443") && text.contains(hint),
            "{text}"
        );
        assert!(!format!("{text} {error:?}").contains("canary"));
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn plain_http_is_given_to_the_proxy_whole() {
    let proxy = ScriptedServer::start(Front::Plain, |_| Reply::bytes(200, "by proxy"));
    let client = through(&TestCa::new(), &format!("user:pass@{}", proxy.address()));
    assert_eq!(*get(&client, "http://vault.test:8200/kms").await.unwrap().body, b"by proxy");
    let seen = &proxy.requests()[0];
    assert_eq!(seen.path, "http://vault.test:8200/kms/v1/x?y");
    assert_eq!(seen.header("host"), Some("vault.test:8200"));
    assert_eq!(seen.header("proxy-authorization"), Some("Basic dXNlcjpwYXNz"));
}

#[tokio::test]
async fn what_no_proxy_names_is_reached_directly() {
    let ca = TestCa::new();
    let server = ScriptedServer::start(Front::tls(&ca.server(&["127.0.0.1"])), |_| Reply::new(200));
    // Nobody listens on port 1; loopback is never proxied.
    assert!(get(&through(&ca, "127.0.0.1:1"), &server.url()).await.is_ok());
    let error = get(&through(&ca, "127.0.0.1:1"), "https://vault.test").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains("127.0.0.1:1:"), "the proxy is what refused: {error}");
}
