//! Client certificates: shown when asked for, missed when absent, refused when foreign.

use std::path::Path;

use trousseau_http::{ClientCertificate, Config, ErrorKind};
use trousseau_testkit::ca::{Leaf, TestCa};
use trousseau_testkit::https::{Front, Reply, ScriptedServer};

use crate::{client, config, file, get, refusal};

fn server(ca: &TestCa) -> ScriptedServer {
    ScriptedServer::start(Front::mutual_tls(&ca.server(&["127.0.0.1"]), ca), |_| Reply::new(204))
}

fn showing(ca: &TestCa, certificate: &Path, key: &Path) -> Config {
    let files = ClientCertificate { certificate: certificate.to_owned(), key: key.to_owned() };
    Config { client_certificate: Some(files), ..config(ca) }
}

fn leaf(ca: &TestCa, leaf: &Leaf) -> Config {
    showing(ca, leaf.certificate_file(), leaf.key_file())
}

#[tokio::test]
async fn a_client_certificate_opens_a_server_that_wants_one() {
    let ca = TestCa::new();
    let client = leaf(&ca, &ca.client("trousseau")).build().unwrap();
    assert_eq!(get(&client, &server(&ca)).await.unwrap().status, 204);
}

#[tokio::test]
async fn without_one_the_error_says_that_one_is_wanted() {
    let ca = TestCa::new();
    let error = get(&client(&ca), &server(&ca)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert!(error.to_string().contains("configure a client certificate"), "{error}");
}

#[tokio::test]
async fn one_of_a_foreign_ca_is_named_as_not_trusted() {
    let (ca, foreign) = (TestCa::new(), TestCa::new());
    let client = leaf(&ca, &foreign.client("trousseau")).build().unwrap();
    let error = get(&client, &server(&ca)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert!(error.to_string().contains("client certificate that the server trusts"), "{error}");
}

#[test]
fn unusable_files_are_refused_at_build_with_file_and_remedy() {
    let ca = TestCa::new();
    let (one, other) = (ca.client("one"), ca.client("other"));
    let mixed = refusal(&showing(&ca, one.certificate_file(), other.key_file()));
    assert!(mixed.contains("belongs to this certificate"), "{mixed}");
    let absent = refusal(&showing(&ca, one.certificate_file(), Path::new("/nonexistent/key.pem")));
    assert!(absent.contains("/nonexistent/key.pem"), "{absent}");
    let swapped = refusal(&showing(&ca, one.key_file(), one.certificate_file()));
    assert!(swapped.contains("no certificate in it"), "{swapped}");
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let locked = refusal(&showing(&ca, one.certificate_file(), &file(&ca, "locked.pem", encrypted)));
    assert!(locked.contains("no unencrypted private key"), "{locked}");
}
