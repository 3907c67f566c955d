//! The README's commands, run as they stand there; only paths and addresses are this test's.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use trousseau_cluster::{ApiServer, ApiServerConfig, Etcd, Server, Vault, VaultConfig, free_port};
use trousseau_testkit::ca::TestCa;

use crate::document;
use crate::plugin::Plugin;

fn block(name: &str) -> String {
    document::block("README.md", name)
}

struct Shell {
    path: PathBuf,
    variables: Vec<(&'static str, String)>,
    dir: PathBuf,
}

impl Shell {
    /// The tools under the names that the README calls them by.
    fn new(dir: &Path, variables: Vec<(&'static str, String)>) -> Self {
        let path = dir.join("bin");
        fs::create_dir(&path).unwrap();
        for server in [Server::Kubectl, Server::Vault, Server::Etcdctl] {
            symlink(server.path().unwrap(), path.join(server.name())).unwrap();
        }
        Self { path, variables, dir: dir.to_owned() }
    }

    /// Runs a block by bash, which must end well; its standard output.
    fn run(&self, script: &str) -> String {
        let (ended_well, said, errors) = self.end_of(script);
        assert!(ended_well, "{script}\n{said}\n{errors}");
        said
    }

    /// The same of a block that must fail.
    fn fail(&self, script: &str) -> String {
        let (ended_well, said, errors) = self.end_of(script);
        assert!(!ended_well, "{script}\n{said}\n{errors}");
        said
    }

    /// Whether a block ended well, its standard output, its standard error.
    fn end_of(&self, script: &str) -> (bool, String, String) {
        let script = script.replace("/etc/trousseau", self.dir.to_str().unwrap());
        let search = format!("{}:{}", self.path.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", &script]).env("PATH", search).envs(self.variables.iter().cloned());
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    }
}

const BEFORE: &str = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n  - resources: [secrets]\n    providers:\n";

#[test]
fn the_readme_encrypts_what_is_there_and_leads_back() {
    let folder = TempDir::with_prefix("trousseau-").unwrap();
    let dir = folder.path();
    let ca = TestCa::new();
    let leaf = ca.server(&["127.0.0.1"]);
    let tls = (leaf.certificate_file().to_owned(), leaf.key_file().to_owned());
    let vault = Vault::start_with(&VaultConfig { dir: dir.join("vault"), tls: Some(tls) }).unwrap();
    let etcd = Etcd::start(dir.join("etcd")).unwrap();
    let config = ApiServerConfig {
        etcd: etcd.endpoint(),
        encryption: Some(format!("{BEFORE}      - identity: {{}}\n")),
        dir: dir.join("api"),
        ..ApiServerConfig::default()
    };
    let mut api = ApiServer::start(&config).unwrap();
    for number in 0..3 {
        let name = format!("before-{number}");
        api.kubectl_text(&["create", "secret", "generic", &name, "--from-literal=password=kept"]).unwrap();
    }
    let shell = Shell::new(
        dir,
        vec![
            ("VAULT_ADDR", vault.address()),
            ("VAULT_TOKEN", vault.root_token().to_owned()),
            ("KUBECONFIG", api.kubeconfig().display().to_string()),
            ("ETCDCTL_ENDPOINTS", etcd.endpoint()),
        ],
    );

    // 1 and 2: Vault's side, and the plugin with the README's file.
    shell.run(&block("vault"));
    let mode = fs::metadata(dir.join("token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else reads the token");
    fs::copy(ca.file(), dir.join("vault-ca.pem")).unwrap();
    let admin = free_port().unwrap();
    let text = block("config")
        .replace("https://vault.example:8200", &vault.tls_address().expect("Vault listens by TLS"))
        .replace("/run/trousseau", dir.to_str().unwrap())
        .replace("/etc/trousseau", dir.to_str().unwrap());
    fs::write(dir.join("config.yaml"), format!("admin: 127.0.0.1:{admin}\n{text}")).unwrap();
    let command = block("serve").replace("/etc/trousseau", dir.to_str().unwrap());
    let args: Vec<&str> = command.split_whitespace().skip(2).collect();
    let plugin = Plugin::start_with(dir, admin, &args);
    plugin.wait_ready();

    // 3 to 5: new Secrets are encrypted, old ones after the rewrite, and the proof says which are not.
    let encryption = block("encryption").replace("/run/trousseau", dir.to_str().unwrap());
    api.set_encryption(&encryption).unwrap();
    api.restart().unwrap();
    let prove = block("prove");
    let in_clear = |number: u32| format!("/registry/secrets/default/before-{number}\n");
    let all = [0, 1, 2].map(in_clear).concat();
    assert_eq!(shell.fail(&prove), format!("{all}3 checked, 3 left\n"));
    api.kubectl_text(&["label", "secrets", "before-0", "before-1", "written=again"]).unwrap();
    assert_eq!(shell.fail(&prove), format!("{}3 checked, 1 left\n", in_clear(2)));
    shell.run(&block("rewrite"));
    assert_eq!(shell.run(&prove), "3 checked, 0 left\n");
    let nobody = format!("ETCDCTL_ENDPOINTS=http://127.0.0.1:{}", free_port().unwrap());
    assert_eq!(shell.fail(&format!("{nobody}\n{prove}")), "0 checked, 0 left\n", "no proof without an etcd");
    // As somebody pastes it.
    let pasted = format!("set +euo pipefail\n{nobody}\n{prove}");
    assert_eq!(shell.fail(&pasted), "0 checked, 0 left\n");
    api.set_encryption(&encryption.replace("      - identity: {}", "")).unwrap();
    api.restart().unwrap();
    let read = |api: &ApiServer| api.kubectl_text(&["get", "secret", "before-1", "-o", "jsonpath={.data.password}"]);
    assert_eq!(read(&api).unwrap(), "a2VwdA==");

    // The way back.
    let kms = encryption.lines().find(|line| line.contains("- kms:")).unwrap();
    api.set_encryption(&format!("{BEFORE}      - identity: {{}}\n{kms}\n")).unwrap();
    api.restart().unwrap();
    shell.run(&block("rewrite"));
    for (path, value) in etcd.range("/registry/secrets/").unwrap() {
        assert!(!value.starts_with(b"k8s:enc:"), "{path} is still encrypted");
    }
    api.set_encryption(&format!("{BEFORE}      - identity: {{}}\n")).unwrap();
    drop(plugin);
    api.restart().unwrap();
    assert_eq!(read(&api).unwrap(), "a2VwdA==");
}
