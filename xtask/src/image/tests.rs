//! The image of a stand-in for the binary: two are one, and all is in it that is promised.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{FEATURES, Made, Recipe, lay_out};
use crate::dist;
use crate::image::oci::hex_digest;

fn recipe() -> Recipe {
    Recipe {
        features: FEATURES.to_owned(),
        name: "registry.example/trousseau:1.2.3".to_owned(),
        time: 1_700_000_000,
        revision: "0123456789abcdef".to_owned(),
    }
}

fn image(program: &[u8]) -> (TempDir, Made) {
    let dir = TempDir::new().unwrap();
    let binary = dir.path().join("trousseau");
    fs::write(&binary, program).unwrap();
    let made = lay_out(&recipe(), binary, dir.path()).unwrap();
    (dir, made)
}

/// The files of a tar with their modes; folders are left out.
fn entries(tar: impl std::io::Read) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header().clone();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, recipe().time));
        let (path, mut content) = (entry.path().unwrap().display().to_string(), Vec::new());
        entry.read_to_end(&mut content).unwrap();
        if header.entry_type().is_file() {
            found.insert(path, (header.mode().unwrap(), content));
        }
    }
    found
}

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// A blob of the layout, whose name is its digest.
fn blob(layout: &Path, descriptor: &Value) -> Vec<u8> {
    let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    let content = fs::read(layout.join("blobs/sha256").join(digest)).unwrap();
    assert_eq!((hex_digest(&content).as_str(), &json!(content.len())), (digest, &descriptor["size"]));
    content
}

#[test]
fn two_images_of_one_binary_are_the_same_byte_by_byte_and_one_of_another_is_not() {
    let ((first, made), (second, again)) = (image(b"program"), image(b"program"));
    assert_eq!(made.digest, again.digest);
    assert_eq!(fs::read(&made.archive).unwrap(), fs::read(&again.archive).unwrap());
    let index = |dir: &TempDir| fs::read(dir.path().join("oci/index.json")).unwrap();
    assert_eq!(index(&first), index(&second));
    assert_ne!(image(b"another").1.digest, made.digest);
}

#[test]
fn the_layout_says_who_runs_what_and_the_layer_has_licences_and_the_bill_of_materials() {
    let (dir, made) = image(b"program");
    let layout = dir.path().join("oci");
    assert_eq!(fs::read(layout.join("oci-layout")).unwrap(), br#"{"imageLayoutVersion":"1.0.0"}"#);
    let index = parse(&fs::read(layout.join("index.json")).unwrap());
    let described = &index["manifests"][0];
    assert_eq!(described["digest"], made.digest);
    assert_eq!(described["annotations"]["org.opencontainers.image.ref.name"], recipe().name);
    assert_eq!(described["platform"], json!({"architecture": "amd64", "os": "linux"}));
    let manifest = parse(&blob(&layout, described));
    let config = parse(&blob(&layout, &manifest["config"]));
    assert_eq!(config["config"]["User"], "10123:10123");
    assert_eq!(config["config"]["Entrypoint"], json!(["/usr/local/bin/trousseau"]));
    let label = |name: &str| &config["config"]["Labels"][format!("org.opencontainers.image.{name}")];
    assert_eq!((label("version"), label("revision")), (&json!("1.2.3"), &json!("0123456789abcdef")));
    assert_eq!((label("licenses"), label("created")), (&json!("Apache-2.0"), &json!("2023-11-14T22:13:20Z")));

    let layer = blob(&layout, &manifest["layers"][0]);
    assert_eq!(config["rootfs"]["diff_ids"], json!([format!("sha256:{}", hex_digest(&layer))]));
    let files = entries(layer.as_slice());
    assert_eq!(files["usr/local/bin/trousseau"], (0o755, b"program".to_vec()));
    let text = |path: &str| String::from_utf8(files[path].1.clone()).unwrap();
    assert!(text("etc/passwd").contains("trousseau:x:10123:10123:"));
    assert!(text("etc/ssl/certs/ca-certificates.crt").matches("BEGIN CERTIFICATE").count() > 50);
    assert!(text("usr/share/doc/trousseau/LICENSE").contains("Apache License"));
    let bill = parse(text("usr/share/doc/trousseau/sbom.cdx.json").as_bytes());
    let components = bill["components"].as_array().unwrap();
    let licences = text("usr/share/doc/trousseau/third-party-licences.txt");
    assert!(components.len() > 50);
    for component in components.iter().filter(|component| !component["name"].as_str().unwrap().starts_with("trousseau"))
    {
        let (name, version) = (component["name"].as_str().unwrap(), component["version"].as_str().unwrap());
        assert!(licences.contains(&format!("\n==== {name} {version} (")), "no licence of {name}");
    }
}

#[test]
fn the_docker_archive_holds_the_same_config_and_layer_and_sha256sum_takes_its_sum() {
    let (dir, made) = image(b"program");
    let archive = entries(File::open(&made.archive).unwrap());
    let manifest = parse(&archive["manifest.json"].1)[0].clone();
    assert_eq!(manifest["RepoTags"], json!([recipe().name]));
    let layout = dir.path().join("oci");
    let index = parse(&fs::read(layout.join("index.json")).unwrap());
    let described = parse(&blob(&layout, &index["manifests"][0]));
    assert_eq!(archive[manifest["Config"].as_str().unwrap()].1, blob(&layout, &described["config"]));
    assert_eq!(archive[manifest["Layers"][0].as_str().unwrap()].1, blob(&layout, &described["layers"][0]));

    let sums = dist::sums(&[&made.archive, &made.binary]).unwrap();
    fs::write(dir.path().join("SHA256SUMS"), sums).unwrap();
    let check = |dir: &Path| {
        Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(dir).output().unwrap()
    };
    assert_eq!(check(dir.path()).stdout, b"trousseau.tar: OK\ntrousseau: OK\n");
    fs::write(&made.binary, b"another").unwrap();
    assert!(!check(dir.path()).status.success());
}
