//! The clients of one login: one for each region, with shared credentials. A new login reads everything anew.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_config::identity::IdentityCache;
use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{
    AppName, Builder, Region, SharedHttpClient, SharedIdentityCache, StalledStreamProtectionConfig,
};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::clock::{ReadsDate, Skew};
use crate::config::Timeouts;
use crate::credentials::{Expiry, Source, behaviour};

/// The shortest life of a login whose credentials are refused: what is refused for good is not read without end.
pub(crate) const REFUSED: Duration = Duration::from_secs(2);

/// The same where a right is missing: others' credentials are seldom the remedy, and a role is assumed for each login.
pub(crate) const FORBIDDEN: Duration = Duration::from_secs(30);

/// Logins, one after the other.
pub(crate) struct Session {
    source: Source,
    regions: Vec<Endpoint>,
    http: SharedHttpClient,
    times: TimeoutConfig,
    skew: Arc<Skew>,
    current: ArcSwap<Login>,
}

/// KMS in one region.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) region: String,
    /// `None` = AWS's own.
    pub(crate) url: Option<String>,
}

/// Clients whose credentials come from one reading of their source. The SDK renews those that expire.
pub(crate) struct Login {
    since: Instant,
    clients: OnceCell<Vec<Client>>,
    expiry: Arc<Expiry>,
}

impl Login {
    fn new() -> Self {
        Self { since: Instant::now(), clients: OnceCell::new(), expiry: Arc::default() }
    }
}

impl Session {
    pub(crate) fn new(source: Source, regions: Vec<Endpoint>, http: SharedHttpClient, times: Timeouts) -> Self {
        let times = TimeoutConfig::builder().connect_timeout(times.connect).read_timeout(times.first_byte).build();
        let current = ArcSwap::from_pointee(Login::new());
        Self { source, regions, http, times, skew: Arc::default(), current }
    }

    /// The client of a region, and the login that it belongs to. Asks nobody: credentials are found by the first call.
    pub(crate) async fn client(&self, region: usize) -> Option<(Arc<Login>, Client)> {
        let login = self.current.load_full();
        let clients = login.clients.get_or_init(|| self.clients(&login)).await;
        let client = clients.get(region)?.clone();
        Some((login, client))
    }

    /// After `refused` was refused: whether there is a newer login to try, which there is if it lived long enough.
    pub(crate) fn renew(&self, refused: &Arc<Login>, min_life: Duration) -> bool {
        let current = self.current.load();
        if !Arc::ptr_eq(&current, refused) {
            return true;
        }
        if refused.since.elapsed() < min_life {
            return false;
        }
        // Who comes second finds the first one's.
        self.current.compare_and_swap(&current, Arc::new(Login::new()));
        true
    }

    /// How long the present credentials live, where they end.
    pub(crate) fn credential_ttl(&self) -> Option<Duration> {
        self.current.load().expiry.left()
    }

    /// AWS's clock minus ours.
    pub(crate) fn skew(&self) -> Option<i64> {
        self.skew.seconds()
    }

    async fn clients(&self, login: &Login) -> Vec<Client> {
        let provider = self.source.provider(&self.http, &self.times, Arc::clone(&login.expiry)).await;
        let cache: SharedIdentityCache = IdentityCache::lazy().build();
        let client = |endpoint: &Endpoint| {
            let mut config = Builder::new()
                .behavior_version(behaviour())
                .region(Region::new(endpoint.region.clone()))
                .use_fips(self.source.fips)
                .credentials_provider(provider.clone())
                .identity_cache(cache.clone())
                .http_client(self.http.clone())
                .retry_config(RetryConfig::disabled())
                .timeout_config(self.times.clone())
                .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
                .interceptor(ReadsDate(Arc::clone(&self.skew)));
            config.set_endpoint_url(endpoint.url.clone());
            config.set_app_name(AppName::new("trousseau").ok());
            Client::from_conf(config.build())
        };
        self.regions.iter().map(client).collect()
    }
}
