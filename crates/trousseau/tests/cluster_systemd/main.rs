//! The release's tarball and its units under a real systemd, for a real API server beside it. Needs root, Debian's
//! systemd and an overlay file system; TROUSSEAU_TARBALL names the tarball that `cargo xtask dist` makes.
//!
//! Its key lies on the machine: what is shown is the life of the service, not a KMS.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something is not as it must be"
)]

#[path = "../document/mod.rs"]
mod document;
#[path = "../load/mod.rs"]
mod load;
#[path = "../document/picture.rs"]
mod picture;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use load::{Load, assert_no_gap};
use picture::{Step, picture};
use tempfile::TempDir;
use trousseau_cluster::{ApiServer, ApiServerConfig, Etcd, Machine, Server, free_port, wait};

const PATIENCE: Duration = Duration::from_secs(60);
const UPGRADES: u64 = 5;

fn block(name: &str) -> String {
    document::block("docs/install/systemd.md", name)
}

struct Stage {
    api: ApiServer,
    etcd: Etcd,
    machine: Machine,
    _dir: TempDir,
}

impl Stage {
    /// The machine as the document says, and an API server that has the unit's socket.
    fn start() -> Self {
        let dir = TempDir::with_prefix("trousseau-").unwrap();
        let machine = Machine::start(dir.path().join("machine")).unwrap();
        let tarball = tarball();
        for file in [&tarball, &tarball.with_file_name("SHA256SUMS")] {
            fs::copy(file, machine.mnt().join(file.file_name().unwrap())).unwrap();
        }
        machine.shell(&format!("cd /mnt\n{}", block("install"))).unwrap();
        let admin = free_port().unwrap();
        let config = format!(
            "cluster: test\nadmin: 127.0.0.1:{admin}\nprobe: {{interval: 1s, afterFailure: 1s, promotionDelay: 6s}}\n\
             keys:\n  - name: primary\n    local: {{file: /etc/trousseau/key.yaml}}\n"
        );
        fs::write(machine.mnt().join("config.yaml"), config).unwrap();
        let files = "trousseau keygen --file /etc/trousseau/key.yaml\n\
                     cp /mnt/config.yaml /etc/trousseau";
        machine.shell(files).unwrap();
        machine.shell(&block("configure")).unwrap();
        machine.shell(&block("start")).unwrap();
        let etcd = Etcd::start(dir.path().join("etcd")).unwrap();
        let encryption = document::block("README.md", "encryption");
        let config = ApiServerConfig {
            etcd: etcd.endpoint(),
            encryption: Some(encryption.replace("/run/trousseau", machine.run().to_str().unwrap())),
            dir: dir.path().join("api"),
            ..ApiServerConfig::default()
        };
        let api = ApiServer::start(&config).unwrap();
        Self { api, etcd, machine, _dir: dir }
    }

