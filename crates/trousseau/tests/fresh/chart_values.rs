//! The values of the Helm chart. Their schema is made from here; `config` is the program's own configuration.
#![expect(dead_code, reason = "only their form is used")]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use trousseau::config::Config;

type Object = Map<String, Value>;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Values of the chart trousseau")]
pub(crate) struct Values {
    /// Helm's values for all charts of a release; unused here.
    global: Option<Object>,
    /// What a parent chart's condition may ask for; unused here.
    enabled: Option<bool>,
    /// The plugin's image.
    image: Option<Image>,
    /// The plugin's configuration, the same on all nodes. Absent = /etc/trousseau/config.yaml of each node, or the file
    /// config.yaml that the Vault Agent renders.
    pub(crate) config: Option<Config>,
    /// The node's folder with the files that `config` names, or with config.yaml itself; at /etc/trousseau in the pod.
    node_folder: Option<String>,
    /// The node's folder of the socket, at the same path in the pod. Absent = that of `config.socket.path`, or
    /// /run/trousseau.
    socket_folder: Option<String>,
    /// The port of the probes on 127.0.0.1. Absent = that of `config.admin`, or 8787.
    #[schemars(range(min = 1, max = 65535))]
    admin_port: Option<u16>,
    /// A Vault Agent beside the plugin.
    agent: Option<Agent>,
    /// Who the pods are.
    service_account: Option<ServiceAccount>,
    /// The user of all containers; 0 where the folder of the socket is root's.
    run_as_user: Option<u32>,
    /// Their group.
    run_as_group: Option<u32>,
    /// Variables of the plugin.
    env: Option<BTreeMap<String, String>>,
    /// Requests and limits of the plugin.
    resources: Option<Object>,
    /// The nodes; null = any that `nodeSelector` takes.
    affinity: Option<Object>,
    /// Further labels that a node must have.
    node_selector: Option<BTreeMap<String, String>>,
    /// What may be wrong with a node.
    tolerations: Option<Vec<Object>>,
    /// How important the pods are.
    priority_class_name: Option<String>,
    /// Annotations of the pods.
    pod_annotations: Option<BTreeMap<String, String>>,
    /// Labels of the pods beside the chart's.
    pod_labels: Option<BTreeMap<String, String>>,
    /// Secrets with passwords of registries; they can't be read while no plugin runs.
    image_pull_secrets: Option<Vec<Object>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "image")]
struct Image {
    /// Registry and name.
    repository: Option<String>,
    /// Absent = the chart's appVersion.
    tag: Option<String>,
    /// Counts instead of the tag.
    #[schemars(regex(pattern = "^(sha256:[0-9a-f]{64})?$"))]
    digest: Option<String>,
    /// When kubelet asks the registry.
    pull_policy: Option<PullPolicy>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "pullPolicy")]
enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "agent")]
struct Agent {
    /// Run it.
    enabled: Option<bool>,
    /// Vault's image.
    image: Option<Image>,
    /// Vault's address, https://HOST:8200.
    address: Option<String>,
    /// The CA that signed Vault's certificate, as PEM.
    ca: Option<String>,
    /// The mount of Vault's Kubernetes auth, with `auth/` in front.
    mount_path: Option<String>,
    /// The role in Vault.
    role: Option<String>,
    /// Who the ServiceAccount's token is for.
    audience: Option<String>,
    /// Files below /etc/secrets, in the agent's template language. `config.yaml` is the plugin's configuration.
    templates: Option<BTreeMap<String, String>>,
    /// How often the agent looks for changed values.
    #[schemars(regex(pattern = "^[0-9]+(s|m|h)$"))]
    render_interval: Option<String>,
    /// Requests and limits of each of its two containers.
    resources: Option<Object>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "serviceAccount")]
struct ServiceAccount {
    /// Absent = the release's name.
    name: Option<String>,
    /// Let it have its own token reviewed, as Vault's Kubernetes auth does.
    token_review: Option<bool>,
}
