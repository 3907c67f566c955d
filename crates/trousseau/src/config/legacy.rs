//! The Go Trousseau's configuration: `provider: vault` with a nested `vault:`, or the same fields at the top level; and
//! in the same two shapes its providers `awskms` and `azurekms`.
//!
//! Known by its shape. What the native format refuses (http, a token in the file, a file that others can read) is
//! accepted with a warning each. Field names count in any case, as there. Only the first of `keyNames` counts, as
//! there; what Trousseau never knew, such as `ttl`, is named and left.

mod awskms;
mod azurekms;
mod fields;
mod flat;

use std::net::Ipv4Addr;

use serde_json::{Value, json};
use trousseau_core::section::Fault;
use trousseau_core::{AadPolicy, SecretText};

use super::error::ConfigError;
use super::outline::Outline;
use super::section::without_nulls;
use super::{Admin, Config, Environment, Key, Place, Socket, Warning, check, yaml};
use crate::wire;
use fields::Fields;
use flat::Flat;

/// Where the Go Trousseau listens unless told.
const SOCKET: &str = "/opt/vaultkms.socket";

/// What shows the shape: the fields of its `vault:`, `provider` above them, and two of its other providers' files.
const SHOWS: &[&str] = &[
    "provider",
    "keynames",
    "address",
    "token",
    "clientcert",
    "clientkey",
    "roleid",
    "secretid",
    "vaultcacert",
    "tlsservername",
    "transitpath",
    "authpath",
    "keyarn",
    "keyvaultname",
];

/// Our field and its name in the legacy file.
const NAMES: &[(&str, &str)] = &[
    ("transit.key", "keyNames"),
    ("transit.mount", "transitPath"),
    ("tls.ca", "vaultCACert"),
    ("tls.cert", "clientCert"),
    ("tls.key", "clientKey"),
];

/// True for a document in the Go Trousseau's shape.
pub(super) fn is_legacy(outline: &Outline) -> bool {
    let shows = |name: &String| SHOWS.iter().any(|known| name.eq_ignore_ascii_case(known));
    outline.top().iter().all(|name| name != "keys") && outline.top().iter().any(shows)
}

/// Reads such a document.
///
/// # Errors
/// As for a native one; and for a provider or a way to log in that this release doesn't speak.
pub(super) fn read(
    text: &str,
    origin: &str,
    outline: &Outline,
    environment: &Environment,
) -> Result<(Config, Vec<Warning>), ConfigError> {
    let fields: Fields = yaml::read(text, origin, Some(outline))?;
    let read = match Cloud::of(&fields) {
        Some(cloud) => cloud.convert(yaml::read(text, origin, Some(outline))?, fields.provider.is_some()),
        None => convert(fields, environment),
    };
    read.map_err(|fault| outline.locate(origin, fault))
}

/// The providers beside `vault` that had a file.
#[derive(Clone, Copy)]
enum Cloud {
    Aws,
    Azure,
}

impl Cloud {
    /// By the name under `provider`, else by the field that only its file has.
    fn of(fields: &Fields) -> Option<Self> {
        match (fields.provider.as_deref().map(str::to_ascii_lowercase).as_deref(), fields.foreign.as_str()) {
            (Some("awskms"), _) => Some(Self::Aws),
            (Some("azurekms"), _) => Some(Self::Azure),
            (Some(_), _) | (None, "") => None,
            // One file says one thing: with a field of Vault's beside it, it is refused.
            (None, _) if !fields.key_names.is_empty() || !fields.token.expose().is_empty() => None,
            (None, foreign) if foreign.eq_ignore_ascii_case("keyarn") => Some(Self::Aws),
            (None, _) => Some(Self::Azure),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Aws => "awskms",
            Self::Azure => "azurekms",
        }
    }

