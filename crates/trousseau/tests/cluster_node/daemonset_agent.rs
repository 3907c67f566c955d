//! The deployment of the documents that define Trousseau: DaemonSet, Vault Agent, Kubernetes auth, KV.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use trousseau_cluster::wait;

use crate::picture::{Step, picture};
use crate::stage::{NEXT, Stage, VAULT_IMAGE, block, copy_kustomize, deploy};
use crate::workload::Workload;

const NAME: &str = "vault-kms-provider";

#[test]
fn the_daemonset_with_the_vault_agent_serves_through_everything_that_happens_to_a_node() {
    let mut stage = Stage::start_with_vault();
    let workload = Workload::new(NAME);
    stage.shell(&setup());
    a_shared_vault_keeps_what_is_another_clusters(&stage);
    let applied = apply(&stage);
    assert!(workload.is_rolled_out(&stage));
    stage.encrypt(&document("encryption"));
    let checked = stage.shell(&document("check"));
    let pods = "kubectl get pods -n kube-system";
    picture(
        "daemonset",
        &[
            Step { command: document("apply"), printed: applied },
            Step { command: pods.into(), printed: stage.shell(pods) },
            Step { command: document("check"), printed: checked },
        ],
    );
    stage.assert_encrypted("/registry/secrets/default/trousseau-check");
    let key_id = stage.client().status().unwrap().key_id;

    a_new_token_needs_no_restart(&stage, &workload);
    assert_eq!(stage.client().status().unwrap().key_id, key_id, "a token is no part of the identity");

    workload.replace(&stage, "rollout restart", "kubectl rollout restart -n kube-system daemonset/vault-kms-provider");
    let (_, tag) = NEXT.rsplit_once(':').unwrap();
    write_overlay(&stage, "../daemonset-agent", "", tag);
    workload.replace(&stage, "upgrade of the image", &of_the_overlay(&stage, "upgrade"));
    assert_eq!(workload.pod(&stage)["spec"]["containers"][0]["image"], NEXT);
    as_another_user(&stage, &workload);
    assert_eq!(stage.client().status().unwrap().key_id, key_id);

    workload.restart_kubelet(&mut stage);
    a_sealed_vault_is_no_reason_for_a_restart(&stage, &workload);
    // The node loses its power, and Vault is sealed when it comes back.
    stage.vault().seal().unwrap();
    workload.reboot(&mut stage, a_sealed_vault_keeps_secrets_closed_and_nothing_else);
    assert!(!stage.node.logs(NAME).contains("hvs."), "i9: no token of Vault's in the log");
}

/// The document's step 1; Vault's address and the API server's are this test's.
pub(crate) fn setup() -> String {
    let vault = document("vault");
    vault.lines().filter(|line| !line.starts_with("export ")).collect::<Vec<_>>().join("\n")
}

/// The document's `kubectl apply -k`, of this test's overlay.
pub(crate) fn apply(stage: &Stage) -> String {
    copy_kustomize(&stage.dir().join("kustomize"));
    write_overlay(stage, "../daemonset-agent", "", env!("CARGO_PKG_VERSION"));
    stage.shell(&of_the_overlay(stage, "apply"))
}

/// A command of the document on the example overlay, on this test's.
fn of_the_overlay(stage: &Stage, name: &str) -> String {
    on_overlay(stage, &document(name))
}

/// A command on the example overlay, on this test's.
pub(crate) fn on_overlay(stage: &Stage, command: &str) -> String {
    let example = "deploy/kustomize/overlays/daemonset-agent";
    assert!(command.contains(example), "{command}");
    command.replace(example, stage.dir().join("kustomize/overlay").to_str().unwrap())
}

/// An overlay with this test's addresses, ports and times, as the example's says what to change.
fn write_overlay(stage: &Stage, of: &str, more: &str, tag: &str) -> PathBuf {
    let overlay = stage.dir().join("kustomize/overlay");
    fs::create_dir_all(&overlay).unwrap();
    let base = |name: &str| fs::read_to_string(deploy().join("kustomize/daemonset-agent").join(name)).unwrap();
    let port = stage.admin.to_string();
    let agent = base("agent.hcl")
        .replace("https://vault.example:8200", &stage.vault().tls_address().unwrap())
        .replace("\"60s\"", "\"2s\"");
    fs::write(overlay.join("agent.hcl"), agent).unwrap();
    let times = "health: {grace: 6s}\nprobe: {interval: 1s, afterFailure: 1s, promotionDelay: 6s}\nkeys:";
    let template = base("config.yaml.ctmpl").replace("8787", &port).replace("keys:", times);
    fs::write(overlay.join("config.yaml.ctmpl"), template).unwrap();
    fs::copy(stage.vault_ca(), overlay.join("vault-ca.pem")).unwrap();
    let (vault, vault_tag) = VAULT_IMAGE;
    let probe = |kind: &str| {
        let path = format!("/spec/template/spec/containers/0/{kind}Probe/httpGet/port");
        format!("      - {{op: replace, path: {path}, value: {port}}}\n")
    };
    let text = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: kube-system
resources: [{of}]
configMapGenerator:
  - {{name: {NAME}, behavior: merge, files: [agent.hcl, config.yaml.ctmpl, vault-ca.pem]}}
images:
  - {{name: hashicorp/vault, newName: {vault}, newTag: {vault_tag}}}
  - {{name: ghcr.io/trousseau-io/trousseau, newTag: {tag}}}
{more}patches:
  - target: {{kind: DaemonSet}}
    patch: |
{}{}",
        probe("liveness"),
        probe("readiness"),
    );
    fs::write(overlay.join("kustomization.yaml"), text).unwrap();
    overlay
}

