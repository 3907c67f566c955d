//! The ARN of a KMS key, taken apart.

/// `arn:PARTITION:kms:REGION:ACCOUNT:key/ID`
/// (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyArn {
    partition: String,
    region: String,
    account: String,
    id: String,
}

/// Why a text is not the ARN of a key: what it is, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoKeyArn {
    pub(crate) what: &'static str,
    pub(crate) remedy: String,
}

/// The longest id: KMS's own have 36 characters, a custom one may have more.
const MAX_ID: usize = 128;

impl KeyArn {
    pub(crate) fn parse(text: &str) -> Result<Self, NoKeyArn> {
        let fields: Vec<_> = text.split(':').collect();
        let [arn, partition, service, region, account, resource] = fields[..] else {
            return Err(other(text));
        };
        let Some(id) = resource.strip_prefix("key/").filter(|_| arn == "arn" && service == "kms") else {
            return Err(other(text));
        };
        let word = |text: &str, bytes: fn(&u8) -> bool| !text.is_empty() && text.bytes().all(|byte| bytes(&byte));
        let lower = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
        let good = (partition == "aws" || partition.starts_with("aws-"))
            && word(partition, lower)
            && is_region(region)
            && account.len() == 12
            && word(account, u8::is_ascii_digit)
            && id.len() <= MAX_ID
            && word(id, |byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        if !good {
            return Err(other(text));
        }
        let [partition, region, account, id] = [partition, region, account, id].map(str::to_owned);
        Ok(Self { partition, region, account, id })
    }

    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// Whether other regions may have this very key.
    pub(crate) fn is_multi_region(&self) -> bool {
        self.id.starts_with("mrk-")
    }

    /// The key's ARN in another region.
    pub(crate) fn in_region(&self, region: &str) -> String {
        let Self { partition, account, id, .. } = self;
        format!("arn:{partition}:kms:{region}:{account}:key/{id}")
    }

    /// What names the key's material: the ARN, without the region if the same material is in several.
    pub(crate) fn identity(&self) -> String {
        self.in_region(if self.is_multi_region() { "" } else { &self.region })
    }
}

pub(crate) fn is_region(text: &str) -> bool {
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(lower) && text.contains('-')
}

/// A key's id without the rest of its ARN.
pub(crate) fn is_bare_id(text: &str) -> bool {
    let uuid = text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    uuid || text.starts_with("mrk-")
}

fn other(text: &str) -> NoKeyArn {
    let ask = |key: &str| {
        format!(
            "write the key's ARN, which this tells: `aws kms describe-key --key-id {} --query KeyMetadata.Arn`",
            key.escape_debug()
        )
    };
    if text.starts_with("alias/") || text.contains(":alias/") {
        let what = "is an alias, which can be pointed at another key, and then nothing could be decrypted";
        return NoKeyArn { what, remedy: ask(text) };
    }
    if is_bare_id(text) {
        return NoKeyArn { what: "is a bare key id, which says neither account nor region", remedy: ask(text) };
    }
    let remedy = "write `arn:aws:kms:REGION:ACCOUNT:key/ID`".to_owned();
    NoKeyArn { what: "is not the ARN of a KMS key", remedy }
}

#[cfg(test)]
mod tests {
    use super::KeyArn;

    const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

    #[test]
    fn the_identity_of_a_multi_region_key_is_the_same_in_every_region() {
        let of = |text: &str| KeyArn::parse(text).unwrap().identity();
        let plain = format!("arn:aws:kms:eu-west-1:111122223333:key/{ID}");
        assert_eq!(of(&plain), plain);
        let many = "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";
        let elsewhere = KeyArn::parse(many).unwrap().in_region("us-gov-east-1");
        assert_eq!(elsewhere, many.replace("gov-west", "gov-east"));
        assert_eq!((of(many), of(&elsewhere)), (many.replace("us-gov-west-1", ""), of(many)));
    }

    #[test]
    fn what_can_come_to_mean_another_key_is_refused_with_the_command_that_tells_the_arn() {
        for (text, what) in [
            ("alias/k8s", "is an alias"),
            ("arn:aws:kms:eu-west-1:111122223333:alias/k8s", "is an alias"),
            (ID, "is a bare key id"),
            ("mrk-1234abcd12ab34cd56ef1234567890ab", "is a bare key id"),
        ] {
            let error = KeyArn::parse(text).unwrap_err();
            assert!(error.what.starts_with(what), "{text}: {}", error.what);
            assert!(error.remedy.contains(&format!("--key-id {text} --query")), "{}", error.remedy);
        }
        for text in [
            "",
            "key",
            "arn:aws:kms:eu-west-1:111122223333:key/",
            "arn:aws:kms::111122223333:key/x",
            "arn:aws:kms:eu-west-1:1111:key/x",
            "arn:aws:s3:eu-west-1:111122223333:key/x",
            "arn:gcp:kms:eu-west-1:111122223333:key/x",
            "arn:aws:kms:eu-west-1:111122223333:key/a/b",
            "arn:aws:kms:eu-west-1:111122223333:key/a:b",
            "arn:aws:kms:eu west-1:111122223333:key/a",
            "arn:aws:kms:eu-west-1:111122223333:key/ä",
        ] {
            assert_eq!(KeyArn::parse(text).unwrap_err().what, "is not the ARN of a KMS key", "{text}");
        }
    }
}
