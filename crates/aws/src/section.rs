//! The `awsKms:` section as the program's table of providers takes it.

use std::sync::Arc;

use trousseau_core::section::{BuildError, Fault, Fill, Flag, FlagValue, Hint, Host, Section, Warning, absolute};
use trousseau_core::{Provider, ProviderKind};

use crate::arn::{KeyArn, is_region};
use crate::build::{context_fault, fips_fault};
use crate::config::Config;

const fn fill(field: &'static str, variables: &'static [&'static str]) -> Fill {
    Fill { field, variables, in_key_id: false }
}

const fn flag(name: &'static str, field: &'static str, value: FlagValue, help: &'static str) -> Flag {
    Flag { name, field, value, required: false, help }
}

impl Section for Config {
    const KIND: ProviderKind = ProviderKind::AWS_KMS;
    const SUMMARY: &'static str = "AWS KMS, a symmetric key by its ARN";
    const FILLS: &'static [Fill] = &[
        fill("endpoint", &["AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL"]),
        fill("fips", &["AWS_USE_FIPS_ENDPOINT"]),
        fill("profile", &["AWS_PROFILE"]),
        fill("tls.ca", &["AWS_CA_BUNDLE"]),
        fill("proxy", &["HTTPS_PROXY", "https_proxy"]),
    ];
    const FLAGS: &'static [Flag] = &[
        Flag { required: true, ..flag("aws-kms-key", "key", FlagValue::Text("ARN"), "The AWS KMS key's ARN") },
        flag("aws-kms-endpoint", "endpoint", FlagValue::Text("URL"), "The URL of AWS KMS, for a VPC endpoint"),
        flag("aws-profile", "profile", FlagValue::Text("NAME"), "The profile of AWS's shared files; else AWS_PROFILE"),
        flag("aws-role", "assumeRole.arn", FlagValue::Text("ARN"), "A role to assume with the credentials found"),
    ];

    fn is_unset(&self, field: &str) -> bool {
        match field {
            "endpoint" => self.endpoint.is_none(),
            "fips" => self.fips.is_none(),
            "profile" => self.profile.is_none(),
            "tls.ca" => self.tls.ca.is_none(),
            "proxy" => self.proxy.is_none(),
            _ => false,
        }
    }

    fn check(&self) -> Result<(), Fault> {
        self.faults()
    }

    fn warnings(&self) -> Vec<Warning> {
        let urls = self.endpoint.iter().chain(self.replicas.iter().filter_map(|replica| replica.endpoint.as_ref()));
        if urls.into_iter().any(|url| url.starts_with("http://")) {
            let text = "AWS KMS is reached by http: seeds travel in clear; use https".to_owned();
            return vec![Warning { code: "plain-http", text }];
        }
        Vec::new()
    }

    fn hint(&self, host: &Host) -> Option<Hint> {
        self.key_behind(&host.environment)
    }

    fn build(&self, host: &Host) -> Result<Arc<dyn Provider>, BuildError> {
        Ok(Arc::new(self.provider(&host.environment)?))
    }
}

impl Config {
    /// The first field that can't work, as far as the section itself tells.
    pub(crate) fn faults(&self) -> Result<(), Fault> {
        let key = KeyArn::parse(&self.key).map_err(|no| Fault::new("key", no.what, no.remedy))?;
        let url = |field: String, url: &Option<String>| match url {
            Some(_) if self.fips == Some(true) => {
                let (what, remedy) = fips_fault(&field);
                Err(Fault::new("fips", what, remedy))
            }
            Some(url) => self.url_fault(url).map_err(|(what, remedy)| Fault::new(field, what, remedy)),
            None => Ok(()),
        };
        url("endpoint".into(), &self.endpoint)?;
        if !self.replicas.is_empty() && !key.is_multi_region() {
            let remedy = "remove it, or use a multi-Region key (`mrk-`)";
            return Err(Fault::new("replicas", "is set, but only one region has this key", remedy));
        }
        let mut regions = vec![key.region()];
        for (at, replica) in self.replicas.iter().enumerate() {
            let field = |name: &str| format!("replicas[{at}].{name}");
            if !is_region(&replica.region) {
                return Err(Fault::new(field("region"), "is no region", "write its name, such as eu-central-1"));
            }
            if regions.contains(&replica.region.as_str()) {
                let remedy = "remove it: the key's own region and each replica stand there once";
                return Err(Fault::new(field("region"), "stands there twice", remedy));
            }
            regions.push(&replica.region);
            url(field("endpoint"), &replica.endpoint)?;
        }
        if let Some(role) = &self.assume_role {
            let parts: Vec<_> = role.arn.splitn(6, ':').collect();
            if !matches!(parts[..], ["arn", _, "iam", "", _, resource] if resource.starts_with("role/")) {
                let remedy = "write `arn:aws:iam::ACCOUNT:role/NAME`";
                return Err(Fault::new("assumeRole.arn", "is not the ARN of a role", remedy));
            }
            let good = |byte: u8| byte.is_ascii_alphanumeric() || b"=,.@-_".contains(&byte);
            if !(2..=64).contains(&role.session_name.len()) || !role.session_name.bytes().all(good) {
                let remedy = "write 2 to 64 letters, digits, and =,.@-_";
                return Err(Fault::new("assumeRole.sessionName", "can't be a session's name", remedy));
            }
            url("assumeRole.endpoint".into(), &role.endpoint)?;
        }
        context_fault(self).map_err(|(what, remedy)| Fault::new("encryptionContext", what, remedy))?;
        absolute("credentialsFile", self.credentials_file.as_deref())?;
        absolute("tls.ca", self.tls.ca.as_deref())
    }
}
