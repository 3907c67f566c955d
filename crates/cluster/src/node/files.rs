//! The configuration files of a node's containerd and kubelet.

use std::path::Path;

use serde_json::{Value, json};

/// What stands for the namespaces of a pod.
pub(super) const PAUSE: &str = "trousseau.test/pause:1";

/// containerd's. What it keeps until a reboot lies in /run/containerd, which is the node's own.
pub(super) fn containerd(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        r#"version = 2
root = "{dir}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "{dir}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{dir}/cni"
    conf_dir = "{dir}/cni"
"#
    )
}

/// A network that no pod uses: pods on the host's network need none, but a node without one is never ready.
pub(super) fn network() -> Value {
    json!({"cniVersion": "0.4.0", "name": "none", "plugins": [{"type": "loopback"}]})
}

/// kubelet's.
pub(super) fn kubelet(dir: &Path, [port, health]: [u16; 2]) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": format!("unix://{}/containerd.sock", dir.display()),
        "staticPodPath": dir.join("manifests"),
        "podLogsDir": dir.join("pod-logs"),
        "address": "127.0.0.1",
        "port": port,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": health,
        // Nobody but this machine reaches it.
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": false,
        "enforceNodeAllocatable": [],
        "failCgroupV1": false,
        "failSwapOn": false,
        // The machine is whose it is: its full disk must not push our pods out.
        "evictionHard": {"memory.available": "1Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "fileCheckFrequency": "1s",
        "syncFrequency": "5s",
        "nodeStatusUpdateFrequency": "2s",
    })
}
