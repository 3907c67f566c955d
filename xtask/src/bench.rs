//! `cargo xtask bench`: the figures in docs/performance.md, and whether the guards on them are met.
//!
//! What is compared runs in pairs, one right after the other, so that a busy machine slows both. Guards are reported and
//! fail nothing. `--write` puts tables and raw figures where they are kept; each block there can be renewed alone.

mod block;
mod cores;
mod first_answer;
mod guard;
mod instructions;
mod local;
mod machine;
mod memory;
mod own_time;
mod pairs;
mod program;
mod sizes;
mod start;
mod vault;

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde_json::json;

use block::Block;
use program::Programs;

/// What to measure. Without one of the parts: `--local`, `--vault` and `--idle`, which have guards.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A local key against a bare tonic echo
    #[arg(long)]
    local: bool,
    /// Vault behind the plugin against a bare keep-alive client
    #[arg(long)]
    vault: bool,
    /// The first answer after exec, and the memory of a process that does nothing
    #[arg(long)]
    idle: bool,
    /// The start of an API server with 10,000 Secrets under 100 seeds, Vault 20 ms away
    #[arg(long)]
    start: bool,
    /// Memory over a million calls
    #[arg(long)]
    memory: bool,
    /// Instructions, against the stored baseline; left out where valgrind is absent
    #[arg(long)]
    instructions: bool,
    /// Binary sizes and build times, from nothing
    #[arg(long)]
    sizes: bool,
    /// Cargo features of the program that is measured; what is shipped has all
    #[arg(long, default_value = "full")]
    features: String,
    /// Pairs of each comparison
    #[arg(long, default_value = "5", value_parser = clap::value_parser!(u16).range(1..=100))]
    pairs: u16,
    /// The length of each run
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    run: Duration,
    /// Put tables into docs/performance.md, raw figures beside it, and the counts into the baseline
    #[arg(long)]
    write: bool,
    /// Why the counted instructions moved: kept beside a new baseline, which is not written without it
    #[arg(long, value_name = "TEXT", requires = "write")]
    because: Option<String>,
    /// How the figures are printed
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people; the tables are Markdown
    Text,
    /// For programs: one object
    Json,
}

/// How pairs are run.
#[derive(Clone, Copy)]
struct Plan {
    pairs: u16,
    run: Duration,
}

/// The sentence below a table.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.pairs == 1 { "" } else { "s" };
        write!(
            f,
            "{} pair{plural} of runs for each line, each run {}.",
            self.pairs,
            humantime::format_duration(self.run)
        )
    }
}

/// Calls in flight that are compared.
const CONCURRENCY: [u16; 3] = [1, 16, 64];

/// Measures what was asked for, prints it, and keeps it if told to.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let machine = machine::describe();
    let mut blocks = Vec::new();
    for (name, measure) in parts(options) {
        if name == "instructions" && !instructions::are_countable() {
            eprintln!("left out: instructions: valgrind is not there");
            continue;
        }
        eprintln!("== {name}");
        let block = measure(options).with_context(|| format!("measure {name}"))?;
        if options.write {
            block.keep(&machine)?;
        }
        blocks.push(block);
    }
    match options.output {
        Output::Json => {
            let figures: serde_json::Map<_, _> =
                blocks.iter().map(|block| (block.name.to_owned(), block.figures.clone())).collect();
            let guards: Vec<_> = blocks.iter().flat_map(|block| &block.guards).map(guard::Guard::json).collect();
            println!("{:#}", json!({"machine": machine, "figures": figures, "guards": guards}));
        }
        Output::Text => {
            for block in &blocks {
                println!("## {}\n\n{}", block.name, block.table);
            }
            for guard in blocks.iter().flat_map(|block| &block.guards) {
                println!("{guard}");
            }
            println!("{machine}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

type Measure = fn(&Options) -> Result<Block>;

fn parts(options: &Options) -> Vec<(&'static str, Measure)> {
    let &Options { local, vault, idle, start, memory, instructions, sizes, .. } = options;
    let guarded = ![local, vault, idle, start, memory, instructions, sizes].contains(&true);
    let all: [(bool, &str, Measure); 7] = [
        (local || guarded, "local", |options| local::measure(&options.programs()?, options.plan())),
        (vault || guarded, "vault", |options| vault::measure(&options.programs()?, options.plan())),
        (idle || guarded, "idle", |options| first_answer::measure(&options.programs()?)),
        (start, "start", |options| start::measure(&options.programs()?)),
        (memory, "memory", |options| memory::measure(&options.programs()?)),
        (instructions, "instructions", |options| {
            instructions::measure(&options.programs()?, options.write, options.because.as_deref())
        }),
        (sizes, "sizes", |_| sizes::measure()),
    ];
    all.into_iter().filter(|(wanted, ..)| *wanted).map(|(_, name, measure)| (name, measure)).collect()
}

impl Options {
    fn programs(&self) -> Result<Programs> {
        Programs::build(&self.features)
    }

    fn plan(&self) -> Plan {
        Plan { pairs: self.pairs, run: self.run }
    }
}
