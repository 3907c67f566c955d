//! AWS KMS as a KMS.
//!
//! [`Config`] is the configuration's `awsKms:` section; built, it is an [`AwsProvider`] on one symmetric key. The
//! SDK signs, finds credentials and speaks HTTPS (rustls over aws-lc-rs); its own retries are off, because deadlines,
//! retries and the breaker wrap a provider from outside. A call is made once in each region that has the key, and a
//! second time only with new credentials.

mod alias;
mod answers;
mod arn;
mod build;
mod clock;
mod config;
mod context;
mod credentials;
mod key;
mod material;
mod metadata;
mod places;
mod provider;
mod section;
mod session;
mod transport;

pub use build::ConfigError;
pub use config::{AssumeRole, Config, Replica, Timeouts, Tls};
pub use provider::AwsProvider;