    fn convert(self, mut top: Flat, nested: bool) -> Result<(Config, Vec<Warning>), Fault> {
        let name = self.name();
        let prefix = if nested { format!("{name}.") } else { String::new() };
        let mut warnings = vec![legacy_file()];
        let mut flat = if nested {
            top.take("provider");
            let below =
                top.below(name).ok_or_else(|| Fault::new(name, "is empty or missing", "write its fields there"))?;
            warnings.extend(top.rest().map(|name| ignored_field(&name)));
            below
        } else {
            top
        };
        let (section_name, section, secret, names) = match self {
            Self::Aws => ("awsKms", awskms::section(&mut flat, &prefix)?, None, awskms::NAMES),
            Self::Azure => {
                let (section, secret) = azurekms::section(&mut flat, &prefix)?;
                let signing = section["signingKey"]["name"].as_str().unwrap_or_default().to_owned();
                let text = format!(
                    "RSA wraps are signed: an EC key `{signing}` must lie in the same vault; a native file may name another"
                );
                warnings.push(Warning { code: "signing-key", text });
                ("azureKeyVault", section, secret, azurekms::NAMES)
            }
        };
        warnings.extend(flat.rest().map(|field| ignored_field(&format!("{prefix}{field}"))));
        let config = of_one_key(name, section_name, section, secret, AadPolicy::Required { accept_without: false })?;
        check::check(&config).map_err(|fault| renamed(fault, section_name, names, &prefix))?;
        Ok((config, warnings))
    }
}

fn legacy_file() -> Warning {
    let text = "the file has the Go Trousseau's shape, which can't say all that should be said; write a native one";
    Warning { code: "legacy-file", text: text.into() }
}

fn ignored_field(name: &str) -> Warning {
    Warning { code: "ignored-field", text: format!("`{name}` has no meaning here; take it out") }
}

/// A configuration with this one key, and the places where the Go Trousseau listens.
fn of_one_key(
    name: &str,
    section_name: &'static str,
    section: Value,
    credential: Option<SecretText>,
    aad: AadPolicy,
) -> Result<Config, Fault> {
    let lacking =
        || Fault::new("", format!("needs `{section_name}`, which this build lacks"), "take a released binary");
    let kind = wire::kind(section_name).ok_or_else(lacking)?;
    // Made of texts that were read as texts.
    let wrong = |_| Fault::new("", format!("can't be read as `{section_name}`"), "write a native file");
    let mut provider = kind.parse(without_nulls(section)).map_err(wrong)?;
    if let Some(credential) = credential {
        provider = provider.with_credential(credential);
    }
    Ok(Config {
        socket: Socket { path: SOCKET.into(), ..Socket::default() },
        admin: Some(Admin { address: (Ipv4Addr::UNSPECIFIED, 8787).into(), health_only: true }),
        ..Config::of(vec![Key { name: name.to_owned(), provider: Place::Kms(provider), aad }])
    })
}

fn convert(mut top: Fields, environment: &Environment) -> Result<(Config, Vec<Warning>), Fault> {
    let flat = top.provider.is_none() && top.vault.is_none();
    let prefix = if flat { "" } else { "vault." };
    let mut ignored = std::mem::take(&mut top.ignored);
    let fields = if flat { top } else { nested(top)? };
    ignored.extend(fields.ignored.iter().map(|name| format!("{prefix}{name}")));
    let mut warnings = vec![legacy_file()];
    warnings.extend(ignored.iter().map(|name| ignored_field(name)));
    if fields.key_names.len() > 1 {
        let text = format!("only the first of `{prefix}keyNames` counts, as it always did; take the others out");
        warnings.push(Warning { code: "ignored-field", text });
    }
    if !fields.token.expose().is_empty() {
        let text =
            format!("`{prefix}token` stands in the file; write it to a file of its own (native `auth.token.file`)");
        warnings.push(Warning { code: "inline-token", text });
    }
    let config = config(fields, prefix, environment)?;
    check::check(&config).map_err(|fault| renamed(fault, "vault", NAMES, prefix))?;
    Ok((config, warnings))
}

