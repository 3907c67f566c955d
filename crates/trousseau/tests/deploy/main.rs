//! What lies in `deploy/` and needs no cluster to be looked at.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as it must be")]

#[path = "../document/mod.rs"]
mod document;
mod manifests;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use document::block;

/// `systemd-analyze security` counts from 0 (10.0: no protection at all) in tenths.
const EXPOSURE_BELOW: &str = "--threshold=20";

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(path)
}

fn analyze(args: &[&str]) -> String {
    let output = Command::new("systemd-analyze").args(args).output().expect("systemd-analyze, of the package systemd");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "systemd-analyze {args:?}: {}\n{text}", output.status);
    text
}

/// The units as they are, but for a program that is on every machine.
fn unit(dir: &Path, name: &str) -> String {
    let text = fs::read_to_string(deploy("systemd").join(name)).unwrap();
    let path = dir.join(name);
    fs::write(&path, text.replace("/usr/bin/trousseau", "/bin/true").replace("Documentation=", "#")).unwrap();
    path.display().to_string()
}

#[test]
fn the_units_are_ones_that_systemd_understands() {
    let dir = tempfile::tempdir().unwrap();
    let (service, socket) = (unit(dir.path(), "trousseau.service"), unit(dir.path(), "trousseau.socket"));
    assert_eq!(analyze(&["verify", &socket, &service]), "", "no warning");
}

#[test]
fn the_unit_exposes_little() {
    let dir = tempfile::tempdir().unwrap();
    let service = unit(dir.path(), "trousseau.service");
    let text = analyze(&["security", "--offline=true", EXPOSURE_BELOW, "--no-pager", &service]);
    assert!(text.contains("Overall exposure level"), "{text}");
}

#[test]
fn the_manifests_name_the_version_of_this_checkout() {
    let tag = format!("newTag: {}\n", env!("CARGO_PKG_VERSION"));
    for base in ["daemonset-agent", "daemonset", "static-pod"] {
        let text = fs::read_to_string(deploy("kustomize").join(base).join("kustomization.yaml")).unwrap();
        assert!(text.contains(&format!("name: ghcr.io/trousseau-io/trousseau\n    {tag}")), "{base}");
    }
    let page = fs::read_to_string(deploy("../docs/install/README.md")).unwrap();
    assert!(page.contains(concat!("`ghcr.io/trousseau-io/trousseau:", env!("CARGO_PKG_VERSION"), "`")));
}

/// The manifest is the static pod's, which a kubelet has run.
#[test]
fn the_pages_of_rke2_and_k3s_name_files_that_fit_each_other() {
    for (page, file) in
        [("rke2.md", "/etc/rancher/rke2/encryption.yaml"), ("k3s.md", "/etc/rancher/k3s/encryption.yaml")]
    {
        let server = block(&format!("docs/install/{page}"), "server");
        assert!(
            server.contains(&format!("- encryption-provider-config={file}\n")) || server.ends_with(file),
            "{server}"
        );
    }
    let command = |page: &str| {
        let text = block(&format!("docs/install/{page}"), "manifest");
        text.split_once(" > ").unwrap().0.to_owned()
    };
    assert_eq!(command("rke2.md"), command("static-pod.md"));
}
