//! Whose certificate is believed, under which name, and what is said when it is not.

use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use trousseau_http::{Config, ErrorKind, Roots};
use trousseau_testkit::ca::TestCa;
use trousseau_testkit::https::{Front, Reply, ScriptedServer};

use crate::{client, config, file, get, refusal, server};

fn ok() -> impl Fn(&trousseau_testkit::https::Request) -> Reply + Send + Sync + 'static {
    |_| Reply::new(200)
}

#[tokio::test]
async fn a_server_is_trusted_by_the_one_ca_configured() {
    let (ca, server) = server(ok());
    assert_eq!(get(&client(&ca), &server).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_server_of_an_unknown_ca_is_refused_by_name() {
    let (_ca, server) = server(ok());
    let error = get(&client(&TestCa::new()), &server).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    let text = error.to_string();
    assert!(text.contains("UnknownIssuer") && text.contains("add the CA"), "{text}");
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn a_ca_made_anew_under_its_old_name_is_told_from_an_unknown_one() {
    let (old, new) = (TestCa::named("kms-ca"), TestCa::named("kms-ca"));
    let server = ScriptedServer::start(Front::tls(&new.server(&["127.0.0.1"])), ok());
    let text = get(&client(&old), &server).await.unwrap_err().to_string();
    assert!(text.contains("refresh the trusted CA files"), "{text}");
}

#[tokio::test]
async fn system_roots_and_own_cas_add_up_only_when_asked() {
    let (theirs, ours) = (TestCa::new(), TestCa::new());
    let at = |ca: &TestCa| ScriptedServer::start(Front::tls(&ca.server(&["127.0.0.1"])), ok());
    let (on_theirs, on_ours) = (at(&theirs), at(&ours));
    let bundles = vec!["/nonexistent/bundle.pem".into(), theirs.file()];
    let with = |roots| Config { roots, system_bundles: bundles.clone(), ..config(&ours) }.build().unwrap();

    let both = with(Roots::SystemAnd(vec![ours.file()]));
    assert!(get(&both, &on_theirs).await.is_ok() && get(&both, &on_ours).await.is_ok());
    let system = with(Roots::System);
    assert!(get(&system, &on_theirs).await.is_ok() && get(&system, &on_ours).await.is_err());
    let only = with(Roots::Only(vec![ours.file()]));
    assert!(get(&only, &on_theirs).await.is_err() && get(&only, &on_ours).await.is_ok());
}

#[tokio::test]
async fn a_folder_of_cas_is_read_but_not_its_hidden_or_unrelated_files() {
    let (ca, server) = server(ok());
    // The CA's folder holds the server's key and certificate as well; those are no harm.
    file(&ca, ".hidden", "-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n");
    file(&ca, "README", "no PEM at all");
    std::fs::create_dir(ca.folder().join("..2026_11_23")).unwrap();
    let folder = Config { roots: Roots::Only(vec![ca.folder().to_owned()]), ..config(&ca) };
    assert!(get(&folder.build().unwrap(), &server).await.is_ok());
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_with_the_names_it_has() {
    let ca = TestCa::new();
    let server = ScriptedServer::start(Front::tls(&ca.server(&["vault.test"])), ok());
    let error = get(&client(&ca), &server).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    let text = error.to_string();
    assert!(text.contains("vault.test") && text.contains("127.0.0.1") && text.contains("server name"), "{text}");

    let named = Config { server_name: Some("vault.test".into()), ..config(&ca) };
    assert!(get(&named.build().unwrap(), &server).await.is_ok());
}

#[tokio::test]
async fn an_expired_certificate_is_refused_as_expired() {
    let ca = TestCa::new();
    let server = ScriptedServer::start(Front::tls(&ca.expired_server(&["127.0.0.1"])), ok());
    let error = get(&client(&ca), &server).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    let text = error.to_string();
    assert!(text.contains("expired") && text.contains("renew") && text.contains("clock"), "{text}");
}

#[tokio::test]
async fn skip_verify_takes_anyone_and_needs_no_roots() {
    let ca = TestCa::new();
    let server = ScriptedServer::start(Front::tls(&ca.expired_server(&["other.test"])), ok());
    let config = Config { skip_verify: true, roots: Roots::System, ..config(&ca) };
    assert!(get(&config.build().unwrap(), &server).await.is_ok());
}

#[tokio::test]
async fn tls_1_2_is_spoken_to_a_server_that_has_no_better() {
    let ca = TestCa::new();
    let leaf = ca.server(&["127.0.0.1"]);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(leaf.certificate_file()).unwrap()],
            PrivateKeyDer::from_pem_file(leaf.key_file()).unwrap(),
        );
    let server = ScriptedServer::start(Front::Tls(Arc::new(tls.unwrap())), ok());
    assert!(get(&client(&ca), &server).await.is_ok());
}

#[tokio::test]
async fn a_port_that_speaks_no_tls_is_named_as_that() {
    let ca = TestCa::new();
    let plain = ScriptedServer::start(Front::Plain, ok());
    let address = crate::origin(&plain.url().replace("http:", "https:"));
    let request = trousseau_http::Request::new(trousseau_http::Method::GET, &address, "/");
    let error = client(&ca).send(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert!(error.to_string().contains("speaks TLS"), "{error}");
}

#[test]
fn ca_files_that_are_unusable_are_refused_at_build_with_file_and_remedy() {
    let ca = TestCa::new();
    let only = |path| refusal(&Config { roots: Roots::Only(vec![path]), ..config(&ca) });
    let missing = only(ca.folder().join("missing.pem"));
    assert!(missing.contains("missing.pem") && missing.contains("check the path"), "{missing}");
    let empty = only(file(&ca, "empty.pem", ""));
    assert!(empty.contains("empty.pem") && empty.contains("PEM"), "{empty}");
    let broken = only(file(&ca, "broken.pem", "-----BEGIN CERTIFICATE-----\n%%\n-----END CERTIFICATE-----\n"));
    assert!(broken.contains("broken.pem"), "{broken}");
    let no_der = only(file(&ca, "no-der.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
    assert!(no_der.contains("no-der.pem"), "{no_der}");
    let none = refusal(&Config { roots: Roots::Only(Vec::new()), ..config(&ca) });
    assert!(none.contains("no CA is trusted"), "{none}");
    let bundles = vec!["/nonexistent/bundle.pem".into()];
    let no_system = refusal(&Config { roots: Roots::System, system_bundles: bundles, ..config(&ca) });
    assert!(no_system.contains("/nonexistent/bundle.pem") && no_system.contains("SSL_CERT_FILE"), "{no_system}");
}