/// The fields of `vault:`, if that is the provider.
fn nested(top: Fields) -> Result<Fields, Fault> {
    match top.provider.as_deref() {
        Some(vault) if vault.eq_ignore_ascii_case("vault") => {}
        Some("") | None => return Err(Fault::new("provider", "is empty or missing", "write `provider: vault`")),
        Some(_) => {
            let what = "is none of `vault`, `awskms` and `azurekms`";
            return Err(Fault::new("provider", what, "write one of them; `debug` protected nothing and is gone"));
        }
    }
    top.vault
        .map(|fields| *fields)
        .ok_or_else(|| Fault::new("vault", "is empty or missing", "write `keyNames`, `address` and `token` under it"))
}

fn config(fields: Fields, prefix: &str, environment: &Environment) -> Result<Config, Fault> {
    if !fields.foreign.is_empty() {
        let what = "belongs to another provider than the fields beside it";
        return Err(Fault::new(fields.foreign, what, "leave the fields of one provider, or write a native file"));
    }
    let empty = |name: &str, remedy: &str| Fault::new(format!("{prefix}{name}"), "is empty or missing", remedy);
    let key_name = fields.key_names.into_iter().next().filter(|name| !name.is_empty());
    let key_name = key_name.ok_or_else(|| empty("keyNames", "write the transit key's name as its first item"))?;
    let address = Some(fields.address).filter(|address| !address.is_empty());
    let address = address.or_else(|| Some(environment.get("VAULT_ADDR")?.expose().to_owned()));
    let address = address.ok_or_else(|| empty("address", "write https://HOST:PORT"))?;
    let token = Some(fields.token).filter(|token| !token.expose().is_empty());
    if token.is_none() {
        // Not by VAULT_TOKEN either: the Go Trousseau would log in as somebody else.
        let later = [(&fields.role_id, "roleID", "AppRole"), (&fields.client_cert, "clientCert", "Certificate login")];
        if let Some((_, name, method)) = later.iter().find(|(value, ..)| !value.is_empty()) {
            let what = format!("logs in by a method that comes later ({method})");
            let remedy = "use `token`, or let Vault Agent log in and write the token";
            return Err(Fault::new(format!("{prefix}{name}"), what, remedy));
        }
        if environment.get("VAULT_TOKEN").is_none() {
            return Err(empty("token", "write the token, or let the template write it"));
        }
    }
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let section = json!({
        "address": address,
        "allowHttp": address.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://")),
        "transit": { "mount": some(&fields.transit_path), "key": key_name },
        "tls": {
            "ca": some(&fields.vault_ca_cert),
            "cert": some(&fields.client_cert),
            "key": some(&fields.client_key),
            "serverName": some(&fields.tls_server_name),
            "skipVerify": skip_verify(environment)?,
        },
        "identity": "version",
    });
    of_one_key("vault", "vault", section, token, AadPolicy::Discover)
}

/// As Go's `strconv.ParseBool` reads it.
fn skip_verify(environment: &Environment) -> Result<bool, Fault> {
    match environment.get("VAULT_SKIP_VERIFY").as_ref().map(|value| value.expose()) {
        None | Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some(_) => Err(Fault::new("VAULT_SKIP_VERIFY", "is neither true nor false", "write `true`, or unset it")),
    }
}

/// A fault of a native field under its legacy name.
fn renamed(fault: Fault, section: &str, names: &[(&str, &str)], prefix: &str) -> Fault {
    let Some(field) = fault.field.strip_prefix("keys[0].").and_then(|it| it.strip_prefix(section)?.strip_prefix('.'))
    else {
        return fault;
    };
    let name = names.iter().find(|(native, _)| *native == field).map_or(field, |(_, legacy)| legacy);
    Fault { field: format!("{prefix}{name}"), ..fault }
}
