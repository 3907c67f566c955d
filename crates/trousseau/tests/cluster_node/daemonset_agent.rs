//! The deployment of the documents that define Trousseau: DaemonSet, Vault Agent, Kubernetes auth, KV.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use trousseau_cluster::wait;

use crate::load::while_writing;
use crate::stage::{NEXT, Stage, VAULT_IMAGE, block, copy_kustomize, deploy};

const NAME: &str = "vault-kms-provider";

#[test]
fn the_daemonset_with_the_vault_agent_serves_through_everything_that_happens_to_a_node() {
    let mut stage = Stage::start();
    // Vault's address and the API server's are this test's.
    let vault: Vec<_> =
        document("vault").lines().filter(|line| !line.starts_with("export ")).map(String::from).collect();
    stage.shell(&vault.join("\n"));
    apply(&stage);
    assert!(is_rolled_out(&stage));
    stage.encrypt(&document("encryption"));
    stage.shell(&document("check"));
    stage.assert_encrypted("/registry/secrets/default/trousseau-check");
    let key_id = stage.client().status().unwrap().key_id;

    a_new_token_needs_no_restart(&stage);
    assert_eq!(stage.client().status().unwrap().key_id, key_id, "a token is no part of the identity");

    let (written, gap) = while_writing(&stage, || {
        roll_out(&stage, "kubectl rollout restart -n kube-system daemonset/vault-kms-provider");
    });
    println!("rollout restart: {written} writes, none failed; the plugin was not ready for {gap:.1?}");
    let (written, gap) = while_writing(&stage, || roll_out(&stage, &document("upgrade")));
    println!("upgrade of the image: {written} writes, none failed; the plugin was not ready for {gap:.1?}");
    assert_eq!(container(&stage)["image"], NEXT);

    a_killed_pod_comes_back(&stage);
    a_restarted_kubelet_leaves_the_pod_alone(&mut stage);
    a_sealed_vault_is_no_reason_for_a_restart(&stage);

    // The node loses its power, Vault does not.
    stage.create_secret("before-the-reboot").unwrap();
    reboot(&mut stage);
    stage.wait("a Secret to be readable after the reboot", || stage.read_secret("before-the-reboot").is_ok());
    stage.wait("the DaemonSet after the reboot", || is_rolled_out(&stage) && stage.page("/readyz").0 == 200);
    stage.create_secret("after-the-reboot").unwrap();
    stage.assert_encrypted("/registry/secrets/default/after-the-reboot");
    assert_eq!(stage.client().status().unwrap().key_id, key_id);
    assert!(!stage.node.logs(NAME).contains("hvs."), "i9: no token of Vault's in the log");
}

/// `kubectl apply -k` of an overlay with this test's addresses, ports and times.
fn apply(stage: &Stage) {
    let kustomize = stage.dir().join("kustomize");
    copy_kustomize(&kustomize);
    let overlay = kustomize.join("overlay");
    fs::create_dir(&overlay).unwrap();
    let base = |name: &str| fs::read_to_string(deploy().join("kustomize/daemonset-agent").join(name)).unwrap();
    let port = stage.admin.to_string();
    let agent = base("agent.hcl")
        .replace("https://vault.example:8200", &stage.vault.tls_address().unwrap())
        .replace("\"60s\"", "\"2s\"");
    fs::write(overlay.join("agent.hcl"), agent).unwrap();
    let times = "health: {grace: 6s}\nprobe: {interval: 1s, afterFailure: 1s, promotionDelay: 6s}\nkeys:";
    let template = base("config.yaml.ctmpl").replace("8787", &port).replace("keys:", times);
    fs::write(overlay.join("config.yaml.ctmpl"), template).unwrap();
    fs::copy(stage.ca.file(), overlay.join("vault-ca.pem")).unwrap();
    let (vault, tag) = VAULT_IMAGE;
    let probe = |kind: &str| {
        let path = format!("/spec/template/spec/containers/0/{kind}Probe/httpGet/port");
        format!("      - {{op: replace, path: {path}, value: {port}}}\n")
    };
    let text = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: kube-system
resources: [../daemonset-agent]
configMapGenerator:
  - {{name: {NAME}, behavior: merge, files: [agent.hcl, config.yaml.ctmpl, vault-ca.pem]}}
images:
  - {{name: hashicorp/vault, newName: {vault}, newTag: {tag}}}
patches:
  - target: {{kind: DaemonSet}}
    patch: |
{}{}",
        probe("liveness"),
        probe("readiness"),
    );
    fs::write(overlay.join("kustomization.yaml"), text).unwrap();
    let example = "deploy/kustomize/overlays/daemonset-agent";
    let command = document("apply");
    assert!(command.contains(example), "{command}");
    stage.shell(&command.replace(example, overlay.to_str().unwrap()));
}

fn document(name: &str) -> String {
    block("daemonset.md", name)
}

