//! A DaemonSet's one pod, and what happens to it.

use std::cell::Cell;

use serde_json::Value;

use crate::load::while_writing;
use crate::stage::Stage;

/// The DaemonSet and the plugin's container in it have the same name.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// How often the container of the pod that is there has been restarted by what a test did.
    restarts: Cell<u32>,
}

impl Workload {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, restarts: Cell::new(0) }
    }

    pub(crate) fn is_rolled_out(&self, stage: &Stage) -> bool {
        // It is asked also while the API server starts.
        let text = stage.api.kubectl_text(&["get", "daemonset", self.name, "-n", "kube-system", "-o", "json"]);
        let set: Value = text.ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let status = &set["status"];
        !set.is_null()
            && status["observedGeneration"] == set["metadata"]["generation"]
            && status["desiredNumberScheduled"] == 1
            && status["updatedNumberScheduled"] == 1
            && status["numberAvailable"] == 1
    }

    /// The one pod that is not on its way out; null if there is none.
    pub(crate) fn pod(&self, stage: &Stage) -> Value {
        let text = stage.api.kubectl_text(&["get", "pods", "-n", "kube-system", "-o", "json"]).unwrap_or_default();
        let list: Value = serde_json::from_str(&text).unwrap_or_default();
        let mut pods = list["items"].as_array().into_iter().flatten();
        pods.rfind(|pod| pod["metadata"]["deletionTimestamp"].is_null()).cloned().unwrap_or_default()
    }

    /// What the pod's status says of the plugin's container.
    pub(crate) fn container(&self, stage: &Stage) -> Value {
        let containers = self.containers(stage);
        containers.into_iter().find(|container| container["name"] == self.name).unwrap_or_default()
    }

    /// What the pod's status says of every container, sorted by name.
    pub(crate) fn containers(&self, stage: &Stage) -> Vec<Value> {
        let mut containers = self.pod(stage)["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
        containers.sort_by_key(|container| container["name"].to_string());
        containers
    }

    /// Runs a command that makes a new pod, under a load of writes; none may fail.
    pub(crate) fn replace(&self, stage: &Stage, what: &str, command: &str) {
        let before = self.pod(stage)["metadata"]["uid"].clone();
        self.under_load(stage, what, || {
            stage.shell(command);
            stage.wait(what, || self.pod(stage)["metadata"]["uid"] != before && self.is_rolled_out(stage));
        });
        self.restarts.set(0);
    }

    /// Ends the plugin's process alone, as if memory had run out, under a load of writes; none may fail.
    pub(crate) fn kill_process(&self, stage: &Stage) {
        let id = self.container(stage)["containerID"].as_str().unwrap().trim_start_matches("containerd://").to_owned();
        self.restarts.set(self.restarts.get() + 1);
        self.under_load(stage, "killed process", || {
            stage.node.ctr(&["tasks", "kill", "--signal", "SIGKILL", &id]).unwrap();
            stage.wait("the container to be restarted", || {
                self.container(stage)["restartCount"] == self.restarts.get() && self.is_rolled_out(stage)
            });
        });
    }

    /// A kubelet that is away, and another one: the plugin goes on.
    pub(crate) fn restart_kubelet(&self, stage: &mut Stage) {
        let before = self.container(stage);
        stage.node.stop_kubelet().unwrap();
        assert_eq!(stage.page("/readyz").0, 200, "it goes on without a kubelet");
        stage.create_secret("without-a-kubelet").unwrap();
        stage.node.restart_kubelet().unwrap();
        stage.wait("the DaemonSet with a new kubelet", || self.is_rolled_out(stage));
        self.assert_same(&before, &self.container(stage));
    }

    /// Every process of the cluster ends, and starts in the order of a boot: kubelet and etcd before the API server.
    /// `meanwhile` is called when the API server has been started.
    pub(crate) fn reboot(&self, stage: &mut Stage, meanwhile: impl FnOnce(&Stage)) {
        stage.create_secret("before-the-reboot").unwrap();
        let key_id = stage.client().status().unwrap().key_id;
        stage.node.power_off().unwrap();
        stage.controllers.stop().unwrap();
        stage.api.kill().unwrap();
        stage.etcd.stop().unwrap();
        assert_eq!(stage.page("/livez").0, 0, "all is off");
        stage.etcd.restart().unwrap();
        stage.node.power_on().unwrap();
        stage.api.respawn().unwrap();
        stage.controllers.restart().unwrap();
        meanwhile(stage);
        stage.wait("a Secret to be readable after the reboot", || stage.read_secret("before-the-reboot").is_ok());
        stage.wait("the plugin and the API server after the reboot", || {
            stage.page("/readyz").0 == 200 && stage.api.readyz().unwrap().ready
        });
        stage.create_secret("after-the-reboot").unwrap();
        stage.assert_encrypted("/registry/secrets/default/after-the-reboot");
        stage.wait("the DaemonSet after the reboot", || self.is_rolled_out(stage));
        assert_eq!(stage.client().status().unwrap().key_id, key_id);
    }

    /// It is the same container as before, never restarted in between.
    pub(crate) fn assert_same(&self, before: &Value, after: &Value) {
        assert!(before["containerID"].is_string(), "{before}");
        for field in ["containerID", "restartCount"] {
            assert_eq!(after[field], before[field], "{field} of {}", before["name"]);
        }
    }

    fn under_load(&self, stage: &Stage, what: &str, act: impl FnOnce()) {
        let (written, gap) = while_writing(stage, act);
        println!("{}: {what}: {written} writes, none failed; the plugin was not ready for {gap:.1?}", self.name);
    }
}
