//! Another key in the same KMS: what one wraps, the other refuses.

use std::sync::Arc;

use trousseau_core::Wrapped;

use super::Subject;
use super::bench::Bench;

async fn pair(subject: &Arc<dyn Subject>) -> (Bench, Bench) {
    (Bench::new(subject).await, Bench::of(subject, subject.another().await).await)
}

pub(super) async fn it_has_another_key_id(subject: Arc<dyn Subject>) {
    let (ours, other) = pair(&subject).await;
    let ids = ours.key_ids().await;
    assert!(other.key_ids().await.iter().all(|id| !ids.contains(id)), "two keys have one key_id");
}

/// `opener` under its own version, and under the one that stands in the wrap.
async fn refused(maker: &Bench, opener: &Bench) {
    let wrapped = maker.wrap().await;
    opener.refuses_foreign(&wrapped).await;
    opener.refuses_foreign(&Wrapped { version: opener.version.clone(), ..wrapped }).await;
}

pub(super) async fn it_opens_nothing_of_ours(subject: Arc<dyn Subject>) {
    let (ours, other) = pair(&subject).await;
    refused(&ours, &other).await;
}

pub(super) async fn we_open_nothing_of_it(subject: Arc<dyn Subject>) {
    let (ours, other) = pair(&subject).await;
    refused(&other, &ours).await;
}
