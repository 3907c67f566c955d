//! A running configuration and the files that want to replace it (I10).

use std::fs;
use std::time::Duration;

use crate::rig::Rig;

#[test]
fn i10_a_bad_file_never_replaces_a_good_one() {
    let rig = Rig::start();
    let file = rig.dir().join("config.yaml");
    let good = fs::read_to_string(&file).unwrap();
    let refused = "trousseau_config_reloads_total{outcome=\"refused\"}";
    let mut count = 0.0;
    let other_key = good.replace("key: kubernetes", "key: another");
    for bad in ["keys: []", "not: [yaml", "", &good.replace("socket:", "sockt:"), &other_key] {
        fs::write(rig.dir().join("new"), bad).unwrap();
        fs::rename(rig.dir().join("new"), &file).unwrap();
        count += 1.0;
        trousseau_cluster::wait::until(Duration::from_secs(10), "the refusal", || {
            Ok((rig.plugin.metric(refused) >= count).then_some(()))
        })
        .unwrap_or_else(|error| panic!("{error} of {bad:?}; log:\n{}", rig.plugin.log()));
        assert!(rig.plugin.page("/readyz?verbose").1.contains("refused: "));
        assert!(rig.plugin.client().encrypt(&[7; 32]).is_ok(), "what runs, runs on");
    }
    fs::write(&file, &good).unwrap();
    rig.create_secret("still", "x").unwrap();
}
