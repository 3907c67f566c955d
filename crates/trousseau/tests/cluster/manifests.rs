//! What `deploy/` renders to: the Helm chart as it was last looked at, and all of it as Kubernetes takes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Map, Value, json};
use tempfile::TempDir;
use trousseau_cluster::{ApiServer, ApiServerConfig, Etcd, Server};

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").canonicalize().unwrap().join(path)
}

fn run(server: Server, args: &[&str]) -> Output {
    Command::new(server.path().unwrap()).args(args).env("HELM_DRIVER", "configmap").output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

fn succeed(server: Server, args: &[&str]) -> String {
    let output = run(server, args);
    assert!(output.status.success(), "{} {args:?}: {}", server.name(), said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The chart's own values, and each of the examples beside it.
fn renders() -> BTreeMap<String, String> {
    let chart = deploy("helm/trousseau");
    let mut files = BTreeMap::from([("default".to_owned(), None)]);
    for entry in fs::read_dir(chart.join("ci")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().trim_end_matches("-values.yaml").to_owned();
        files.insert(name, Some(path));
    }
    let render = |values: Option<PathBuf>| {
        let chart = chart.to_str().unwrap();
        let values = values.map(|path| path.to_str().unwrap().to_owned());
        let more: Vec<&str> = values.iter().flat_map(|path| ["--values", path.as_str()]).collect();
        succeed(Server::Helm, &[&["lint", "--strict", chart], more.as_slice()].concat());
        let render = ["template", "trousseau", chart, "--namespace", "kube-system", "--kube-version", "1.37.2"];
        succeed(Server::Helm, &[render.as_slice(), &more].concat())
    };
    files.into_iter().map(|(name, values)| (name, render(values))).collect()
}

/// Regenerate with `TROUSSEAU_REGENERATE=1`, and read what changed.
#[test]
fn the_chart_renders_what_it_did_when_somebody_looked() {
    let folder = deploy("helm/rendered");
    let renders = renders();
    if std::env::var_os("TROUSSEAU_REGENERATE").is_some() {
        fs::create_dir_all(&folder).unwrap();
        renders.iter().for_each(|(name, text)| fs::write(folder.join(format!("{name}.yaml")), text).unwrap());
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), renders.len());
    for (name, text) in renders {
        let kept = fs::read_to_string(folder.join(format!("{name}.yaml"))).unwrap();
        similar(&kept, &text, &name);
    }
}

fn similar(kept: &str, fresh: &str, name: &str) {
    let differing = kept.lines().zip(fresh.lines()).enumerate().find(|(_, (kept, fresh))| kept != fresh);
    assert!(kept == fresh, "{name}: at {differing:?}; look at it, then run this test with TROUSSEAU_REGENERATE=1");
}

#[test]
fn a_wrong_field_is_refused_before_anything_reaches_a_cluster() {
    let example = deploy("helm/trousseau/ci/node-values.yaml");
    for (set, word) in [
        ("config.keys[0].vault.adress=x", "adress"),
        ("config.keys[0].vault.transit.key=null", "key"),
        ("config.keys=null", "keys"),
        ("config.limits.inFlight=many", "inFlight"),
        ("config.socket.mode=432", "mode"),
        ("agnet.enabled=true", "agnet"),
        ("agent.enabled=true", "agent.address"),
        ("config.admin=off", "config.admin"),
        ("config.socket.group=etcd", "runAsGroup"),
        ("config.socket.owner=kube", "runAsUser"),
    ] {
        let (chart, example) = (deploy("helm/trousseau"), example.to_str().unwrap());
        let args = [
            "template",
            "trousseau",
            chart.to_str().unwrap(),
            "--kube-version",
            "1.37.2",
            "--values",
            example,
            "--set",
            set,
        ];
        let output = run(Server::Helm, &args);
        assert!(!output.status.success() && said(&output).contains(word), "{set}: {}", said(&output));
    }
}

/// Strictly: an unknown field is an error, for kubeconform with the API server's own types as schemas, and for the API
/// server itself.
#[test]
fn kubernetes_takes_every_manifest() {
    let dir = TempDir::with_prefix("trousseau-").unwrap();
    let etcd = Etcd::start(dir.path().join("etcd")).unwrap();
    let config = ApiServerConfig { etcd: etcd.endpoint(), dir: dir.path().join("api"), ..ApiServerConfig::default() };
    let api = ApiServer::start(&config).unwrap();
    let schemas = dir.path().join("schemas");
    write_schemas(&api, &schemas);
    let mut manifests = renders();
    let kustomize = dir.path().join("kustomize");
    assert!(Command::new("cp").arg("-r").arg(deploy("kustomize")).arg(&kustomize).status().unwrap().success());
    fs::create_dir(kustomize.join("own")).unwrap();
    fs::write(kustomize.join("own/kustomization.yaml"), UNPRIVILEGED).unwrap();
    for base in ["daemonset", "daemonset-agent", "static-pod", "overlays/daemonset-agent", "own"] {
        let path = kustomize.join(base);
        manifests.insert(base.replace('/', "-"), api.kubectl_text(&["kustomize", path.to_str().unwrap()]).unwrap());
    }
    for part in ["registry.example/trousseau", "runAsUser: 10123", "runAsNonRoot: true"] {
        assert!(manifests["own"].contains(part), "the component is for any overlay: {}", manifests["own"]);
    }
    for (name, text) in &manifests {
        let file = dir.path().join(format!("{name}.yaml"));
        fs::write(&file, text).unwrap();
        let (file, location) =
            (file.to_str().unwrap(), format!("{}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", schemas.display()));
        succeed(Server::Kubeconform, &["-strict", "-summary", "-schema-location", &location, file]);
        api.kubectl_text(&["apply", "--dry-run=server", "--validate=strict", "-f", file])
            .unwrap_or_else(|error| panic!("{name}: {error:#}"));
    }
    let wrong = dir.path().join("wrong.yaml");
    fs::write(&wrong, manifests["daemonset"].replace("hostNetwork:", "hostNetwrok:")).unwrap();
    let location = format!("{}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", schemas.display());
    let output = run(Server::Kubeconform, &["-schema-location", &location, wrong.to_str().unwrap()]);
    assert!(said(&output).contains("hostNetwrok"), "{}", said(&output));
}

/// An overlay as somebody's own, with the component.
const UNPRIVILEGED: &str = "apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../overlays/daemonset-agent]
components: [../components/unprivileged]
";

/// The kinds that stand in the manifests, each with all types that there are.
fn write_schemas(api: &ApiServer, folder: &Path) {
    fs::create_dir(folder).unwrap();
    let text = api.kubectl_text(&["get", "--raw", "/openapi/v2"]).unwrap();
    let mut types: Map<String, Value> =
        serde_json::from_str::<Value>(&text).unwrap()["definitions"].as_object().unwrap().clone();
    for schema in types.values_mut() {
        if schema["properties"].is_object() {
            schema["additionalProperties"] = json!(false);
        }
        if schema["format"] == "int-or-string" {
            *schema = json!({"type": ["integer", "string"]});
        }
    }
    for (kind, name) in [
        ("daemonset-apps-v1", "io.k8s.api.apps.v1.DaemonSet"),
        ("clusterrolebinding-rbac-v1", "io.k8s.api.rbac.v1.ClusterRoleBinding"),
        ("configmap-v1", "io.k8s.api.core.v1.ConfigMap"),
        ("serviceaccount-v1", "io.k8s.api.core.v1.ServiceAccount"),
        ("pod-v1", "io.k8s.api.core.v1.Pod"),
    ] {
        assert!(types.contains_key(name), "{name}");
        let schema = json!({"$ref": format!("#/definitions/{name}"), "definitions": types});
        fs::write(folder.join(format!("{kind}.json")), schema.to_string()).unwrap();
    }
}
