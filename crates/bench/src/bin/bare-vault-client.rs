//! The least that a client of Vault's transit engine can do: keep-alive connections, one for each call in flight,
//! which repeat a request and read the answer to its end. It prints figures as `trousseau bench --output json` does.
//!
//! The bodies are those that Trousseau sends: 32 bytes of plaintext, the version named, additional data of 21 bytes.
//! `encrypt` is an encrypt followed by a decrypt of what came out, because Trousseau opens each fresh wrap again.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::{Parser, ValueEnum};
use hdrhistogram::Histogram;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

#[derive(Clone, Parser)]
struct Args {
    /// Vault's address, without TLS
    #[arg(long)]
    address: SocketAddr,
    /// The file with the token
    #[arg(long)]
    token: PathBuf,
    /// The transit key, mounted at `transit`
    #[arg(long)]
    key: String,
    /// What to repeat
    #[arg(long, value_enum)]
    call: Call,
    /// Calls in flight
    #[arg(short)]
    concurrency: usize,
    /// How long
    #[arg(long, value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Calls made before, and not counted
    #[arg(long, value_parser = humantime::parse_duration, default_value = "500ms")]
    warmup: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Call {
    Encrypt,
    Decrypt,
}

struct Client {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    token: String,
    key: String,
    body: String,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    // As many threads as `trousseau bench` has.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().context("the runtime")?;
    let figures = runtime.block_on(run(&args))?;
    println!("{figures:#}");
    Ok(())
}

async fn run(args: &Args) -> anyhow::Result<Value> {
    let mut clients = Vec::new();
    for _ in 0..args.concurrency {
        clients.push(Client::connect(args).await?);
    }
    let (clients, _) = load(clients, args.call, args.warmup).await?;
    let began = Instant::now();
    let (_, latency) = load(clients, args.call, args.duration).await?;
    let seconds = began.elapsed().as_secs_f64();
    let micros = |nanos: u64| nanos as f64 / 1e3;
    let at = |quantile| micros(latency.value_at_quantile(quantile));
    Ok(json!({
        "concurrency": args.concurrency,
        "seconds": seconds,
        "calls": latency.len(),
        "failed": 0,
        "callsPerSecond": latency.len() as f64 / seconds,
        "latencyMicros": {
            "mean": latency.mean() / 1e3, "p50": at(0.5), "p99": at(0.99), "p999": at(0.999),
            "max": micros(latency.max()),
        },
    }))
}

/// Runs all clients for that long, and hands them back. A call that fails ends it all.
async fn load(clients: Vec<Client>, call: Call, duration: Duration) -> anyhow::Result<(Vec<Client>, Histogram<u64>)> {
    let end = Instant::now() + duration;
    let mut tasks = JoinSet::new();
    for mut client in clients {
        tasks.spawn(async move {
            let mut latency = Histogram::new_with_bounds(1, 600_000_000_000, 3)?;
            loop {
                let began = Instant::now();
                if began >= end {
                    return anyhow::Ok((client, latency));
                }
                client.call(call).await?;
                latency.saturating_record(began.elapsed().as_nanos() as u64);
            }
        });
    }
    let (mut clients, mut total) = (Vec::new(), Histogram::new_with_bounds(1, 600_000_000_000, 3)?);
    while let Some(task) = tasks.join_next().await {
        let (client, latency) = task.context("a task panicked")??;
        total.add(&latency).context("one histogram into another")?;
        clients.push(client);
    }
    Ok((clients, total))
}

impl Client {
    async fn connect(args: &Args) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(args.address).await.with_context(|| format!("connect to {}", args.address))?;
        stream.set_nodelay(true).context("TCP_NODELAY")?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.context("an HTTP connection")?;
        tokio::spawn(connection);
        let token = std::fs::read_to_string(&args.token).with_context(|| format!("{}", args.token.display()))?;
        let (host, key) = (args.address.to_string(), args.key.clone());
        let mut client = Self { sender, host, token, key, body: String::new() };
        client.body = client.encrypted().await?;
        Ok(client)
    }

    async fn call(&mut self, call: Call) -> anyhow::Result<()> {
        if call == Call::Encrypt {
            self.body = self.encrypted().await?;
        }
        let body = self.body.clone();
        let answer = self.ask("decrypt", body).await?;
        ensure!(field(&answer, "\"plaintext\":\"").is_some(), "decrypt answered without a plaintext");
        Ok(())
    }

    /// Encrypts; the body of the decrypt for what came out.
    async fn encrypted(&mut self) -> anyhow::Result<String> {
        let (plaintext, data) = (BASE64_STANDARD.encode([7; 32]), BASE64_STANDARD.encode([9; 21]));
        let body = format!(r#"{{"plaintext":"{plaintext}","associated_data":"{data}","key_version":1}}"#);
        let answer = self.ask("encrypt", body).await?;
        let text = field(&answer, "\"ciphertext\":\"").context("encrypt answered without a ciphertext")?;
        Ok(format!(r#"{{"ciphertext":"{text}","associated_data":"{data}"}}"#))
    }

    async fn ask(&mut self, what: &str, body: String) -> anyhow::Result<String> {
        let request = Request::post(format!("/v1/transit/{what}/{}", self.key))
            .header("host", &self.host)
            .header("x-vault-token", &self.token)
            .body(Full::new(Bytes::from(body)))
            .context("a request")?;
        self.sender.ready().await.context("the connection")?;
        let answer = self.sender.send_request(request).await.with_context(|| format!("{what} at Vault"))?;
        let status = answer.status();
        let body = answer.into_body().collect().await.with_context(|| format!("{what}'s answer"))?.to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        if !status.is_success() {
            bail!("Vault answered {what} with {status}: {body}");
        }
        Ok(body)
    }
}

/// A text in JSON, found without reading the rest.
fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.split_once(name)?.1.split('"').next()
}
