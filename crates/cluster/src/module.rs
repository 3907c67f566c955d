//! What each server is built from: the Go module, pinned, and the flags.

use crate::artifact::Server;
use crate::build::Module;

impl Server {
    /// All that decides about its binary.
    pub(crate) fn module(self) -> Module {
        const KUBERNETES: (&str, &str) =
            (include_str!("../modules/kubernetes/go.mod"), include_str!("../modules/kubernetes/go.sum"));
        const STRIP: &str = "-ldflags=-s -w";
        const KUBERNETES_VERSION: &str = "-ldflags=-s -w \
            -X k8s.io/component-base/version.gitVersion=v1.37.2 -X k8s.io/component-base/version.gitMajor=1 \
            -X k8s.io/component-base/version.gitMinor=37 -X k8s.io/component-base/version.gitTreeState=clean";
        const KUBERNETES_1_28: &str = "-ldflags=-s -w \
            -X k8s.io/component-base/version.gitVersion=v1.28.15 -X k8s.io/component-base/version.gitMajor=1 \
            -X k8s.io/component-base/version.gitMinor=28 -X k8s.io/component-base/version.gitTreeState=clean";
        let main_go = match self {
            Self::GrpcClient158 => include_str!("../modules/grpc-client/main.go"),
            Self::KmsPlugin => include_str!("../modules/kms-plugin/main.go"),
            Self::Pause => include_str!("../modules/pause/main.go"),
            _ => "",
        };
        let (version, package, flags, (go_mod, go_sum)): (_, _, &'static [&'static str], _) = match self {
            Self::Etcd => (
                "3.6.14",
                "go.etcd.io/etcd/server/v3",
                &[STRIP],
                (include_str!("../modules/etcd/go.mod"), include_str!("../modules/etcd/go.sum")),
            ),
            Self::Etcdctl => (
                "3.6.14",
                "go.etcd.io/etcd/etcdctl/v3",
                &[STRIP],
                (include_str!("../modules/etcdctl/go.mod"), include_str!("../modules/etcdctl/go.sum")),
            ),
            Self::KubeApiserver => {
                ("1.37.2", "k8s.io/kubernetes/cmd/kube-apiserver", &[KUBERNETES_VERSION], KUBERNETES)
            }
            Self::KubeApiserver128 => (
                "1.28.15",
                "k8s.io/kubernetes/cmd/kube-apiserver",
                &[KUBERNETES_1_28],
                (include_str!("../modules/kubernetes-1.28/go.mod"), include_str!("../modules/kubernetes-1.28/go.sum")),
            ),
            Self::GrpcClient158 => (
                "1.58.3",
                ".",
                &[STRIP],
                (include_str!("../modules/grpc-client/go.mod"), include_str!("../modules/grpc-client/go.sum")),
            ),
            Self::KmsPlugin => (
                "0.37.2",
                ".",
                &[STRIP],
                (include_str!("../modules/kms-plugin/go.mod"), include_str!("../modules/kms-plugin/go.sum")),
            ),
            Self::Kubectl => ("1.37.2", "k8s.io/kubernetes/cmd/kubectl", &[KUBERNETES_VERSION], KUBERNETES),
            Self::Vault => (
                "1.21.0",
                "github.com/hashicorp/vault",
                &["-tags=minimal", STRIP],
                (include_str!("../modules/vault/go.mod"), include_str!("../modules/vault/go.sum")),
            ),
            Self::VaultKubernetesAuth => (
                "0.23.1",
                "github.com/hashicorp/vault-plugin-auth-kubernetes/cmd/vault-plugin-auth-kubernetes",
                &[STRIP],
                (
                    include_str!("../modules/vault-kubernetes-auth/go.mod"),
                    include_str!("../modules/vault-kubernetes-auth/go.sum"),
                ),
            ),
            Self::Helm => (
                "3.22.0",
                "helm.sh/helm/v3/cmd/helm",
                &["-ldflags=-s -w -X helm.sh/helm/v3/internal/version.version=v3.22.0"],
                (include_str!("../modules/helm/go.mod"), include_str!("../modules/helm/go.sum")),
            ),
            Self::Kubeconform => (
                "0.8.0",
                "github.com/yannh/kubeconform/cmd/kubeconform",
                &["-ldflags=-s -w -X main.version=v0.8.0"],
                (include_str!("../modules/kubeconform/go.mod"), include_str!("../modules/kubeconform/go.sum")),
            ),
            Self::Kubelet => ("1.37.2", "k8s.io/kubernetes/cmd/kubelet", &[KUBERNETES_VERSION], KUBERNETES),
            Self::KubeControllerManager => {
                ("1.37.2", "k8s.io/kubernetes/cmd/kube-controller-manager", &[KUBERNETES_VERSION], KUBERNETES)
            }
            Self::KubeScheduler => {
                ("1.37.2", "k8s.io/kubernetes/cmd/kube-scheduler", &[KUBERNETES_VERSION], KUBERNETES)
            }
            Self::Pause => {
                ("1", ".", &[STRIP], (include_str!("../modules/pause/go.mod"), include_str!("../modules/pause/go.sum")))
            }
        };
        Module { name: self.name(), version, package, flags, go_mod, go_sum, main_go }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_module_requires_the_version_in_its_name() {
        // The one that requires nothing has no checksums either.
        for server in Server::ALL.into_iter().chain(Server::NODE).filter(|server| *server != Server::Pause) {
            let module = server.module();
            let named = format!(" v{}", module.version);
            let wanted = module.go_mod.lines().find_map(|line| line.trim().strip_suffix(&named));
            let wanted = wanted.unwrap_or_else(|| panic!("no module of {} is required at{named}", module.name));
            let required = wanted.trim_start_matches("require ").trim();
            let hashed = format!("{required}{named} h1:");
            assert!(module.go_sum.contains(&hashed), "{hashed} is missing in go.sum");
            if module.flags.concat().contains("gitVersion") {
                assert!(module.flags.concat().contains(&format!("gitVersion=v{} ", module.version)));
            }
        }
    }

    #[test]
    fn file_names_tell_version_and_recipe() {
        let names = Server::ALL.map(|server| server.module().file_name());
        assert!(names[0].starts_with("etcd-3.6.14-"), "{}", names[0]);
        assert_ne!(names[1].rsplit('-').next(), names[3].rsplit('-').next());
    }
}