    /// What the document checks, with the answer of the API server.
    fn check(&self) -> String {
        let (kubectl, config) = (Server::Kubectl.path().unwrap(), self.api.kubeconfig());
        let script = format!(
            "kubectl() {{ '{}' --kubeconfig '{}' \"$@\"; }}\n{}",
            kubectl.display(),
            config.display(),
            block("check")
        );
        let output = Command::new("bash").args(["-euo", "pipefail", "-c", &script]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A property of the service, as systemd has it.
    fn service(&self, property: &str) -> String {
        let text = self.machine.shell(&format!("systemctl show trousseau.service --property {property} --value"));
        text.unwrap().trim().to_owned()
    }

    fn journal(&self) -> String {
        let journal = "journalctl -u trousseau.service -u trousseau.socket -n 40 --no-pager";
        self.machine.shell(journal).unwrap_or_default()
    }

    fn wait(&self, what: &str, mut attempt: impl FnMut() -> bool) {
        wait::until(PATIENCE, what, || Ok(attempt().then_some(())))
            .unwrap_or_else(|error| panic!("{error}\n{}", self.journal()));
    }

    /// It is up, says what it does, and works for the API server.
    fn assert_serves(&self, secret: &str) {
        self.wait("the service", || {
            self.service("ActiveState") == "active" && self.service("StatusText").starts_with("encrypting under t1.")
        });
        self.api.kubectl_text(&["create", "secret", "generic", secret, "--from-literal=password=hunter2"]).unwrap();
        let value = self.etcd.get(&format!("/registry/secrets/default/{secret}")).unwrap().unwrap();
        assert!(value.starts_with(b"k8s:enc:kms:v2:trousseau:"));
    }

    fn read_secret(&self, name: &str) -> anyhow::Result<String> {
        self.api.kubectl_text(&["get", "secret", name, "-o", "jsonpath={.data.password}"])
    }
}

#[test]
fn the_units_serve_through_upgrades_under_load_a_reload_a_crash_a_hang_and_a_power_cut() {
    let mut stage = Stage::start();
    stage.assert_serves("first");
    assert!(stage.check().contains("[+]kms-provider"));
    let shipped = "cd /usr/share
ls man/man1/trousseau.1 bash-completion/completions/trousseau zsh/site-functions/_trousseau \\
  fish/vendor_completions.d/trousseau.fish doc/trousseau/LICENSE doc/trousseau/sbom.cdx.json \\
  trousseau/config.schema.json trousseau/deploy/helm/trousseau/Chart.yaml trousseau/deploy/vault/setup.sh";
    stage.machine.shell(shipped).unwrap();
    let status = "systemctl status trousseau.service --no-pager --lines 0";
    picture(
        "systemd",
        &[
            Step { command: block("start"), printed: String::new() },
            Step {
                command: "systemctl status trousseau.service".into(),
                printed: stage.machine.shell(status).unwrap(),
            },
        ],
    );
    assert_eq!(stage.machine.shell("stat -c '%U %a' /run/trousseau/kms.sock").unwrap().trim(), "root 660");
    let user = stage.machine.shell("stat -c %U /proc/$(systemctl show trousseau.service --property MainPID --value)");
    assert_eq!(user.unwrap().trim(), "trousseau");

    let loads = ["encrypt", "decrypt", "status"]
        .map(|call| Load::start(stage.machine.run().join("kms.sock").to_str().unwrap(), call));
    for _ in 0..UPGRADES {
        let before = stage.service("MainPID");
        stage.machine.shell(&format!("cd /mnt\n{}", block("upgrade"))).unwrap();
        assert_ne!(stage.service("MainPID"), before);
    }
    for report in loads.map(Load::end) {
        assert_no_gap(&report, UPGRADES, &stage.journal());
    }
    assert_eq!(stage.service("NRestarts"), "0");

    let process = stage.service("MainPID");
    stage.machine.shell("systemctl reload trousseau").unwrap();
    assert_eq!(stage.service("MainPID"), process);
    stage.machine.shell("systemctl kill --signal KILL trousseau").unwrap();
    stage.wait("another process after a crash", || stage.service("NRestarts") == "1");
    stage.assert_serves("after-a-crash");

    // A drop-in with less patience than the unit's 30 s.
    let drop_in = "mkdir /etc/systemd/system/trousseau.service.d
printf '[Service]\\nWatchdogSec=3\\n' > /etc/systemd/system/trousseau.service.d/patience.conf
systemctl daemon-reload
systemctl restart trousseau";
    stage.machine.shell(drop_in).unwrap();
    // Who is well is left alone, however little patience there is.
    stage.machine.shell("sleep 8").unwrap();
    assert_eq!(stage.service("NRestarts"), "0", "{}", stage.journal());
    stage.machine.shell("systemctl kill --signal STOP trousseau").unwrap();
    stage.wait("another process after a hang", || stage.service("NRestarts") == "1");
    stage.assert_serves("after-a-hang");

    // All is off; then the machine alone, etcd and the API server behind it.
    stage.api.kill().unwrap();
    stage.machine.power_off().unwrap();
    stage.etcd.stop().unwrap();
    stage.machine.power_on().unwrap();
    stage.etcd.restart().unwrap();
    stage.api.respawn().unwrap();
    stage.api.wait_ready(PATIENCE).unwrap();
    assert_eq!(stage.read_secret("first").unwrap(), "aHVudGVyMg==");
    stage.assert_serves("after-a-power-cut");
}

fn tarball() -> PathBuf {
    let named = env::var_os("TROUSSEAU_TARBALL").map(PathBuf::from);
    let path = named.expect("TROUSSEAU_TARBALL must name the tarball that `cargo xtask dist` makes");
    assert!(path.is_file(), "TROUSSEAU_TARBALL names {}, which is no file", path.display());
    path
}
