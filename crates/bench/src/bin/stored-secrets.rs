//! Secrets as kube-apiserver stores them, under seeds that a plugin wraps: one line each, the etcd key, a tab, and the
//! value in base64. For a store of many Secrets under many seeds that no cluster has to grow old for.

use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Parser;
use serde_json::json;
use tonic::transport::{Channel, Endpoint};
use trousseau_kms_api::v2::key_management_service_client::KeyManagementServiceClient;
use trousseau_kms_api::v2::{EncryptRequest, EncryptResponse};
use trousseau_record::{EncryptedObject, SourceType, seal};

#[derive(Parser)]
struct Args {
    /// The plugin's socket
    #[arg(long)]
    socket: PathBuf,
    /// The provider's name in the EncryptionConfiguration
    #[arg(long)]
    provider: String,
    /// How many Secrets
    #[arg(long)]
    secrets: usize,
    /// Under how many seeds, in turn
    #[arg(long)]
    seeds: usize,
    /// The same objects as they are, without any encryption
    #[arg(long)]
    clear: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let endpoint = Endpoint::from_shared(format!("unix://{}", args.socket.display())).context("the socket's path")?;
    let channel = endpoint.timeout(Duration::from_secs(10)).connect().await.context("connect to the plugin")?;
    let mut client = KeyManagementServiceClient::new(channel);
    let mut seeds = Vec::new();
    for _ in 0..args.seeds.max(1) {
        seeds.push(wrapped_seed(&mut client).await?);
    }
    let mut lines = BufWriter::new(std::io::stdout().lock());
    for number in 0..args.secrets {
        let (seed, wrap) = &seeds[number % seeds.len()];
        let (etcd_key, object) = secret(number);
        if args.clear {
            writeln!(lines, "{etcd_key}\t{}", BASE64_STANDARD.encode(object)).context("write a line")?;
            continue;
        }
        let object = EncryptedObject {
            encrypted_data: seal(seed, &etcd_key, object.as_bytes()).context("encrypt a Secret")?,
            key_id: wrap.key_id.clone(),
            encrypted_dek_source: wrap.ciphertext.clone(),
            annotations: wrap.annotations.clone(),
            encrypted_dek_source_type: SourceType::HkdfSha256XnonceAesGcmSeed as i32,
        };
        let value = BASE64_STANDARD.encode(object.to_value(&args.provider));
        writeln!(lines, "{etcd_key}\t{value}").context("write a line")?;
    }
    lines.flush().context("write")
}

async fn wrapped_seed(client: &mut KeyManagementServiceClient<Channel>) -> anyhow::Result<([u8; 32], EncryptResponse)> {
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed).map_err(|_| anyhow!("no random bytes"))?;
    let request = EncryptRequest { plaintext: seed.to_vec(), uid: "7f3c1f0e-0000-4000-8000-000000000001".into() };
    let wrap = client.encrypt(request).await.context("Encrypt")?.into_inner();
    Ok((seed, wrap))
}

/// The etcd key and the object in JSON, which an API server reads as well as its own protobuf.
fn secret(number: usize) -> (String, String) {
    let name = format!("secret-{number:05}");
    let object = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": format!("7f3c1f0e-0000-4000-8000-{number:012x}"),
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "type": "Opaque",
        "data": {"password": BASE64_STANDARD.encode(format!("password of number {number}"))},
    });
    (format!("/registry/secrets/default/{name}"), object.to_string())
}
