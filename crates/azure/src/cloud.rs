//! Which of Azure's clouds a vault is in: where to log in, and what tokens to ask for.

/// One cloud, for vaults or for HSMs.
struct Cloud {
    /// What a vault's host ends in; tokens are asked for `https://` and this.
    suffix: &'static str,
    authority: &'static str,
}

const CLOUDS: &[Cloud] = &[
    Cloud { suffix: "vault.azure.net", authority: "https://login.microsoftonline.com" },
    Cloud { suffix: "managedhsm.azure.net", authority: "https://login.microsoftonline.com" },
    Cloud { suffix: "vault.azure.cn", authority: "https://login.chinacloudapi.cn" },
    Cloud { suffix: "managedhsm.azure.cn", authority: "https://login.chinacloudapi.cn" },
    Cloud { suffix: "vault.usgovcloudapi.net", authority: "https://login.microsoftonline.us" },
    Cloud { suffix: "managedhsm.usgovcloudapi.net", authority: "https://login.microsoftonline.us" },
];

/// Where to log in for a vault on this host, if its cloud is known.
pub(crate) fn authority(host: &str) -> Option<&'static str> {
    find(host).map(|cloud| cloud.authority)
}

/// What to ask tokens for, if the vault's cloud is known.
pub(crate) fn resource(host: &str) -> Option<String> {
    find(host).map(|cloud| format!("https://{}", cloud.suffix))
}

/// Whether tokens for `resource` may be sent to `host`: a vault names its own cloud, never somebody else's service
/// (Microsoft's challenge resource check).
pub(crate) fn belongs(resource: &str, host: &str) -> bool {
    let Some(named) = resource.strip_prefix("https://") else {
        return false;
    };
    let named = named.trim_end_matches('/').to_ascii_lowercase();
    !named.contains(['/', '@', ':', '?', '#']) && named.contains('.') && below(&host.to_ascii_lowercase(), &named)
}

fn find(host: &str) -> Option<&'static Cloud> {
    let host = host.to_ascii_lowercase();
    CLOUDS.iter().find(|cloud| below(&host, cloud.suffix))
}

fn below(host: &str, suffix: &str) -> bool {
    host.strip_suffix(suffix).is_some_and(|name| name.len() > 1 && name.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::{authority, belongs, resource};

    #[test]
    fn each_cloud_has_its_own_login_and_resource() {
        for (host, login, what) in [
            ("kv.vault.azure.net", "https://login.microsoftonline.com", "https://vault.azure.net"),
            ("h.managedhsm.azure.net", "https://login.microsoftonline.com", "https://managedhsm.azure.net"),
            ("kv.vault.azure.cn", "https://login.chinacloudapi.cn", "https://vault.azure.cn"),
            ("KV.vault.usgovcloudapi.net", "https://login.microsoftonline.us", "https://vault.usgovcloudapi.net"),
        ] {
            assert_eq!((authority(host), resource(host).as_deref()), (Some(login), Some(what)));
            assert!(belongs(what, host));
        }
        for host in ["vault.azure.net", "evilvault.azure.net", "kv.vault.azure.net.evil.org", "127.0.0.1", ""] {
            assert_eq!(resource(host), None, "{host}");
        }
    }

    #[test]
    fn a_vault_may_not_ask_for_somebody_elses_tokens() {
        assert!(belongs("https://vault.corp.example/", "kv.vault.corp.example"));
        for resource in [
            "https://management.azure.com",
            "https://graph.microsoft.com/",
            "http://vault.azure.net",
            "https://net",
            "https://.net",
            "https://user@vault.azure.net",
            "https://vault.azure.net/x",
            "https://kv.vault.azure.net",
            "vault.azure.net",
            "",
        ] {
            assert!(!belongs(resource, "kv.vault.azure.net"), "{resource}");
        }
    }
}