fn document(name: &str) -> String {
    block("daemonset.md", name)
}

/// The component for 10123. The old process must end before the folder is another's: it could not remove its socket then.
fn as_another_user(stage: &Stage, workload: &Workload) {
    stage.shell("kubectl delete daemonset -n kube-system vault-kms-provider --timeout=60s");
    stage.wait("the end of the pod", || workload.pod(stage).is_null() && !stage.node.run().join("kms.sock").exists());
    stage.node.give_run_to(10123).unwrap();
    let component = "components: [../components/unprivileged]\n";
    let overlay = write_overlay(stage, "../daemonset-agent", component, env!("CARGO_PKG_VERSION"));
    stage.shell(&format!("kubectl apply -k {}", overlay.display()));
    stage.wait("the DaemonSet of another user", || workload.is_rolled_out(stage));
    assert_eq!(workload.pod(stage)["spec"]["securityContext"]["runAsUser"], 10123);
    stage.create_secret("as-another-user").unwrap();
}

fn a_new_token_needs_no_restart(stage: &Stage, workload: &Workload) {
    let (pod, before) = (workload.pod(stage)["metadata"]["uid"].clone(), workload.containers(stage));
    assert_eq!(before.len(), 2, "plugin and agent");
    let old = stage.shell("vault kv get -mount=secret -field=vaulttoken trousseau/config");
    stage.shell(&document("token"));
    // Not at once: the agent reads KV every 2 s. Without the old one, the plugin needs the new one.
    stage.shell(&format!("vault token revoke {}", old.trim()));
    let mut client = stage.client();
    stage.wait("an Encrypt with the new token", || client.encrypt(&[7; 32]).is_ok());
    assert_eq!(workload.pod(stage)["metadata"]["uid"], pod);
    for (before, after) in before.iter().zip(workload.containers(stage)) {
        workload.assert_same(before, &after);
    }
}

/// Another cluster's names don't touch this one's, and this one's are refused to another.
fn a_shared_vault_keeps_what_is_another_clusters(stage: &Stage) {
    let ours = "vault read auth/kubernetes/config; vault kv get -mount=secret trousseau/config; \
                vault policy read trousseau-config; vault policy read trousseau-transit";
    let before = stage.shell(ours);
    let other = format!("export KUBERNETES_HOST=https://other.example:6443\n{}", setup());
    let refused = stage.fail(&other);
    assert!(refused.contains(&stage.api.url()) && refused.contains("FORCE=1"), "{refused}");
    assert_eq!(stage.shell(ours), before, "nothing was changed");
    stage.shell(&format!(
        "export AUTH_MOUNT=other ROLE=kms POLICY=other KV_MOUNT=of-other KV_PATH=kms TRANSIT_KEY=other\n{other}"
    ));
    assert_eq!(stage.shell(ours), before);
    let theirs = stage.shell("vault read -field=kubernetes_host auth/other/config; vault policy read other-config");
    assert!(theirs.starts_with("https://other.example:6443") && theirs.contains("of-other/data/kms"), "{theirs}");
}

/// In the middle of a cold start: the API server answers, and Secrets alone can't be read.
fn a_sealed_vault_keeps_secrets_closed_and_nothing_else(stage: &Stage) {
    stage.wait("the API server in the middle of a cold start", || {
        stage.api.kubectl_text(&["get", "configmaps", "-n", "kube-system"]).is_ok()
            && stage.node.logs("vault-agent-init").contains("Vault is sealed")
    });
    // What a load balancer may ask. Since 1.36 it waits for a minute for every object to be readable.
    stage.wait("livez", || stage.api.kubectl_text(&["get", "--raw", "/livez"]).is_ok_and(|text| text == "ok"));
    assert!(!stage.api.readyz().unwrap().ready, "its readyz still tells");
    assert!(stage.read_secret("before-the-reboot").is_err());
    stage.vault().unseal().unwrap();
}

fn a_sealed_vault_is_no_reason_for_a_restart(stage: &Stage, workload: &Workload) {
    let before = workload.container(stage);
    stage.vault().seal().unwrap();
    stage.wait("readiness to tell", || workload.container(stage)["ready"] == false);
    assert_eq!(stage.page("/livez").0, 200);
    stage.create_secret("while-sealed").unwrap();
    stage.assert_encrypted("/registry/secrets/default/while-sealed");
    // Longer than liveness would need to have it restarted: three failures at 10 s each.
    wait::pause(Duration::from_secs(45));
    let sealed = workload.container(stage);
    assert_eq!(sealed["ready"], false);
    stage.vault().unseal().unwrap();
    stage.wait("the DaemonSet after the unsealing", || workload.is_rolled_out(stage));
    for state in [sealed, workload.container(stage)] {
        workload.assert_same(&before, &state);
    }
}
