//! The SDK's chain of credentials. It reads the process's environment, so each case is a process of its own: this test
//! binary, asked for one test only.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use trousseau_testkit::https::{Front, Reply, Request, ScriptedServer};

use crate::credentials::assumed;
use crate::double::Double;
use crate::{ARN, Fake, MATERIAL, action, build, wrap};

const SECTION: &str = "TROUSSEAU_TEST_SECTION";

/// The other process. Without a section in its environment there is nothing to do.
#[tokio::test]
async fn child() {
    if let Ok(section) = std::env::var(SECTION) {
        let section: Value = serde_json::from_str(&section).unwrap();
        match wrap(&build(section)).await {
            Ok(_) => println!("wrapped"),
            Err(error) => println!("failed: {:?} {}", error.kind(), error.chain()),
        }
    }
}

/// A KMS that takes only this access key, and what else it is asked for.
fn kms(access_key: &'static str, other: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Fake {
    let double = Double::new(ARN, MATERIAL);
    Fake::start(move |request| {
        if action(request).is_empty() {
            return other(request);
        }
        let known = request.header("authorization").is_some_and(|text| text.contains(access_key));
        if known { double.answer(request) } else { crate::refusal(400, "UnrecognizedClientException", "") }
    })
}

/// Runs the child with these variables and no others of AWS's; no file of the user's counts.
fn run(fake: &Fake, variables: &[(&str, &str)]) -> String {
    let mut section = fake.section();
    section.as_object_mut().unwrap().remove("credentialsFile");
    let nowhere = fake.ca.folder().join("nowhere");
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "chain::child", "--nocapture"]).env_clear();
    child.env("HOME", &nowhere).env(SECTION, section.to_string());
    // Nothing on this machine may answer in the place of the instance's metadata.
    child.env("AWS_EC2_METADATA_DISABLED", "true").envs(variables.iter().copied());
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.contains("wrapped") || line.contains("failed: "));
    line.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr))).to_owned()
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn wrapped(fake: &Fake, variables: &[(&str, &str)]) {
    let line = run(fake, variables);
    assert!(line.ends_with("wrapped"), "{line}");
}

#[test]
fn variables_and_profiles() {
    let fake = kms("AKIACHAIN", |_| Reply::new(500));
    wrapped(&fake, &[("AWS_ACCESS_KEY_ID", "AKIACHAIN"), ("AWS_SECRET_ACCESS_KEY", "s")]);
    let text = "[work]\naws_access_key_id = AKIACHAIN\naws_secret_access_key = s\n";
    let file = write(fake.ca.folder(), "shared", text);
    wrapped(&fake, &[("AWS_SHARED_CREDENTIALS_FILE", &file), ("AWS_PROFILE", "work")]);
    let line = run(&fake, &[("AWS_SHARED_CREDENTIALS_FILE", &file)]);
    assert!(line.contains("Denied") && line.contains("no credentials were found"), "{line}");
}

/// A service account's role on EKS (IRSA).
#[test]
fn web_identity() {
    let fake = kms("ASIAROLE", |request| {
        let form = String::from_utf8_lossy(&request.body).into_owned();
        let good =
            form.contains("Action=AssumeRoleWithWebIdentity") && form.contains("WebIdentityToken=jwt-of-the-pod");
        if good { assumed("AssumeRoleWithWebIdentity", "t", "2096-01-01T00:00:00Z") } else { Reply::new(500) }
    });
    let token = write(fake.ca.folder(), "token", "jwt-of-the-pod");
    let url = fake.server.url();
    wrapped(
        &fake,
        &[
            ("AWS_WEB_IDENTITY_TOKEN_FILE", &token),
            ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/r"),
            ("AWS_ENDPOINT_URL_STS", &url),
        ],
    );
}

fn temporary() -> Value {
    json!({
        "AccessKeyId": "ASIATEMPORARY",
        "SecretAccessKey": "s",
        "Token": "t",
        "Expiration": "2096-01-01T00:00:00Z",
        "Code": "Success",
        "Type": "AWS-HMAC",
        "LastUpdated": "2026-01-01T00:00:00Z",
    })
}

/// EKS Pod Identity, and the same way ECS: an agent on this machine, and a token from a file.
#[test]
fn pod_identity() {
    let fake = kms("ASIATEMPORARY", |_| Reply::new(500));
    let agent = ScriptedServer::start(Front::Plain, |request| match request.header("authorization") {
        Some("pod-token") => Reply::json(200, &temporary()),
        _ => Reply::new(401),
    });
    let token = write(fake.ca.folder(), "token", "pod-token");
    let url = format!("{}/v1/credentials", agent.url());
    wrapped(&fake, &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url), ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token)]);
}

/// An instance profile, by the second version of the metadata service only.
#[test]
fn instance_profile() {
    let fake = kms("ASIATEMPORARY", |_| Reply::new(500));
    let metadata = ScriptedServer::start(Front::Plain, |request| {
        if request.method == "PUT" && request.path == "/latest/api/token" {
            return Reply::bytes(200, "imds-token").header("x-aws-ec2-metadata-token-ttl-seconds", "21600");
        }
        if request.header("x-aws-ec2-metadata-token") != Some("imds-token") {
            return Reply::new(401);
        }
        match request.path.trim_end_matches('/').rsplit('/').next() {
            Some("control-plane") => Reply::json(200, &temporary()),
            Some("security-credentials" | "security-credentials-extended") => Reply::bytes(200, "control-plane"),
            _ => Reply::new(404),
        }
    });
    wrapped(&fake, &[("AWS_EC2_METADATA_DISABLED", "false"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.url())]);
}