fn daemonset(stage: &Stage) -> Value {
    let text = stage.api.kubectl_text(&["get", "daemonset", NAME, "-n", "kube-system", "-o", "json"]).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn is_rolled_out(stage: &Stage) -> bool {
    let set = daemonset(stage);
    let status = &set["status"];
    status["observedGeneration"] == set["metadata"]["generation"]
        && status["updatedNumberScheduled"] == 1
        && status["numberAvailable"] == 1
}

/// The DaemonSet's one pod that is not on its way out.
fn pod(stage: &Stage) -> Value {
    let list = stage.api.kubectl_text(&["get", "pods", "-n", "kube-system", "-o", "json"]).unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    let pods = list["items"].as_array().unwrap().iter();
    pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).last().cloned().unwrap_or_default()
}

/// What the pod's status says of the plugin's container.
fn container(stage: &Stage) -> Value {
    let pod = pod(stage);
    let containers = pod["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
    containers.into_iter().find(|container| container["name"] == NAME).unwrap_or_default()
}

fn roll_out(stage: &Stage, command: &str) {
    let before = pod(stage)["metadata"]["uid"].clone();
    stage.shell(command);
    stage.wait("the rollout", || pod(stage)["metadata"]["uid"] != before && is_rolled_out(stage));
}

fn a_new_token_needs_no_restart(stage: &Stage) {
    let old = stage.shell("vault kv get -mount=secret -field=vaulttoken trousseau/config");
    stage.shell(&document("token"));
    // Not at once: the agent reads KV every 2 s. Without the old one, the plugin needs the new one.
    stage.shell(&format!("vault token revoke {}", old.trim()));
    let mut client = stage.client();
    stage.wait("an Encrypt with the new token", || client.encrypt(&[7; 32]).is_ok());
    assert_eq!(container(stage)["restartCount"], 0, "carried on without a restart");
}

fn a_killed_pod_comes_back(stage: &Stage) {
    let before = pod(stage)["metadata"]["uid"].clone();
    let name = pod(stage)["metadata"]["name"].as_str().unwrap().to_owned();
    let (written, gap) = while_writing(stage, || {
        stage.api.kubectl_text(&["delete", "pod", &name, "-n", "kube-system", "--force", "--wait=false"]).unwrap();
        stage.wait("another pod", || pod(stage)["metadata"]["uid"] != before && is_rolled_out(stage));
    });
    println!("pod deleted by force: {written} writes, none failed; the plugin was not ready for {gap:.1?}");

    // The process alone, as if memory had run out.
    let id = container(stage)["containerID"].as_str().unwrap().trim_start_matches("containerd://").to_owned();
    let (written, gap) = while_writing(stage, || {
        stage.node.ctr(&["tasks", "kill", "--signal", "SIGKILL", &id]).unwrap();
        stage.wait("the container to be restarted", || container(stage)["restartCount"] == 1 && is_rolled_out(stage));
    });
    println!("process killed: {written} writes, none failed; the plugin was not ready for {gap:.1?}");
}

fn a_restarted_kubelet_leaves_the_pod_alone(stage: &mut Stage) {
    let before = container(stage);
    stage.node.stop_kubelet().unwrap();
    assert_eq!(stage.page("/readyz").0, 200, "it goes on without a kubelet");
    stage.create_secret("without-a-kubelet").unwrap();
    stage.node.restart_kubelet().unwrap();
    stage.wait("the DaemonSet with a new kubelet", || is_rolled_out(stage));
    for field in ["containerID", "restartCount"] {
        assert_eq!(container(stage)[field], before[field], "{field}");
    }
}

fn a_sealed_vault_is_no_reason_for_a_restart(stage: &Stage) {
    let before = container(stage);
    stage.vault.seal().unwrap();
    stage.wait("readiness to tell", || container(stage)["ready"] == false);
    assert_eq!(stage.page("/livez").0, 200);
    stage.create_secret("while-sealed").unwrap();
    stage.assert_encrypted("/registry/secrets/default/while-sealed");
    // Longer than liveness would need to have it restarted: three failures at 10 s each.
    wait::pause(Duration::from_secs(45));
    let sealed = container(stage);
    assert_eq!(sealed["ready"], false);
    stage.vault.unseal().unwrap();
    stage.wait("the DaemonSet after the unsealing", || is_rolled_out(stage));
    for state in [sealed, container(stage)] {
        for field in ["containerID", "restartCount"] {
            assert_eq!(state[field], before[field], "{field}: the kubelet let it be");
        }
    }
}

/// Every process of the cluster ends, and starts in the order of a boot: kubelet and etcd before the API server.
fn reboot(stage: &mut Stage) {
    stage.node.power_off().unwrap();
    stage.controllers.stop().unwrap();
    stage.api.kill().unwrap();
    stage.etcd.stop().unwrap();
    stage.etcd.restart().unwrap();
    stage.node.power_on().unwrap();
    stage.api.respawn().unwrap();
    stage.controllers.restart().unwrap();
}
