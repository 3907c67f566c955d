//! What is refused before AWS is asked, and what the environment fills.

use serde_json::{Value, json};
use trousseau_aws::Config;
use trousseau_core::section::{Environment, Section};
use trousseau_core::{Provider, ProviderKind};

use crate::{ARN, Fake, build, wrap};

const MRK: &str = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";

fn fault(section: Value) -> (String, String) {
    let config: Config = serde_json::from_value(section).unwrap();
    let fault = config.check().unwrap_err();
    assert!(config.provider(&Environment::default()).is_err());
    (fault.field, format!("{}; {}", fault.what, fault.remedy))
}

#[test]
fn what_can_not_work_is_refused_with_its_field() {
    let long = "x".repeat(257);
    for (section, field, words) in [
        (json!({"key": "alias/k8s"}), "key", "describe-key --key-id alias/k8s"),
        (json!({"key": ""}), "key", "is not the ARN"),
        (json!({"key": ARN, "endpoint": "http://kms"}), "endpoint", "not encrypted"),
        (json!({"key": ARN, "endpoint": "kms.example"}), "endpoint", "https://HOST"),
        (json!({"key": ARN, "endpoint": "https://"}), "endpoint", "https://HOST"),
        (json!({"key": ARN, "replicas": [{"region": "eu-central-1"}]}), "replicas", "only one region"),
        (json!({"key": MRK, "replicas": [{"region": "nowhere"}]}), "replicas[0].region", "is no region"),
        (json!({"key": MRK, "replicas": [{"region": "eu-west-1"}]}), "replicas[0].region", "twice"),
        (
            json!({"key": MRK, "replicas": [{"region": "eu-central-1", "endpoint": "http://x"}]}),
            "replicas[0].endpoint",
            "clear",
        ),
        (json!({"key": ARN, "assumeRole": {"arn": "role"}}), "assumeRole.arn", "arn:aws:iam::"),
        (
            json!({"key": ARN, "assumeRole": {"arn": "arn:aws:iam::1:role/r", "sessionName": "a b"}}),
            "assumeRole.sessionName",
            "letters",
        ),
        (json!({"key": ARN, "fips": true, "endpoint": "https://x"}), "fips", "and endpoint for another"),
        (
            json!({"key": MRK, "fips": true, "replicas": [{"region": "eu-central-1", "endpoint": "https://x"}]}),
            "fips",
            "and replicas[0].endpoint for another",
        ),
        (
            json!({"key": ARN, "fips": true, "assumeRole": {"arn": "arn:aws:iam::1:role/r", "endpoint": "https://x"}}),
            "fips",
            "and assumeRole.endpoint for another",
        ),
        (json!({"key": ARN, "encryptionContext": {"trousseau:cluster": "x"}}), "encryptionContext", "taken"),
        (json!({"key": ARN, "encryptionContext": {"aws:x": "x"}}), "encryptionContext", "taken"),
        (json!({"key": ARN, "encryptionContext": {"a": ""}}), "encryptionContext", "empty"),
        (json!({"key": ARN, "encryptionContext": {"a": long}}), "encryptionContext", "256"),
        (json!({"key": ARN, "credentialsFile": "credentials"}), "credentialsFile", "absolute"),
        (json!({"key": ARN, "tls": {"ca": "ca.pem"}}), "tls.ca", "absolute"),
    ] {
        let (found, text) = fault(section.clone());
        assert_eq!(found, field, "{section}: {text}");
        assert!(text.contains(words), "{section}: {text}");
    }
    for unknown in [json!({"key": ARN, "region": "eu-west-1"}), json!({"key": ARN, "secretAccessKey": "x"}), json!({})]
    {
        assert!(serde_json::from_value::<Config>(unknown).is_err());
    }
}

#[test]
fn authorities_that_can_not_be_read_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let build = || {
        serde_json::from_value::<Config>(json!({"key": ARN, "tls": {"ca": file}}))
            .unwrap()
            .provider(&Environment::default())
    };
    assert!(build().unwrap_err().to_string().contains("can't be read"));
    for content in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&file, content).unwrap();
        assert!(build().unwrap_err().to_string().contains("no PEM certificates"), "{content}");
    }
}

#[test]
fn i3_the_identity_of_a_multi_region_key_has_no_region() {
    let plain = build(json!({"key": ARN}));
    assert_eq!(
        (plain.describe().kind, plain.describe().identity.clone()),
        (ProviderKind::AWS_KMS, vec![ARN.to_owned()])
    );
    let (here, there) = (build(json!({"key": MRK})), build(json!({"key": MRK.replace("west", "central")})));
    assert_eq!(here.describe(), there.describe());
    assert_eq!(here.describe().identity, [MRK.replace("eu-west-1", "")]);
}

