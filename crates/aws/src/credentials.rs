//! Where credentials come from: the SDK's chain, or a file, and a role assumed with them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{BehaviorVersion, SharedHttpClient};
use aws_smithy_async::rt::sleep::default_async_sleep;
use aws_smithy_async::time::SystemTimeSource;

/// What is needed to find credentials.
#[derive(Clone)]
pub(crate) struct Source {
    /// STS is asked in this region.
    pub(crate) region: Region,
    pub(crate) profile: Option<String>,
    pub(crate) file: Option<PathBuf>,
    pub(crate) role: Option<Role>,
    pub(crate) fips: bool,
}

/// A role to assume.
#[derive(Clone)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) external_id: Option<String>,
    pub(crate) session_name: String,
    pub(crate) endpoint: Option<String>,
}

impl Source {
    /// A provider that has asked nobody yet; `expiry` hears when what it gives ends.
    pub(crate) async fn provider(
        &self,
        http: &SharedHttpClient,
        times: &TimeoutConfig,
        expiry: Arc<Expiry>,
    ) -> SharedCredentialsProvider {
        let base = self.base(http, times).await;
        let inner = match &self.role {
            None => base,
            Some(role) => SharedCredentialsProvider::new(self.assume(role, base, http, times).await),
        };
        SharedCredentialsProvider::new(Watched { inner, expiry })
    }

    async fn base(&self, http: &SharedHttpClient, times: &TimeoutConfig) -> SharedCredentialsProvider {
        let config = ProviderConfig::without_region()
            .with_region(Some(self.region.clone()))
            .with_use_fips(Some(self.fips))
            .with_behavior_version(Some(behaviour()))
            .with_retry_config(RetryConfig::disabled())
            .with_timeout_config(times.clone())
            .with_http_client(http.clone());
        let Some(file) = &self.file else {
            let mut chain = DefaultCredentialsChain::builder().configure(config).region(self.region.clone());
            if let Some(profile) = &self.profile {
                chain = chain.profile_name(profile);
            }
            return SharedCredentialsProvider::new(chain.build().await);
        };
        let files = EnvConfigFiles::builder().with_file(EnvConfigFileKind::Credentials, file).build();
        let mut chosen = ProfileFileCredentialsProvider::builder().configure(&config).profile_files(files);
        if let Some(profile) = &self.profile {
            chosen = chosen.profile_name(profile);
        }
        SharedCredentialsProvider::new(chosen.build())
    }

    async fn assume(
        &self,
        role: &Role,
        base: SharedCredentialsProvider,
        http: &SharedHttpClient,
        times: &TimeoutConfig,
    ) -> AssumeRoleProvider {
        let mut config = SdkConfig::builder()
            .behavior_version(behaviour())
            .region(self.region.clone())
            .use_fips(self.fips)
            .retry_config(RetryConfig::disabled())
            .timeout_config(times.clone())
            .http_client(http.clone())
            .time_source(SystemTimeSource::new());
        config.set_sleep_impl(default_async_sleep());
        config.set_endpoint_url(role.endpoint.clone());
        let mut builder = AssumeRoleProvider::builder(&role.arn)
            .session_name(&role.session_name)
            .region(self.region.clone())
            .configure(&config.build());
        if let Some(id) = &role.external_id {
            builder = builder.external_id(id);
        }
        builder.build_from_provider(base).await
    }
}

/// Pinned: a new SDK does not change what it does unasked.
pub(crate) fn behaviour() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// When the credentials that were given last end.
#[derive(Debug, Default)]
pub(crate) struct Expiry(Mutex<Option<SystemTime>>);

impl Expiry {
    pub(crate) fn left(&self) -> Option<Duration> {
        let end = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(end?.duration_since(SystemTime::now()).unwrap_or_default())
    }

    fn set(&self, end: Option<SystemTime>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = end;
    }
}

/// A provider that notes when what it gives ends.
#[derive(Debug)]
struct Watched {
    inner: SharedCredentialsProvider,
    expiry: Arc<Expiry>,
}

impl ProvideCredentials for Watched {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let given = self.inner.provide_credentials().await?;
            self.expiry.set(given.expiry());
            Ok(given)
        })
    }
}
