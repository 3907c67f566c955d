//! The plugin as a static pod, as 10123: it starts without an API server, so Secrets and ConfigMaps may both be
//! encrypted, and nothing waits in a circle when everything was off. Its key lies on the node: what is shown here is the
//! order of the start, not a KMS.

use trousseau_cluster::wait;

use crate::load::while_writing;
use crate::on_the_node::config_on_the_node;
use crate::stage::{IMAGE, NEXT, PATIENCE, Stage, block, get};

const UID: u32 = 10123;

#[test]
fn a_static_pod_starts_without_an_api_server_and_everything_comes_up_by_itself() {
    let mut stage = Stage::start();
    let manifest = static_pod(&stage);
    stage.node.give_run_to(UID).unwrap();
    stage.node.static_pod("trousseau", &manifest).unwrap();
    stage.wait("the static pod to be ready", || stage.page("/readyz").0 == 200);
    stage.encrypt(&block("daemonset.md", "encryption").replace("[secrets]", "[secrets, configmaps]"));
    assert!(stage.shell(&block("static-pod.md", "check")).contains("[+]kms-provider"));
    stage.assert_encrypted("/registry/secrets/default/trousseau-check");
    stage.create_secret("first").unwrap();
    stage.api.kubectl_text(&["create", "configmap", "settings", "--from-literal=password=hunter2"]).unwrap();
    for path in ["/registry/secrets/default/first", "/registry/configmaps/default/settings"] {
        stage.assert_encrypted(path);
    }

    upgrade(&stage, &manifest);
    stage.controllers.stop().unwrap();
    stage.api.kill().unwrap();
    stage.node.power_off().unwrap();
    stage.etcd.stop().unwrap();
    assert_eq!(stage.page("/livez").0, 0, "all is off");

    // Kubelet alone: no API server, not even etcd.
    stage.node.power_on().unwrap();
    let admin = stage.admin;
    wait::until(PATIENCE, "the plugin", || Ok((get(admin, "/readyz").0 == 200).then_some(())))
        .unwrap_or_else(|error| panic!("{error}: {}\n{}", stage.node.logs("trousseau"), stage.node.kubelet_log_tail()));
    stage.etcd.restart().unwrap();
    stage.api.respawn().unwrap();
    stage.api.wait_ready(PATIENCE).unwrap();
    assert_eq!(stage.read_secret("first").unwrap(), "aHVudGVyMg==");
    stage.create_secret("second").unwrap();
    stage.controllers.restart().unwrap();
    stage.wait("the pod as the API server shows it", || {
        let ready = "jsonpath={.items[*].status.containerStatuses[*].ready}";
        let pods = stage.api.kubectl_text(&["get", "pods", "-n", "kube-system", "-o", ready]);
        pods.is_ok_and(|text| text.trim() == "true")
    });
}

/// Another manifest in the place of the old one, under a load of writes; none may fail.
fn upgrade(stage: &Stage, manifest: &str) {
    assert!(block("static-pod.md", "upgrade").contains("\nmv "), "by rename, as here");
    let newer = manifest.replace(IMAGE, NEXT);
    assert_ne!(newer, manifest);
    let (written, gap) = while_writing(stage, || {
        stage.node.static_pod("trousseau", &newer).unwrap();
        stage.wait("the pod of the new manifest", || {
            let what = "jsonpath={.items[*].spec.containers[*].image} {.items[*].status.containerStatuses[*].ready}";
            let pods = stage.api.kubectl_text(&["get", "pods", "-n", "kube-system", "-o", what]);
            pods.is_ok_and(|text| text == format!("{NEXT} true")) && stage.page("/readyz").0 == 200
        });
    });
    println!("static pod: another manifest: {written} writes, none failed; the plugin was not ready for {gap:.1?}");
}

/// What the static-pod base renders, with this test's folder, port and user.
fn static_pod(stage: &Stage) -> String {
    let config = config_on_the_node(stage, UID);
    let command = block("static-pod.md", "manifest");
    let (command, _) = command.split_once(" > /etc/kubernetes/manifests/").unwrap();
    let manifest = stage.shell(command);
    let hosts = format!("path: {}", config.display());
    let manifest = manifest
        .replace("8787", &stage.admin.to_string())
        .replace("path: /etc/trousseau\n", &format!("{hosts}\n"))
        .replace("runAsUser: 0", &format!("runAsUser: {UID}"))
        .replace("runAsGroup: 0", &format!("runAsGroup: {UID}"));
    assert!(manifest.contains(&hosts) && manifest.contains(&format!("runAsUser: {UID}")), "{manifest}");
    manifest
}