#[tokio::test]
async fn the_environment_fills_what_is_unset() {
    let (fake, _) = Fake::good();
    let ca = fake.ca.file().display().to_string();
    let of = |pairs: &[(&str, &str)]| -> Environment {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let mut section = fake.section();
    section.as_object_mut().unwrap().remove("endpoint");
    section["tls"] = json!({});
    let config: Config = serde_json::from_value(section).unwrap();
    let url = fake.server.url();
    for name in ["AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL"] {
        let provider = config.provider(&of(&[(name, &url), ("AWS_CA_BUNDLE", &ca)])).unwrap();
        wrap(&provider).await.unwrap();
    }
    assert!(config.is_unset("endpoint") && config.is_unset("tls.ca") && !config.is_unset("key"));
    for (name, value) in
        [("AWS_ENDPOINT_URL", "http://plain"), ("AWS_USE_FIPS_ENDPOINT", "perhaps"), ("AWS_CA_BUNDLE", "/nowhere")]
    {
        assert!(config.provider(&of(&[(name, value)])).is_err(), "{name}={value}");
    }
    let mut role = config.clone();
    role.assume_role = serde_json::from_value(json!({"arn": "arn:aws:iam::111122223333:role/r"})).unwrap();
    assert!(role.provider(&of(&[("AWS_ENDPOINT_URL_STS", "http://plain")])).is_err());
}

/// The SDK makes no request for such a pair, which would look like an outage without end.
#[test]
fn fips_and_an_endpoint_of_ones_own_are_refused_wherever_they_stand() {
    let role = json!({"arn": "arn:aws:iam::1:role/r"});
    let url = "https://x";
    for (section, variables, words) in [
        (json!({"key": ARN, "fips": true}), vec![("AWS_ENDPOINT_URL", url)], ["fips asks", "AWS_ENDPOINT_URL for"]),
        (
            json!({"key": ARN, "endpoint": url}),
            vec![("AWS_USE_FIPS_ENDPOINT", "true")],
            ["AWS_USE_FIPS_ENDPOINT asks", "endpoint for"],
        ),
        (
            json!({"key": MRK, "replicas": [{"region": "eu-central-1", "endpoint": url}]}),
            vec![("AWS_USE_FIPS_ENDPOINT", "true")],
            ["AWS_USE_FIPS_ENDPOINT asks", "replicas[0].endpoint for"],
        ),
        (
            json!({"key": ARN, "fips": true, "assumeRole": role}),
            vec![("AWS_ENDPOINT_URL_STS", url)],
            ["fips asks", "AWS_ENDPOINT_URL_STS for"],
        ),
    ] {
        let pairs = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config: Config = serde_json::from_value(section).unwrap();
        let error = config.provider(&pairs.collect()).unwrap_err().to_string();
        assert!(words.iter().all(|words| error.contains(words)), "{error}");
    }
    let off = [("AWS_USE_FIPS_ENDPOINT".to_owned(), "true".to_owned())].into_iter().collect();
    let config: Config = serde_json::from_value(json!({"key": ARN, "fips": false, "endpoint": url})).unwrap();
    assert!(config.provider(&off).is_ok(), "the file's word counts");
}

/// Where the endpoints are shows in the address that is looked up: nothing listens behind these names.
#[tokio::test]
async fn aws_own_endpoints_are_those_of_region_and_fips() {
    let (fake, _) = Fake::good();
    let proxy = trousseau_testkit::https::ScriptedServer::start(trousseau_testkit::https::Front::Plain, |_| {
        trousseau_testkit::https::Reply::new(403)
    });
    for (key, fips, host) in [
        (ARN.to_owned(), false, "kms.eu-west-1.amazonaws.com:443"),
        (ARN.replace("eu-west-1", "us-east-1"), true, "kms-fips.us-east-1.amazonaws.com:443"),
        (ARN.replace("aws:kms:eu-west-1", "aws-cn:kms:cn-north-1"), false, "kms.cn-north-1.amazonaws.com.cn:443"),
    ] {
        let mut section = fake.section();
        section.as_object_mut().unwrap().remove("endpoint");
        section["key"] = json!(key);
        section["fips"] = json!(fips);
        section["proxy"] = json!(proxy.url().replace("http://", "http://user:pass@"));
        let error = wrap(&build(section)).await.unwrap_err();
        assert_eq!(error.kind(), trousseau_core::ErrorKind::Unreachable, "{}", error.chain());
        assert!(!error.chain().contains("pass"), "{}", error.chain());
        let seen = proxy.requests().pop().unwrap();
        assert_eq!((seen.method.as_str(), seen.path.as_str()), ("CONNECT", host));
        assert!(seen.header("proxy-authorization").is_some());
    }
}

#[test]
fn nothing_secret_is_shown() {
    let config: Config = serde_json::from_value(json!({
        "key": ARN,
        "endpoint": "https://u:canary@h",
        "proxy": "http://u:canary@h",
        "assumeRole": {"arn": "arn:aws:iam::111122223333:role/r", "endpoint": "https://u:canary@h"},
    }))
    .unwrap();
    assert!(!format!("{config:?}").contains("canary"));
    assert!(!serde_json::to_string(&config).unwrap().contains("canary"));
}
