//! What the plugin itself does in a call, to be counted in instructions by valgrind: they don't depend on how busy a
//! machine is. `cargo xtask bench --instructions` compares them with the baseline in the repository.
//!
//! Without a name it prints the names; with one it prepares, and then makes the call that the name says, once, inside
//! the function `counted`, at which callgrind starts and stops.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use tokio::runtime::{Builder, Runtime};
use trousseau_core::envelope::{Algorithm, Clusters, Header, aad, cluster_hash};
use trousseau_core::events::Silent;
use trousseau_core::guard::{Guard, Limits};
use trousseau_core::probe::{ProbeTimes, Prober};
use trousseau_core::promotion::PromotionRule;
use trousseau_core::{
    AadPolicy, Api, Call, DecryptRequest, Encrypted, Key, KeyConfig, Keyring, Secret, SystemClock, Writer,
};
use trousseau_local::{Config, KeygenOptions, keygen};
use trousseau_server::authority::Filter;

/// What grpc-go 1.58 sends on a connection with Status and Encrypt, the socket's path as authority.
const PATH: &[u8] = include_bytes!("../../../server/tests/golden/grpc-go-1.58.3-v2-path.bin");
/// The same by grpc-go 1.79, whose authority needs no mending.
const LOCALHOST: &[u8] = include_bytes!("../../../server/tests/golden/grpc-go-1.79.3-v2-localhost.bin");

const NAMES: [&str; 6] = ["filter-path", "filter-localhost", "envelope-write", "envelope-read", "encrypt", "decrypt"];

fn main() -> anyhow::Result<()> {
    let Some(name) = std::env::args().nth(1) else {
        println!("{}", NAMES.join("\n"));
        return Ok(());
    };
    match name.as_str() {
        "filter-path" => filter(PATH),
        "filter-localhost" => filter(LOCALHOST),
        "envelope-write" => {
            let header = header();
            let (bytes, bound) = counted(|| {
                let bytes = black_box(&header).encode();
                let bound = aad(&bytes, black_box("prod-eu-1"));
                (bytes, bound)
            });
            ensure!(bound.starts_with(&bytes), "the header is not in what is authenticated");
            Ok(())
        }
        "envelope-read" => {
            let ciphertext = [header().encode(), vec![7; 60]].concat();
            let read = counted(|| Header::parse(black_box(&ciphertext)));
            ensure!(read.is_ok_and(|(read, ..)| read == header()), "the header is not read as it was written");
            Ok(())
        }
        "encrypt" => {
            let node = Node::new()?;
            let made = counted(|| node.runtime.block_on(node.ring.encrypt(Api::V2, &node.seed, &node.call)));
            made.map(drop).context("Encrypt")
        }
        "decrypt" => {
            let node = Node::new()?;
            let key_id = Some(node.made.key_id.as_str());
            let request = DecryptRequest { ciphertext: &node.made.ciphertext, key_id };
            let opened = counted(|| node.runtime.block_on(node.ring.decrypt(request, &node.call)));
            ensure!(opened.context("Decrypt")?.same_as(&node.seed), "it opens to something else");
            Ok(())
        }
        _ => Err(anyhow!("there is no `{name}`, only {}", NAMES.join(", "))),
    }
}

/// All that is counted happens in here.
#[inline(never)]
fn counted<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

fn filter(sent: &[u8]) -> anyhow::Result<()> {
    let mut bytes = sent.to_vec();
    let passed = counted(|| Filter::new().scan(black_box(&mut bytes)));
    ensure!(passed == sent.len(), "the filter holds back {} bytes", sent.len() - passed);
    Ok(())
}

fn header() -> Header {
    Header { algorithm: Algorithm::KmsWithAad, provider: 2, version: 3.into(), cluster: cluster_hash("prod-eu-1") }
}

/// A keyring with a local key, its probe done and a call of each kind made.
struct Node {
    runtime: Runtime,
    ring: Keyring,
    seed: Secret,
    made: Encrypted,
    call: Call,
}

impl Node {
    fn new() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir().context("a folder")?;
        let file = dir.path().join("local.key");
        keygen(&file, &KeygenOptions::default()).context("a key")?;
        let provider = Config { file: Some(file), credential: None }.build(None).context("a local key")?;
        let events = Arc::new(Silent);
        let clusters = Arc::new(Clusters::new(vec!["prod-eu-1".into()]).context("one name")?);
        let aad = AadPolicy::Required { accept_without: false };
        let config = KeyConfig { name: "primary".into(), clusters, aad };
        let guard = Guard::new("primary", Arc::new(provider), Limits::default(), events.clone());
        let key = Arc::new(Key::new(config, Arc::new(guard)));
        let writer = Arc::new(Writer::new(Duration::from_secs(120)));
        let ring = Keyring::new(vec![key.clone()], writer.clone(), events.clone()).context("one key")?;
        let (rule, times, clock) = (PromotionRule::default(), ProbeTimes::default(), Arc::new(SystemClock));
        let mut prober = Prober::new(key, writer, rule, times, clock, events);
        let runtime = Builder::new_current_thread().enable_all().build().context("a runtime")?;
        let (seed, call) = (Secret::new(vec![7; 32]), Call::within(Duration::from_secs(600)));
        let made = runtime.block_on(async {
            prober.round().await.context("the probe")?;
            let made = ring.encrypt(Api::V2, &seed, &call).await.context("the first Encrypt")?;
            let request = DecryptRequest { ciphertext: &made.ciphertext, key_id: Some(made.key_id.as_str()) };
            ring.decrypt(request, &call).await.context("the first Decrypt")?;
            anyhow::Ok(made)
        })?;
        Ok(Self { runtime, ring, seed, made, call })
    }
}
