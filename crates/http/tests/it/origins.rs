//! Addresses: what is understood, and what is said about the others.

use trousseau_http::{Origin, Scheme};

fn refused(text: &str) -> String {
    text.parse::<Origin>().unwrap_err().to_string()
}

#[test]
fn addresses_are_shown_in_one_form() {
    for (text, shown, port) in [
        ("https://vault-0:8200", "https://vault-0:8200", 8200),
        ("https://vault.example.org", "https://vault.example.org", 443),
        ("https://vault.example.org:443/", "https://vault.example.org", 443),
        ("HTTPS://Vault.Example.ORG//", "https://vault.example.org", 443),
        ("https://gate.example.org/kms/vault/", "https://gate.example.org/kms/vault", 443),
        ("http://127.0.0.1:8200", "http://127.0.0.1:8200", 8200),
        ("http://vault", "http://vault", 80),
        ("https://[2001:DB8::1]:8200", "https://[2001:db8::1]:8200", 8200),
        ("https://[::1]", "https://[::1]", 443),
    ] {
        let origin: Origin = text.parse().unwrap();
        assert_eq!((origin.to_string().as_str(), origin.port()), (shown, port), "{text}");
    }
    let origin: Origin = "https://[::1]/kms".parse().unwrap();
    assert_eq!((origin.host(), origin.prefix(), origin.scheme()), ("::1", "/kms", Scheme::Https));
}

#[test]
fn a_bad_address_is_refused_with_what_to_write() {
    for (text, hint) in [
        ("", "write https://HOST:PORT"),
        ("vault-0:8200", "write https://vault-0:8200"),
        ("vault.example.org/x", "write https://vault.example.org/x"),
        ("ftp://vault", "scheme other than https"),
        ("unix:///run/vault.sock", "scheme other than https"),
        ("https://", "write https://HOST:PORT"),
        ("https://:8200", "write https://HOST:PORT"),
        ("https:///v1", "write https://HOST:PORT"),
        ("https://vault:0", "port"),
        ("https://vault:", "port"),
        ("https://vault:82000", "port"),
        ("https://vault:port", "port"),
        ("https://va ult", "is no URL"),
        ("https://vault?x=1", "query"),
        ("https://vault#x", "fragment"),
        ("https://::1:8200", "brackets"),
    ] {
        let error = refused(text);
        assert!(error.contains(hint), "{text}: {error}");
    }
}

#[test]
fn userinfo_is_refused_and_never_shown() {
    for text in [
        "https://root:canary-7f3a@vault:8200",
        "https://canary-7f3a@vault",
        "root:canary-7f3a@vault:8200",
        "ftp://root:canary-7f3a@vault",
        "https://root:canary-7f3a@@vault",
        "https://root:canary-7f3a/@vault",
    ] {
        let error = refused(text);
        assert!(!error.contains("7f3a"), "{error}");
    }
    assert!(refused("https://root:canary@vault").contains("take them out"));
}
