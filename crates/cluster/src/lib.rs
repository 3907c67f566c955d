//! Gets and starts real servers for tests and demo: etcd, kube-apiserver, Vault and its agent.
