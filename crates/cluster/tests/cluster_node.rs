//! A whole node leaves nothing behind, however it ends. Needs root, and Debian's containerd and runc or their like.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use trousseau_cluster::{ApiServer, ApiServerConfig, Etcd, NODE_NAME, Node, wait};

const PATIENCE: Duration = Duration::from_secs(120);

/// A pod of nothing but the image that every node has.
const POD: &str = "apiVersion: v1
kind: Pod
metadata: {name: idle, namespace: kube-system}
spec:
  hostNetwork: true
  containers: [{name: idle, image: 'trousseau.test/pause:1', volumeMounts: [{name: memory, mountPath: /memory}]}]
  volumes: [{name: memory, emptyDir: {medium: Memory}}]
";

/// The processes whose command line has this text, ourselves left out.
fn processes(text: &str) -> Vec<i32> {
    let ours = std::process::id() as i32;
    let ids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        *id != ours && line.windows(text.len()).any(|window| window == text.as_bytes())
    })
    .collect()
}

/// The processes in the control groups of the node's containers.
fn contained(node: &Path) -> Vec<String> {
    let tasks = fs::read_dir(node.join("containerd/io.containerd.runtime.v2.task/k8s.io")).unwrap().flatten();
    let ids: Vec<_> = tasks.map(|task| task.file_name().to_string_lossy().into_owned()).collect();
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("cgroup"));
    let groups = processes.filter_map(|path| fs::read_to_string(path).ok());
    groups.filter(|groups| ids.iter().any(|id| groups.contains(id))).collect()
}

fn assert_nothing_left(dir: &Path) {
    let text = dir.to_str().unwrap();
    assert!(!fs::read_to_string("/proc/self/mounts").unwrap().contains(text), "a mount is left");
    assert_eq!(processes(&format!("{text}/")), [0; 0], "a process is left");
}

#[test]
fn a_node_joins_runs_a_static_pod_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let etcd = Etcd::start(dir.path().join("etcd")).unwrap();
    let config = ApiServerConfig {
        etcd: etcd.endpoint(),
        dir: dir.path().join("api"),
        node: true,
        ..ApiServerConfig::default()
    };
    let api = ApiServer::start(&config).unwrap();
    let path = dir.path().join("node");
    for killed in [false, true] {
        let mut node = Node::start(&path, &api).unwrap();
        node.static_pod("idle", POD).unwrap();
        let mirror =
            ["get", "pod", &format!("idle-{NODE_NAME}"), "-n", "kube-system", "-o", "jsonpath={.status.phase}"];
        wait::until(PATIENCE, "the pod to run", || {
            Ok(api.kubectl_text(&mirror).is_ok_and(|it| it == "Running").then_some(()))
        })
        .unwrap_or_else(|error| panic!("{error}\n{}", node.kubelet_log_tail()));
        // The API server may still have the word of the node before.
        wait::until(PATIENCE, "its processes in control groups", || Ok((!contained(&path).is_empty()).then_some(())))
            .unwrap_or_else(|error| panic!("{error}\n{}", node.kubelet_log_tail()));
        node.restart_kubelet().unwrap();
        node.power_off().unwrap();
        assert_eq!(contained(&path), [""; 0], "the power is off");
        node.power_on().unwrap();
        wait::until(PATIENCE, "the pod to run again", || Ok((!contained(&path).is_empty()).then_some(()))).unwrap();
        if killed {
            // What the watchdog does when the program that holds the node is killed.
            for id in processes(&format!("boot\0{}", path.display())) {
                let _ = kill_process(Pid::from_raw(id).unwrap(), Signal::KILL);
            }
            wait::until(PATIENCE, "the end of all", || Ok(contained(&path).is_empty().then_some(()))).unwrap();
        }
        drop(node);
        assert_eq!(contained(&path), [""; 0]);
        assert_nothing_left(&path);
    }
}
