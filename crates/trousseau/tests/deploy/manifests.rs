//! The manifests: what a pod of the plugin may do, container by container, and what the pages say of kube-apiserver's.

use std::fs;

use serde_json::{Value, json};

use crate::deploy;
use crate::document::block;

/// The documents of a file, anchors resolved.
fn documents(text: &str) -> Vec<Value> {
    let parts = text.split("\n---\n").map(|part| part.trim_start_matches("---\n"));
    parts.filter(|part| part.contains("kind:")).map(|part| serde_saphyr::from_str(part).unwrap()).collect()
}

/// Every pod that lies in `deploy/`: of the bases, and of the chart as a test has rendered it.
fn pods() -> Vec<(String, Value)> {
    let bases = ["daemonset-agent/daemonset.yaml", "daemonset/daemonset.yaml", "static-pod/pod.yaml"];
    let mut files: Vec<_> = bases.map(|file| deploy("kustomize").join(file)).into();
    files.extend(fs::read_dir(deploy("helm/rendered")).unwrap().map(|entry| entry.unwrap().path()));
    let mut pods = Vec::new();
    for file in files {
        for document in documents(&fs::read_to_string(&file).unwrap()) {
            let spec = match document["kind"].as_str().unwrap() {
                "Pod" => &document["spec"],
                "DaemonSet" => &document["spec"]["template"]["spec"],
                _ => continue,
            };
            pods.push((file.display().to_string(), spec.clone()));
        }
    }
    assert!(pods.len() >= 7, "{} pods", pods.len());
    pods
}

#[test]
fn what_a_pod_of_the_plugin_may_do_is_little_in_every_container() {
    let hardened = json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    });
    for (file, spec) in pods() {
        assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{file}");
        assert_eq!(spec["automountServiceAccountToken"], false, "{file}");
        assert_eq!(spec["priorityClassName"], "system-node-critical", "{file}");
        let list = |field: &str| spec[field].as_array().cloned().unwrap_or_default();
        let containers = list("containers");
        for container in list("initContainers").iter().chain(&containers) {
            assert_eq!(container["securityContext"], hardened, "{file}: {}", container["name"]);
        }
        let plugin = &containers[0];
        assert_eq!(plugin["livenessProbe"]["httpGet"]["path"], "/livez", "{file}");
        assert_eq!(plugin["readinessProbe"]["httpGet"]["path"], "/readyz", "{file}");
        let writable = list("volumes").into_iter().filter(|volume| {
            let mount = |mount: &Value| mount["name"] == volume["name"] && mount["readOnly"] != true;
            volume["hostPath"].is_object() && plugin["volumeMounts"].as_array().unwrap().iter().any(mount)
        });
        assert_eq!(writable.map(|volume| volume["name"].clone()).collect::<Vec<_>>(), ["socket"], "{file}");
    }
}

/// kubeadm gives the label no value, RKE2 and k3s "true".
#[test]
fn a_daemonset_goes_to_control_plane_nodes_whatever_the_labels_value() {
    let exists = json!([{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]);
    let sets: Vec<_> = pods().into_iter().filter(|(file, _)| !file.ends_with("static-pod/pod.yaml")).collect();
    assert!(sets.len() >= 6);
    for (file, spec) in sets {
        let required = &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        assert_eq!(required["nodeSelectorTerms"], json!([{"matchExpressions": exists}]), "{file}");
        assert_eq!(spec["nodeSelector"], Value::Null, "{file}");
        assert_eq!(spec["tolerations"], json!([{"operator": "Exists"}]), "{file}");
    }
}

/// kubeadm makes the one of the other.
#[test]
fn the_page_of_kubeadm_says_the_same_of_kube_apiserver_twice() {
    let read = |name: &str| -> Value { serde_saphyr::from_str(&block("docs/install/static-pod.md", name)).unwrap() };
    let (pod, kubeadm) = (read("apiserver"), read("kubeadm"));
    let (spec, given) = (&pod["spec"], &kubeadm["apiServer"]);
    let argument = &given["extraArgs"][0];
    let (name, value) = (argument["name"].as_str().unwrap(), argument["value"].as_str().unwrap());
    assert_eq!(spec["containers"][0]["command"], json!([format!("--{name}={value}")]));
    let given = given["extraVolumes"].as_array().unwrap();
    assert_eq!(given.len(), 2);
    for (number, volume) in given.iter().enumerate() {
        let (path, kind) = (&volume["hostPath"], &volume["pathType"]);
        let expected = json!({"name": volume["name"], "hostPath": {"path": path, "type": kind}});
        assert_eq!(spec["volumes"][number], expected);
        let mut expected = json!({"name": volume["name"], "mountPath": volume["mountPath"]});
        if let Some(read_only) = volume.get("readOnly") {
            expected["readOnly"] = read_only.clone();
        }
        assert_eq!(spec["containers"][0]["volumeMounts"][number], expected);
    }
    assert_eq!(given[0]["mountPath"], value);
}
