//! What an operator sees: our metrics beside Kubernetes' own, the log without noise, the admin pages.

use std::time::Duration;

use trousseau_cluster::wait;

use crate::rig::Rig;

#[test]
fn test_kms_v2_provider_metrics_the_key_id_hash_is_the_one_in_kubernetes_metrics() {
    let mut rig = Rig::start();
    rig.create_secret("one", "x").unwrap();
    let (_, page) = rig.plugin.page("/metrics");
    let line = page.lines().find(|line| line.starts_with("trousseau_active_key{")).expect("the active key is told");
    let hash = line.split("key_id_hash=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    wait::until(Duration::from_secs(30), "Kubernetes' metric", || Ok(rig.api.metrics()?.contains(hash).then_some(())))
        .unwrap_or_else(|error| panic!("{error}: {hash}"));

    let good_calls_in_the_log = rig.plugin.log().lines().filter(|line| line.contains("a call failed")).count();
    assert_eq!(good_calls_in_the_log, 0);
    let quiet = rig.plugin.log().len();
    rig.create_secret("two", "x").unwrap();
    assert_eq!(rig.plugin.log().len(), quiet, "no line for a good call at info");

    rig.plugin.signal(rustix::process::Signal::USR1);
    rig.plugin.wait_log("\"debugging\":true", Duration::from_secs(5));
    rig.plugin.wait_log("probe good", Duration::from_secs(10));
    assert_eq!(rig.plugin.page("/nothing").0, 404);
    rig.plugin.stop();
    assert!(!rig.plugin.socket().exists(), "the socket is unlinked at the end");
}
