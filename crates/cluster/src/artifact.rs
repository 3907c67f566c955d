//! Which servers there are, in which version, and where their binaries come from.

use std::collections::HashMap;
use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

use crate::build;
use crate::cache;

/// A server (or its client) that tests and the demo run as a real process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Server {
    /// etcd, the store of the API server.
    Etcd,
    /// etcd's client, which the README's commands use.
    Etcdctl,
    /// kube-apiserver.
    KubeApiserver,
    /// kubectl, through which every API call is made.
    Kubectl,
    /// kube-apiserver 1.28, the last release with KMS v1 on by default; its clients send the socket's raw path as
    /// `:authority`, and its KMS v2 takes `v2beta1` only.
    KubeApiserver128,
    /// A KMS client on grpc-go 1.58, whose `:authority` is the percent-encoded path, as in Kubernetes 1.29 to 1.31.
    GrpcClient158,
    /// A small KMS plugin of another make, on the Go modules that plugin authors use.
    KmsPlugin,
    /// HashiCorp Vault, server and agent. Licence BUSL 1.1: run in tests, never linked or shipped.
    Vault,
    /// Vault's Kubernetes auth method, as a plugin of that Vault, whose build lacks it.
    VaultKubernetesAuth,
    /// Helm, for the chart.
    Helm,
    /// kubeconform, which holds manifests against schemas.
    Kubeconform,
    /// The node agent.
    Kubelet,
    /// The controllers: DaemonSets, service accounts, node lifecycle and others.
    KubeControllerManager,
    /// The scheduler.
    KubeScheduler,
    /// The process that holds a pod's namespaces.
    Pause,
}

/// Where a binary was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Named by the environment variable [`Server::variable`].
    Variable,
    /// A folder of `PATH`.
    Path,
    /// The cache: built from source in the pinned version, now or earlier.
    Cache,
}

/// A binary that can be run.
#[derive(Clone, Debug)]
pub struct Binary {
    /// The file.
    pub path: PathBuf,
    /// Where it was found.
    pub origin: Origin,
}

impl Server {
    /// All that run anywhere, quickest to build first.
    pub const ALL: [Self; 10] = [
        Self::Etcd,
        Self::Kubectl,
        Self::KubeApiserver,
        Self::Vault,
        Self::Etcdctl,
        Self::GrpcClient158,
        Self::KmsPlugin,
        Self::Kubeconform,
        Self::Helm,
        Self::KubeApiserver128,
    ];

    /// What a whole node needs besides: see [`crate::Node`].
    pub const NODE: [Self; 5] =
        [Self::Pause, Self::VaultKubernetesAuth, Self::Kubelet, Self::KubeControllerManager, Self::KubeScheduler];

    /// The name of the binary.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Etcdctl => "etcdctl",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeApiserver128 => "kube-apiserver-1.28",
            Self::GrpcClient158 => "grpc-client-1.58",
            Self::KmsPlugin => "example-kms-plugin",
            Self::Kubectl => "kubectl",
            Self::Vault => "vault",
            Self::VaultKubernetesAuth => "vault-plugin-auth-kubernetes",
            Self::Helm => "helm",
            Self::Kubeconform => "kubeconform",
            Self::Kubelet => "kubelet",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::Pause => "pause",
        }
    }

    /// The environment variable that names a binary to use instead of any other.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Etcd => "TROUSSEAU_ETCD",
            Self::Etcdctl => "TROUSSEAU_ETCDCTL",
            Self::KubeApiserver => "TROUSSEAU_KUBE_APISERVER",
            Self::KubeApiserver128 => "TROUSSEAU_KUBE_APISERVER_1_28",
            Self::GrpcClient158 => "TROUSSEAU_GRPC_CLIENT_1_58",
            Self::KmsPlugin => "TROUSSEAU_KMS_PLUGIN",
            Self::Kubectl => "TROUSSEAU_KUBECTL",
            Self::Vault => "TROUSSEAU_VAULT",
            Self::VaultKubernetesAuth => "TROUSSEAU_VAULT_KUBERNETES_AUTH",
            Self::Helm => "TROUSSEAU_HELM",
            Self::Kubeconform => "TROUSSEAU_KUBECONFORM",
            Self::Kubelet => "TROUSSEAU_KUBELET",
            Self::KubeControllerManager => "TROUSSEAU_KUBE_CONTROLLER_MANAGER",
            Self::KubeScheduler => "TROUSSEAU_KUBE_SCHEDULER",
            Self::Pause => "TROUSSEAU_PAUSE",
        }
    }

    /// The binary's path: see [`Server::get`].
    pub fn path(self) -> Result<PathBuf> {
        Ok(self.get()?.path)
    }

    /// Finds the binary, or builds it: the environment variable wins, then `PATH`, then the cache, then a build.
    ///
    /// A build needs Go, the network and up to ten minutes; progress goes to stderr. One build runs at a time, in this
    /// process and in others. The answer is remembered for the life of the process. Fails when the variable names no
    /// executable file, or when the build fails.
    pub fn get(self) -> Result<Binary> {
        static FOUND: Mutex<Option<HashMap<Server, Binary>>> = Mutex::new(None);
        let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        let found = found.get_or_insert_default();
        if let Some(binary) = found.get(&self) {
            return Ok(binary.clone());
        }
        let binary = self.locate()?;
        found.insert(self, binary.clone());
        Ok(binary)
    }

    /// What a binary says about its version: the first line.
    pub fn version(self, binary: &Path) -> Result<String> {
        let args: &[&str] = match self {
            Self::Etcd
            | Self::KubeApiserver
            | Self::KubeApiserver128
            | Self::Kubelet
            | Self::KubeControllerManager
            | Self::KubeScheduler => &["--version"],
            // One speaks to Vault only, the other to nobody.
            Self::VaultKubernetesAuth | Self::Pause => return Ok(self.module().version.to_owned()),
            Self::GrpcClient158 | Self::KmsPlugin => &["version"],
            Self::Helm => &["version", "--short"],
            Self::Kubeconform => &["-v"],
            Self::Kubectl => &["version", "--client"],
            Self::Etcdctl | Self::Vault => &["version"],
        };
        let output =
            Command::new(binary).args(args).output().with_context(|| format!("run {} {args:?}", binary.display()))?;
        if !output.status.success() {
            bail!("{} {args:?}: {}; is it {}?", binary.display(), output.status, self.name());
        }
        Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
    }

    fn locate(self) -> Result<Binary> {
        if let Some(path) = env::var_os(self.variable()).filter(|value| !value.is_empty()).map(PathBuf::from) {
            if !is_executable(&path) {
                bail!("{} names {}, which is no executable file; correct or unset it", self.variable(), path.display());
            }
            return Ok(Binary { path, origin: Origin::Variable });
        }
        if let Some(path) = search_path(self.name()) {
            eprintln!("{}: {} ({})", self.name(), path.display(), self.version(&path)?);
            return Ok(Binary { path, origin: Origin::Path });
        }
        let module = self.module();
        let remedy = || format!("{} could not be built ({} may name a binary instead)", self.name(), self.variable());
        let path =
            cache::install("servers", &module.file_name(), |folder| build::go(&module, folder)).with_context(remedy)?;
        Ok(Binary { path, origin: Origin::Cache })
    }
}

pub(crate) fn search_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_executable_files_count() {
        assert!(search_path("sh").is_some());
        assert!(search_path("no-such-program").is_none());
        assert!(!is_executable(Path::new("/etc/passwd")) && !is_executable(Path::new("/usr")));
    }
}
