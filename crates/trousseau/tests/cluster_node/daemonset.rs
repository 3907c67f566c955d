//! The DaemonSet without the agent: it takes its configuration, and its token for Vault, from the node.

use std::fs;

use trousseau_cluster::NODE_NAME;

use crate::encrypt_and_back::{encrypt_what_is_there, go_back};
use crate::on_the_node::token_on_the_node;
use crate::stage::{CONTROL_PLANE, NEXT, Stage};
use crate::workload::Workload;

#[test]
fn the_daemonset_keeps_writes_going_through_rollouts_an_upgrade_a_crash_and_a_reboot() {
    let mut stage = Stage::start_with_vault();
    let workload = Workload::new("trousseau");
    // As on RKE2 and k3s.
    stage.api.kubectl_text(&["label", "--overwrite", "node", NODE_NAME, &format!("{CONTROL_PLANE}=true")]).unwrap();
    let config = token_on_the_node(&stage);
    let manifest = stage.shell("kubectl kustomize deploy/kustomize/daemonset");
    let manifest = manifest
        .replace("8787", &stage.admin.to_string())
        .replace("path: /etc/trousseau\n", &format!("path: {}\n", config.display()));
    let file = stage.dir().join("daemonset.yaml");
    fs::write(&file, manifest).unwrap();
    stage.shell(&format!("kubectl apply -f {}", file.display()));
    stage.wait("the DaemonSet to be ready", || workload.is_rolled_out(&stage));
    encrypt_what_is_there(&mut stage);
    stage.create_secret("first").unwrap();
    stage.assert_encrypted("/registry/secrets/default/first");

    workload.replace(&stage, "rollout restart", "kubectl rollout restart -n kube-system daemonset/trousseau");
    let upgrade = format!("kubectl set image -n kube-system daemonset/trousseau trousseau={NEXT}");
    workload.replace(&stage, "upgrade of the image", &upgrade);
    assert_eq!(workload.pod(&stage)["spec"]["containers"][0]["image"], NEXT);
    let delete = "kubectl delete pod -n kube-system -l app.kubernetes.io/name=trousseau --force --wait=false";
    workload.replace(&stage, "pod deleted by force", delete);
    workload.kill_process(&stage);
    workload.restart_kubelet(&mut stage);
    workload.reboot(&mut stage, |_| ());

    go_back(&mut stage);
    stage.node.power_off().unwrap();
    stage.api.restart().unwrap();
    assert_eq!(stage.read_secret("before-1").unwrap(), "aHVudGVyMg==", "nothing needs the plugin any more");
}
