//! The client against a scripted server, over real TLS on the loopback.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod deadlines;
mod faults;
mod headers;
mod keep_alive;
mod mutual_tls;
mod origins;
mod plain_http;
mod proxies;
mod secrets;
mod trust;
mod tunnels;

use std::path::PathBuf;
use std::time::Duration;

use trousseau_http::{Client, Config, Deadlines, HttpError, Method, Origin, Request, Response, Roots};
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::https::{Front, Reply, Request as Seen, ScriptedServer};

/// A server with a good certificate, and its CA.
fn server(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (TestCa, ScriptedServer) {
    let ca = TestCa::new();
    let server = ScriptedServer::start(Front::tls(&ca.server(&["127.0.0.1"])), script);
    (ca, server)
}

/// Trusts `ca` only, and is patient enough for a busy machine.
fn config(ca: &TestCa) -> Config {
    let patient = Duration::from_secs(20);
    let deadlines = Deadlines { connect: patient, handshake: patient, first_byte: patient, whole: patient };
    Config { roots: Roots::Only(vec![ca.file()]), system_bundles: Vec::new(), deadlines, ..Config::default() }
}

fn client(ca: &TestCa) -> Client {
    config(ca).build().unwrap()
}

fn origin(url: &str) -> Origin {
    url.parse().unwrap()
}

async fn get(client: &Client, server: &ScriptedServer) -> Result<Response, HttpError> {
    client.send(Request::new(Method::GET, &origin(&server.url()), "/x")).await
}

/// The text of the configuration error that building has to end in.
fn refusal(config: &Config) -> String {
    config.build().unwrap_err().to_string()
}

fn file(ca: &TestCa, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = ca.folder().join(name);
    std::fs::write(&path, content).unwrap();
    path
}
