//! Of two providers, the API server's own health tells the one that fails: Kubernetes' TestKMSHealthz for v1 and v2.

use std::time::Duration;

use tempfile::TempDir;
use trousseau_cluster::wait;

use crate::upstream::{Bare, by, local};

#[test]
fn test_kms_v2_healthz_names_the_provider_that_fails() {
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let (mut one, two) = (local(&dir.path().join("one")), local(&dir.path().join("two")));
    let bare = Bare::start(dir, &(by("secrets", "first", &one) + &by("configmaps", "second", &two)), &[]);
    one.stop();
    let text = wait::until(Duration::from_secs(60), "healthz", || {
        let output = bare.api.kubectl(&["get", "--raw", "/healthz/kms-providers"])?;
        Ok((!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned()))
    });
    let text = text.unwrap();
    assert!(text.contains("KMS Provider first") && !text.contains("KMS Provider second"), "{text}");
    assert!(bare.secret("hidden").is_ok(), "writes go on with the seed at hand");
    one.start_again();
    wait::until(Duration::from_secs(90), "healthz again", || {
        Ok(bare.api.kubectl(&["get", "--raw", "/healthz/kms-providers"])?.status.success().then_some(()))
    })
    .unwrap();
}

/// With v1 each provider has an endpoint of its own, which makes an Encrypt and a Decrypt.
#[test]
fn test_kms_healthz_v1_tells_the_provider_that_fails() {
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let mut plugins = [local(&dir.path().join("one")), local(&dir.path().join("two"))];
    let [one, two] = [by("secrets", "first", &plugins[0]), by("configmaps", "second", &plugins[1])];
    let resources = (one + &two).replace("apiVersion: v2", "apiVersion: v1");
    let bare = Bare::start(dir, &resources, &["--feature-gates=KMSv1=true"]);
    let healthy = |provider: usize| {
        let output = bare.api.kubectl(&["get", "--raw", &format!("/healthz/kms-provider-{provider}")]).unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!text.contains("NotFound"), "{text}");
        output.status.success()
    };
    let wait = |wanted: [bool; 2]| {
        wait::until(Duration::from_secs(90), &format!("{wanted:?} of the providers' health"), || {
            Ok(([healthy(0), healthy(1)] == wanted).then_some(()))
        })
        .unwrap();
    };
    wait([true, true]);
    for failing in [0, 1] {
        plugins[failing].stop();
        wait([failing != 0, failing != 1]);
        plugins[failing].start_again();
        wait([true, true]);
    }
    bare.secret("hidden").unwrap();
}
