//! What a 401 of Key Vault asks for: `WWW-Authenticate: Bearer authorization="...", resource="..."`.

/// A challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// The tenant that the vault belongs to, if it was named.
    pub(crate) tenant: Option<String>,
    /// What the token must be for, without a slash at its end.
    pub(crate) resource: String,
}

impl Challenge {
    /// Reads the header; `None` for what is no challenge that can be followed.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let fields: Vec<(&str, &str)> = rest
            .split(',')
            .filter_map(|field| {
                let (name, value) = field.split_once('=')?;
                Some((name.trim(), value.trim().trim_matches('"')))
            })
            .collect();
        let field = |wanted: &[&str]| {
            let named = |name: &str| wanted.iter().any(|wanted| name.eq_ignore_ascii_case(wanted));
            fields.iter().find(|(name, value)| named(name) && !value.is_empty()).map(|(_, value)| *value)
        };
        let resource = field(&["resource"]).or_else(|| field(&["scope"])?.strip_suffix("/.default"))?;
        let resource = resource.trim_end_matches('/');
        if !is_plain(resource) {
            return None;
        }
        let tenant = field(&["authorization", "authorization_uri"]).and_then(tenant);
        Some(Self { tenant, resource: resource.to_owned() })
    }
}

/// Whether a resource is a URL of a host and no more. It is shown in errors, so it must not be able to be a token.
fn is_plain(resource: &str) -> bool {
    let host = resource.strip_prefix("https://").or_else(|| resource.strip_prefix("http://"));
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b':');
    host.is_some_and(|host| (1..=100).contains(&host.len()) && host.bytes().all(plain))
}

/// The first part of the path of `https://login.windows.net/TENANT`.
fn tenant(authority: &str) -> Option<String> {
    let (_, rest) = authority.split_once("://")?;
    let tenant = rest.split('/').nth(1)?;
    (!tenant.is_empty()).then(|| tenant.to_ascii_lowercase())
}

/// Whether a tenant is given by its id: another spelling is a domain's name, which can't be compared.
pub(crate) fn is_id(tenant: &str) -> bool {
    let lengths = tenant.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && tenant.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::{Challenge, is_id};

    const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

    #[test]
    fn challenges_of_vaults_and_hsms_are_read() {
        let vault =
            format!(r#"Bearer authorization="https://login.windows.net/{TENANT}", resource="https://vault.azure.net""#);
        let read = Challenge::parse(&vault).unwrap();
        assert_eq!((read.tenant.as_deref(), &*read.resource), (Some(TENANT), "https://vault.azure.net"));
        let scoped = format!(
            r#"bearer authorization_uri=https://login/{TENANT}/, scope="https://managedhsm.azure.net/.default""#
        );
        let read = Challenge::parse(&scoped).unwrap();
        assert_eq!((read.tenant.as_deref(), &*read.resource), (Some(TENANT), "https://managedhsm.azure.net"));
        assert_eq!(Challenge::parse(r#"Bearer resource="https://vault.azure.net/""#).unwrap().tenant, None);
    }

    #[test]
    fn what_is_no_challenge_is_none() {
        for header in ["", "Bearer", "Bearer ", "Basic realm=x", "Bearer resource=\"\"", "Bearer ,,=,", "Bearer é=ü"]
        {
            assert_eq!(Challenge::parse(header), None, "{header}");
        }
    }

    #[test]
    fn ids_are_told_from_names() {
        assert!(is_id(TENANT));
        assert!(!is_id("contoso.onmicrosoft.com") && !is_id("common") && !is_id(&TENANT[1..]));
    }
}
