//! Which proxy, if any, lies in front of which address.

use trousseau_http::{Origin, Proxies};

use crate::origin;

fn direct(bypass: &str, url: &str) -> bool {
    let proxies = Proxies::parse(Some("http://proxy:3128"), Some("http://proxy:3128"), Some(bypass)).unwrap();
    proxies.in_front_of(&origin(url)).is_none()
}

#[test]
fn no_proxy_names_hosts_domains_addresses_and_ports() {
    for (bypass, reached_directly, through_the_proxy) in [
        ("", &["https://localhost:8200", "https://127.0.0.3", "https://[::1]:8200"][..], &["https://vault"][..]),
        ("*", &["https://vault", "https://10.0.0.1", "http://vault"], &[]),
        ("vault", &["https://vault:8200", "https://a.vault"], &["https://myvault", "https://vault.example.org"]),
        ("Example.ORG", &["https://example.org", "https://a.b.example.org"], &["https://badexample.org"]),
        (".example.org", &["https://a.example.org"], &["https://example.org", "https://badexample.org"]),
        ("*.example.org", &["https://a.example.org"], &["https://example.org"]),
        ("vault:8200", &["https://vault:8200"], &["https://vault", "https://vault:8201"]),
        ("10.1.2.3", &["https://10.1.2.3:8200"], &["https://10.1.2.4", "https://10.1.2.3.example.org"]),
        ("10.1.2.3:8200", &["https://10.1.2.3:8200"], &["https://10.1.2.3"]),
        ("10.0.0.0/8", &["https://10.255.1.1"], &["https://11.0.0.1", "https://[::ffff:a00:1]"]),
        ("192.168.6.0/23", &["https://192.168.7.255"], &["https://192.168.8.0", "https://192.168.5.9"]),
        ("0.0.0.0/0", &["https://8.8.8.8"], &["https://[2001:db8::1]", "https://vault"]),
        ("2001:db8::/32", &["https://[2001:db8:1::1]"], &["https://[2001:db9::1]"]),
        ("2001:db8::1", &["https://[2001:db8::1]:8200"], &["https://[2001:db8::2]"]),
        ("[2001:db8::1]:8200", &["https://[2001:db8::1]:8200"], &["https://[2001:db8::1]"]),
        (" a , ,b,", &["https://a", "https://b"], &["https://c"]),
        ("10.0.0.0/33,.,:80,vault:x,/8", &[], &["https://10.0.0.1", "https://vault", "http://vault"]),
    ] {
        for url in reached_directly {
            assert!(direct(bypass, url), "`{bypass}` covers {url}");
        }
        for url in through_the_proxy {
            assert!(!direct(bypass, url), "`{bypass}` does not cover {url}");
        }
    }
}

#[test]
fn each_scheme_has_its_own_proxy() {
    let proxies = Proxies::parse(Some("a:1"), Some(""), None).unwrap();
    let through = |url: &str| proxies.in_front_of(&origin(url)).map(|proxy| format!("{proxy:?}"));
    assert_eq!(through("https://vault").as_deref(), Some("Proxy(a:1)"));
    assert_eq!(through("http://vault"), None);
    let none = Proxies::parse(None, Some("  "), Some("x")).unwrap();
    assert!(none.in_front_of(&"https://vault".parse::<Origin>().unwrap()).is_none());
}

#[test]
fn a_proxy_url_that_cannot_be_used_is_refused_without_its_password() {
    for (url, hint) in [
        ("https://user:canary-7f3a@proxy:3128", "write http://HOST:PORT"),
        ("socks5://user:canary-7f3a@proxy:1080", "write http://HOST:PORT"),
        ("http://user:canary-7f3a@", "no URL"),
        ("user:canary-7f3a@proxy:99999", "port"),
        ("http://user:canary-7f3a@pro xy", "no URL"),
    ] {
        let error = Proxies::parse(Some(url), None, None).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(hint) && text.contains("proxy") && !text.contains("7f3a"), "{text}");
    }
}
