//! Each way to log in.

use std::fs;

use serde_json::{Value, json};
use trousseau_azure::Environment;
use trousseau_core::{ErrorKind, Provider, ProviderError};
use trousseau_testkit::azure::{IdentityRequest, TENANT, certified};

use super::{CLIENT, CLIENT_SECRET, Fixture, call, config, opens, wrap};

/// A section that logs in so.
fn section(fixture: &Fixture, auth: Value) -> Value {
    let mut section = fixture.section();
    section["auth"] = auth;
    section
}

async fn works(section: Value, environment: &Environment) -> Result<(), ProviderError> {
    let provider = config(section).build(environment).unwrap();
    provider.presence(&call()).await?;
    opens(&provider, &wrap(&provider).await.unwrap()).await;
    Ok(())
}

fn variables(pairs: &[(&'static str, String)]) -> Environment {
    let pairs = pairs.to_vec();
    Environment::from_variables(move |name| {
        pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    })
}

#[tokio::test]
async fn by_a_client_secret_from_a_file_or_the_environment() {
    let fixture = Fixture::vault();
    let file = fixture.file("own-secret", &format!("{CLIENT_SECRET}\n"));
    let auth = json!({"clientSecret": {"tenantId": TENANT, "clientId": CLIENT, "file": file}});
    works(section(&fixture, auth.clone()), &Environment::default()).await.unwrap();
    let all = variables(&[
        ("AZURE_TENANT_ID", TENANT.into()),
        ("AZURE_CLIENT_ID", CLIENT.into()),
        ("AZURE_CLIENT_SECRET", CLIENT_SECRET.into()),
    ]);
    works(section(&fixture, json!({"clientSecret": {}})), &all).await.unwrap();

    fs::write(&file, "wrong").unwrap();
    let error = works(section(&fixture, auth.clone()), &Environment::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.chain().contains("AADSTS7000215") && error.chain().contains("not its id"), "{}", error.chain());
    assert!(!error.chain().contains("wrong."), "Entra's own text repeats it");
    fs::write(&file, " \n").unwrap();
    let error = works(section(&fixture, auth.clone()), &Environment::default()).await.unwrap_err();
    assert!(error.chain().contains("is empty"), "{}", error.chain());
    fs::remove_file(&file).unwrap();
    let error = works(section(&fixture, auth), &Environment::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "a file may come later");
}

/// The secret is read anew for each login, so a new one needs no restart.
#[tokio::test]
async fn a_new_secret_is_taken_into_use() {
    let fixture = Fixture::vault();
    let provider = fixture.provider();
    fixture.file("secret", "not yet");
    assert_eq!(provider.presence(&call()).await.unwrap_err().kind(), ErrorKind::Denied);
    fixture.file("secret", CLIENT_SECRET);
    provider.presence(&call()).await.unwrap();
}

#[tokio::test]
async fn by_a_certificate() {
    let fixture = Fixture::vault();
    let (right, other) = (certified("trousseau"), certified("other"));
    fixture.azure.certificate(CLIENT, &right);
    let certificate = fixture.file("c.pem", &right.certificate_pem);
    let key = fixture.file("k.pem", &right.key_pem);
    let auth = |chain: bool| {
        json!({"clientCertificate": {
            "tenantId": TENANT, "clientId": CLIENT, "certificate": certificate, "key": key, "sendChain": chain,
        }})
    };
    for chain in [false, true] {
        works(section(&fixture, auth(chain)), &Environment::default()).await.unwrap();
    }
    fs::write(&key, &other.key_pem).unwrap();
    let error = works(section(&fixture, auth(false)), &Environment::default()).await.unwrap_err();
    assert!(error.chain().contains("AADSTS700027"), "{}", error.chain());
    fs::write(&certificate, &other.certificate_pem).unwrap();
    let error = works(section(&fixture, auth(false)), &Environment::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    fs::write(&key, "-----BEGIN NONSENSE-----").unwrap();
    let error = works(section(&fixture, auth(false)), &Environment::default()).await.unwrap_err();
    assert!(error.chain().contains("k.pem holds no unencrypted private key"), "{}", error.chain());
    fs::write(&key, fs::read(fixture.ca.client("ec").key_file()).unwrap()).unwrap();
    let error = works(section(&fixture, auth(false)), &Environment::default()).await.unwrap_err();
    assert!(error.chain().contains("is no RSA key"), "{}", error.chain());
}

#[tokio::test]
async fn by_a_federated_token_that_is_read_anew_for_each_login() {
    let fixture = Fixture::vault();
    let file = fixture.file("token", "first.federated.token");
    fixture.azure.federate(CLIENT, "first.federated.token");
    let all = variables(&[
        ("AZURE_TENANT_ID", TENANT.into()),
        ("AZURE_CLIENT_ID", CLIENT.into()),
        ("AZURE_FEDERATED_TOKEN_FILE", file.display().to_string()),
        ("AZURE_AUTHORITY_HOST", fixture.server.url() + "/"),
    ]);
    let mut by_webhook = section(&fixture, json!({"workloadIdentity": {}}));
    by_webhook.as_object_mut().unwrap().remove("authority");
    works(by_webhook.clone(), &all).await.unwrap();

    let provider = config(by_webhook).build(&all).unwrap();
    fixture.azure.federate(CLIENT, "second.federated.token");
    let error = provider.presence(&call()).await.unwrap_err();
    assert!(error.chain().contains("AADSTS70021") || error.chain().contains("AADSTS700027"), "{}", error.chain());
    assert!(!error.chain().contains("first.federated"), "{}", error.chain());
    fixture.file("token", "second.federated.token");
    provider.presence(&call()).await.unwrap();
}

#[tokio::test]
async fn as_the_machine_by_the_metadata_service() {
    let fixture = Fixture::vault();
    let machine = fixture.azure.start_machine();
    let auth = |identity: Value| {
        let mut identity = identity;
        identity["endpoint"] = machine.url().into();
        section(&fixture, json!({"managedIdentity": identity}))
    };
    works(auth(json!({})), &Environment::default()).await.unwrap();
    let id = "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
    for (field, parameter, value) in
        [("clientId", "client_id", CLIENT), ("resourceId", "msi_res_id", id), ("objectId", "object_id", TENANT)]
    {
        let error = works(auth(json!({field: value})), &Environment::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{}", error.chain());
        assert!(error.chain().contains("assign the identity"), "{}", error.chain());
        fixture.azure.assign(parameter, value);
        works(auth(json!({field: value})), &Environment::default()).await.unwrap();
    }
    for (status, kind) in [
        (404, ErrorKind::Server),
        (410, ErrorKind::Server),
        (429, ErrorKind::Throttled),
        (500, ErrorKind::Server),
        (403, ErrorKind::Denied),
        (302, ErrorKind::Unusable),
    ] {
        fixture.azure.machine(IdentityRequest::Status(status));
        let error = works(auth(json!({})), &Environment::default()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{}", error.chain());
    }
}

#[tokio::test]
async fn as_the_machine_by_app_service() {
    let fixture = Fixture::vault();
    fixture.azure.machine(IdentityRequest::AppService("canary-header".into()));
    let machine = fixture.azure.start_machine();
    let all = |secret: &str| {
        variables(&[
            ("IDENTITY_ENDPOINT", format!("{}/MSI/token", machine.url())),
            ("IDENTITY_HEADER", secret.to_owned()),
        ])
    };
    let section = section(&fixture, json!({"managedIdentity": {}}));
    works(section.clone(), &all("canary-header")).await.unwrap();
    assert!(machine.requests()[0].path.starts_with("/MSI/token?api-version=2019-08-01&resource=https%3A%2F%2Fvault"));
    assert_eq!(works(section.clone(), &all("wrong")).await.unwrap_err().kind(), ErrorKind::Denied);
    let id = "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
    for (field, parameter, value) in
        [("clientId", "client_id", CLIENT), ("resourceId", "mi_res_id", id), ("objectId", "object_id", TENANT)]
    {
        let mut section = section.clone();
        section["auth"]["managedIdentity"][field] = value.into();
        let error = works(section.clone(), &all("canary-header")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{field} is sent by the name that is known there");
        fixture.azure.assign(parameter, value);
        works(section, &all("canary-header")).await.unwrap();
    }
}

/// Arc's agent names a file. Only one in its own folder is read: whoever answers on that port could name any other.
#[tokio::test]
async fn as_the_machine_by_azure_arc_reads_only_the_agents_own_files() {
    let fixture = Fixture::vault();
    let machine = fixture.azure.start_machine();
    let all = variables(&[
        ("IDENTITY_ENDPOINT", format!("{}/metadata/identity/oauth2/token", machine.url())),
        ("IMDS_ENDPOINT", machine.url()),
    ]);
    let section = section(&fixture, json!({"managedIdentity": {}}));
    let secret = fixture.file("x.key", "canary-file");
    for file in
        [secret.display().to_string(), "/var/opt/azcmagent/tokens/../x.key".into(), "/etc/passwd".into(), "".into()]
    {
        fixture.azure.machine(IdentityRequest::Arc(file, "canary-file".into()));
        let error = works(section.clone(), &all).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(error.chain().contains("is not read"), "{}", error.chain());
    }
    fixture.azure.machine(IdentityRequest::Arc("/var/opt/azcmagent/tokens/none.key".into(), "x".into()));
    let error = works(section, &all).await.unwrap_err();
    assert!(error.chain().contains("/var/opt/azcmagent/tokens/none.key can't be read"), "{}", error.chain());
    assert!(machine.requests().iter().all(|request| request.header("authorization").is_none()));
}
