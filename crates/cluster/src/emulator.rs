//! Emulators of AWS KMS, with real cryptography and mistakes of their own: see [`Emulator`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::process::{Process, folder, without_variables};
use crate::python::{Installed, Package};
use crate::{http, port};

const START: Duration = Duration::from_secs(120);

/// Which emulator. What both get wrong can't be learned from either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emulator {
    /// moto: quick and small. Keys that are disabled or about to be deleted still work, rotation changes nothing, no
    /// material has a name, and a wrap whose own key id was changed is refused as a missing right.
    Moto,
    /// LocalEmu, which needs Python 3.13: keys have states and materials, rotation on demand works, and multi-Region
    /// keys can be replicated. Decrypt does not name the material.
    LocalEmu,
}

impl Emulator {
    /// All of them, quickest to install first.
    pub const ALL: [Self; 2] = [Self::Moto, Self::LocalEmu];

    /// Its name.
    pub fn name(self) -> &'static str {
        self.package().name
    }

    /// Whether this machine has the Python that it needs; else what is lacking.
    pub fn runnable(self) -> Result<()> {
        self.package().python().map(drop)
    }

    /// Gets it: found in the cache, or installed by pip.
    pub fn get(self) -> Result<()> {
        self.package().install().map(drop)
    }

    fn package(self) -> Package {
        match self {
            Self::Moto => Package {
                name: "moto",
                version: "5.2.5",
                requirements: include_str!("../modules/moto/requirements.txt"),
                python: (3, 10),
                newer: true,
                variable: "TROUSSEAU_PYTHON",
            },
            Self::LocalEmu => Package {
                name: "localemu",
                version: "1.3.2",
                requirements: include_str!("../modules/localemu/requirements.txt"),
                python: (3, 13),
                newer: false,
                variable: "TROUSSEAU_PYTHON313",
            },
        }
    }
}

/// A running emulator of AWS KMS and STS, for any region and any credentials. Dropping it ends the process, and with it
/// all keys.
#[derive(Debug)]
pub struct AwsKms {
    process: Process,
    address: SocketAddr,
}

impl AwsKms {
    /// Starts it with its files in `dir`, and waits until it answers: 120 s at most.
    pub fn start(emulator: Emulator, dir: impl AsRef<Path>) -> Result<Self> {
        let (dir, installed) = (folder(dir.as_ref())?, emulator.package().install()?);
        port::retry(|[port]| {
            let (address, mut command, ready) = match emulator {
                Emulator::Moto => moto(&installed, port),
                Emulator::LocalEmu => localemu(&installed, port, &dir),
            };
            let log = dir.join(format!("{}.log", emulator.name()));
            let command = without_variables(&mut command, "AWS_").current_dir(&dir);
            let mut process = Process::spawn(emulator.name(), command, &log)?;
            let serves = || http::request(address, "GET", ready, &[], b"").is_ok_and(|(status, _)| status == 200);
            process.wait_until_serving(START, serves)?;
            Ok(Self { process, address })
        })
    }

    /// The URL for every region.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The log file.
    pub fn log(&self) -> &Path {
        self.process.log()
    }

    /// One call to KMS, such as `CreateKey`, as an administrator in a region; an error answer is an error.
    pub fn call(&self, region: &str, action: &str, body: &Value) -> Result<Value> {
        let credential = format!("Credential=AKIAADMIN/20260101/{region}/kms/aws4_request");
        let headers = [
            ("Content-Type", "application/x-amz-json-1.1"),
            ("X-Amz-Target", &format!("TrentService.{action}")),
            ("X-Amz-Date", "20260101T000000Z"),
            ("Authorization", &format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=00")),
        ];
        let (status, answer) = http::request(self.address, "POST", "/", &headers, body.to_string().as_bytes())?;
        if status != 200 {
            bail!("{action} answered {status}: {}", String::from_utf8_lossy(&answer));
        }
        if answer.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer).with_context(|| format!("{action} answered no JSON"))
    }

    /// Makes a symmetric key and answers its ARN.
    pub fn create_key(&self, region: &str, multi_region: bool) -> Result<String> {
        let answer = self.call(region, "CreateKey", &json!({"MultiRegion": multi_region}))?;
        let arn = answer["KeyMetadata"]["Arn"].as_str();
        Ok(arn.with_context(|| format!("CreateKey answered {answer}"))?.to_owned())
    }

    /// One call about the key of this ARN, in its region: `DisableKey`, `EnableKey`, `RotateKeyOnDemand`, ...
    pub fn with_key(&self, action: &str, arn: &str) -> Result<Value> {
        let mut fields = arn.split(':').skip(3);
        let region = fields.next().with_context(|| format!("{arn} is no ARN"))?;
        // moto finds some things by the bare id only.
        let id = arn.rsplit('/').next().unwrap_or(arn);
        self.call(region, action, &json!({"KeyId": id}))
    }

    /// SIGTERM, after 10 s SIGKILL; returns when the process is gone.
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop().map(drop)
    }
}

fn moto(installed: &Installed, port: u16) -> (SocketAddr, Command, &'static str) {
    let mut command = installed.run("from moto.server import main; main()");
    command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    (SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port), command, "/moto-api/")
}

fn localemu(installed: &Installed, port: u16, dir: &Path) -> (SocketAddr, Command, &'static str) {
    // An IPv4 address is ignored, and every interface bound instead.
    let address = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port);
    let mut command = installed.run("from localemu.cli.main import main; main()");
    command
        .arg("start")
        .env("GATEWAY_LISTEN", address.to_string())
        .env("CONFIG_DIR", dir)
        .env("LOCALEMU_VOLUME_DIR", dir)
        .env("DISABLE_EVENTS", "1")
        .env("DNS_ADDRESS", "0")
        .env("SERVICES", "kms,iam,sts");
    (address, command, "/_localemu/health")
}
