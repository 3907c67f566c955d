//! `trousseau bench`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use humantime_serde::re::humantime::parse_duration;
use tokio::runtime::Builder;

use super::Failure;
use crate::bench::{Api, Operation, Plan, run as bench};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plugin's socket: a path, or `unix://` and a path as in the EncryptionConfiguration
    #[arg(long, value_name = "PATH", default_value = "/run/trousseau/kms.sock")]
    socket: String,
    /// The KMS API's version
    #[arg(long, value_enum, default_value = "v2")]
    api: Api,
    /// The call to repeat
    #[arg(long, value_enum, default_value = "encrypt")]
    call: Operation,
    /// Calls in flight; with --rate the most that may be [default: 1, with --rate 256]
    #[arg(long, short = 'c', value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    concurrency: Option<u32>,
    /// Connections that the calls are spread over; kube-apiserver has one for each provider entry
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: u32,
    /// Begin so many calls each second, whatever the server does; latency counts from when a call was due
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    rate: Option<f64>,
    /// How long it goes on [default: 10s, with --calls until they are made]
    #[arg(long, short = 'd', value_name = "DURATION", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// How many calls to make at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    calls: Option<u64>,
    /// Calls made before, and not counted
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = parse_duration)]
    warmup: Duration,
    /// The deadline of one call
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = parse_duration)]
    timeout: Duration,
    /// Bytes of each plaintext; kube-apiserver's seeds have 32
    #[arg(long, value_name = "BYTES", default_value = "32", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    size: u32,
    /// Ciphertexts that Decrypt takes in turn
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    distinct: u32,
    /// Threads that make the calls; take care to leave some for the server
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
    /// How the figures are printed
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people
    Text,
    /// For programs: one object, times in microseconds
    Json,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let plan = plan(args);
    let runtime = Builder::new_multi_thread()
        .worker_threads(args.threads.into())
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    let report = runtime.block_on(bench(&plan))?;
    match args.output {
        Output::Text => print!("{report}"),
        Output::Json => {
            println!("{}", serde_json::to_string_pretty(&report).context("can't print the figures")?);
        }
    }
    match report.failure() {
        None => Ok(()),
        Some(text) => Err(Failure::Failed(anyhow!("{text}"))),
    }
}

fn plan(args: &Args) -> Plan {
    let concurrency = args.concurrency.unwrap_or_else(|| if args.rate.is_some() { 256 } else { 1 });
    // Both bounds may be given; with neither there is a time.
    let duration = args.duration.or_else(|| args.calls.is_none().then_some(Duration::from_secs(10)));
    Plan {
        socket: PathBuf::from(args.socket.strip_prefix("unix://").unwrap_or(&args.socket)),
        api: args.api,
        operation: args.call,
        concurrency: concurrency as usize,
        connections: args.connections as usize,
        rate: args.rate,
        duration,
        calls: args.calls,
        warmup: args.warmup,
        timeout: args.timeout,
        size: args.size as usize,
        distinct: args.distinct as usize,
        progress: true,
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.001..=1e6).contains(&rate) => Ok(rate),
        _ => Err("is no number of calls from 0.001 to 1000000".to_owned()),
    }
}
