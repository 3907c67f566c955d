//! The ARN of the key behind an alias or a bare id, for whoever has to write it into a configuration.

use trousseau_core::section::{Environment, Hint};

use crate::arn::{KeyArn, is_bare_id};
use crate::config::Config;

impl Config {
    /// Asks AWS which key a refused name means; `None` where the name is a key's ARN already, or says no region and the
    /// environment doesn't either.
    pub(crate) fn key_behind(&self, environment: &Environment) -> Option<Hint> {
        let name = self.key.clone();
        KeyArn::parse(&name).err()?;
        let arn = stand_in(&name, environment)?;
        let provider = Self { key: arn, ..self.clone() }.provider(environment).ok()?;
        Some(Box::pin(async move {
            let arn = provider.arn_of(&name).await?;
            let name = name.escape_debug();
            Some(format!("AWS KMS says that `{name}` is {arn} now: write that, if it is the key that is meant"))
        }))
    }
}

/// The ARN of no key, in the region and account that are meant.
fn stand_in(name: &str, environment: &Environment) -> Option<String> {
    let of = |partition: &str, region: &str, account: &str| {
        format!("arn:{partition}:kms:{region}:{account}:key/00000000-0000-0000-0000-000000000000")
    };
    match name.split(':').collect::<Vec<_>>()[..] {
        ["arn", partition, "kms", region, account, resource] if resource.starts_with("alias/") => {
            Some(of(partition, region, account))
        }
        // Nothing else is asked for: it may be anything, a pasted secret too.
        [name] if name.starts_with("alias/") || is_bare_id(name) => {
            let region = environment.get("AWS_REGION").or_else(|| environment.get("AWS_DEFAULT_REGION"))?;
            Some(of("aws", region.expose(), "000000000000"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_and_account_are_the_alias_s_or_the_environment_s() {
        let none = Environment::default();
        let some: Environment = [("AWS_REGION".to_owned(), "eu-west-1".to_owned())].into_iter().collect();
        let arn = |region: &str, account: &str| {
            Some(format!("arn:aws:kms:{region}:{account}:key/00000000-0000-0000-0000-000000000000"))
        };
        let alias = "arn:aws:kms:us-east-2:111122223333:alias/k8s";
        assert_eq!(stand_in(alias, &some), arn("us-east-2", "111122223333"));
        assert_eq!(stand_in("alias/k8s", &some), arn("eu-west-1", "000000000000"));
        assert_eq!(stand_in("alias/k8s", &none), None);
        for other in ["a:b", "hvs.CAESI", "arn:aws:kms:us-east-2:111122223333:key/alias/k8s"] {
            assert_eq!(stand_in(other, &some), None, "i9: {other} is sent nowhere");
        }
    }
}
