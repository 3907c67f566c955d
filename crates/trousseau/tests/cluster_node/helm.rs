//! The Helm chart, with the Vault Agent: installed, upgraded under load, reconfigured, and rolled back out of a mess.

use std::fs;

use crate::daemonset_agent::{apply, on_overlay, setup};
use crate::load::while_writing;
use crate::picture::{Step, picture};
use crate::stage::{NEXT, Stage, VAULT_IMAGE, block};
use crate::workload::Workload;

#[test]
fn the_chart_is_installed_upgraded_under_load_and_rolled_back_while_no_secret_can_be_read() {
    let mut stage = Stage::start_with_vault();
    let workload = Workload::new("trousseau");
    stage.shell(&setup());
    apply(&stage);
    stage.encrypt(&block("daemonset.md", "encryption"));
    stage.create_secret("first").unwrap();
    stage.assert_encrypted("/registry/secrets/default/first");

    let values = write_values(&stage, "6s");
    let mut installed = String::new();
    let (written, gap) = while_writing(&stage, || {
        stage.shell(&on_overlay(&stage, &block("helm.md", "move")));
        installed = stage.shell(&here(&stage, "install"));
    });
    println!("helm: from kustomize: {written} writes, none failed; the plugin was not ready for {gap:.1?}");
    assert!(workload.is_rolled_out(&stage));
    assert_eq!(stage.read_secret("first").unwrap(), "aHVudGVyMg==");

    workload.replace(&stage, "helm upgrade", &here(&stage, "upgrade"));
    assert_eq!(workload.pod(&stage)["spec"]["containers"][0]["image"], NEXT);

    let history = "HELM_DRIVER=configmap helm history trousseau -n kube-system";
    picture(
        "helm",
        &[
            Step { command: block("helm.md", "install"), printed: installed },
            Step { command: block("helm.md", "upgrade"), printed: String::new() },
            Step { command: history.into(), printed: stage.shell(history) },
        ],
    );

    // Another configuration: the same pod takes it.
    let before = workload.container(&stage);
    let taken = || stage.node.logs("trousseau").matches("configuration in use").count();
    let so_far = taken();
    write_values(&stage, "7s");
    let with_values = format!("image.tag=0.2.0 --values {}", values.display());
    stage.shell(&here(&stage, "upgrade").replace("image.tag=0.2.0", &with_values));
    stage.wait("the new configuration", || taken() > so_far);
    workload.assert_same(&before, &workload.container(&stage));

    // An image that nobody has: the pod is gone, and with it every Secret. The release is in a ConfigMap.
    let broken = here(&stage, "upgrade").replace("image.tag=0.2.0", "image.tag=nowhere");
    let (broken, _) = broken.split_once("\nkubectl rollout status").unwrap();
    stage.shell(broken);
    stage.wait("the end of the plugin", || stage.page("/livez").0 == 0);
    // A fresh API server knows no seed.
    stage.api.kill().unwrap();
    stage.api.respawn().unwrap();
    stage.wait("an API server that can read no Secret", || {
        stage.api.kubectl_text(&["get", "configmaps"]).is_ok() && stage.read_secret("first").is_err()
    });
    stage.shell(&here(&stage, "rollback"));
    stage.wait("the rollback", || workload.is_rolled_out(&stage) && stage.read_secret("first").is_ok());
    assert_eq!(workload.pod(&stage)["spec"]["containers"][0]["image"], NEXT);

    stage.shell("HELM_DRIVER=configmap helm uninstall trousseau --namespace kube-system");
    let left = "daemonset,serviceaccount,configmap,clusterrolebinding";
    let left = stage.shell(&format!("kubectl get {left} -n kube-system -l app.kubernetes.io/name=trousseau -o name"));
    assert_eq!(left, "");
}

/// A command of the document, with this test's values.
fn here(stage: &Stage, name: &str) -> String {
    block("helm.md", name)
        .replace("--values values.yaml", &format!("--values {}", stage.dir().join("values.yaml").display()))
        .replace("vault-ca.pem", stage.vault_ca().to_str().unwrap())
}

/// The document's values with this test's addresses, images and times.
fn write_values(stage: &Stage, grace: &str) -> std::path::PathBuf {
    let (vault, tag) = VAULT_IMAGE;
    let times = format!(
        "config:
  admin: 127.0.0.1:{}
  health: {{grace: {grace}}}
  probe: {{interval: 1s, afterFailure: 1s, promotionDelay: 6s}}
",
        stage.admin
    );
    let agent = format!(
        "agent:
  renderInterval: 2s
  image: {{repository: {vault}, tag: {tag}}}
"
    );
    let text = block("helm.md", "values")
        .replace("https://vault.example:8200", &stage.vault().tls_address().unwrap())
        .replace("config:\n", &times)
        .replace("agent:\n", &agent);
    let path = stage.dir().join("values.yaml");
    fs::write(&path, text).unwrap();
    path
}
