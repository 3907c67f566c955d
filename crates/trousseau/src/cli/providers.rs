//! `trousseau providers`: the kinds of KMS that this binary has, and the fields of their sections.

use std::io::{self, Write};

use anyhow::Context as _;
use clap::ValueEnum;
use serde_json::{Value, json};

use super::Failure;
use crate::config::{Field, Kind};
use crate::wire;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// For people, or for programs
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    output: Output,
    /// The sections to print; all of them without one
    section: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    for name in &args.section {
        if wire::kind(name).is_none() {
            let has = wire::sections().collect::<Vec<_>>().join(", ");
            let error = match wire::feature_of(name) {
                Some(feature) => anyhow::anyhow!("this build lacks `{name}` (feature `{feature}`); it has {has}"),
                None => anyhow::anyhow!("there is no section `{name}`; this build has {has}"),
            };
            return Err(Failure::Usage(error));
        }
    }
    let wanted = |kind: &&Kind| args.section.is_empty() || args.section.iter().any(|name| name == kind.name);
    let kinds: Vec<_> = wire::KINDS.iter().filter(wanted).collect();
    let mut out = io::stdout().lock();
    match args.output {
        Output::Json => writeln!(out, "{:#}", value(&kinds)),
        Output::Text => print(&kinds, &mut out),
    }
    .context("can't print")?;
    Ok(())
}

fn value(kinds: &[&Kind]) -> Value {
    let provider = |kind: &&Kind| {
        json!({
            "section": kind.name,
            "name": kind.kind.name,
            "code": kind.kind.code,
            "feature": kind.feature,
            "summary": kind.summary,
            "fields": kind.fields(),
        })
    };
    let lacking = wire::lacking().map(|(name, feature)| json!({ "section": name, "feature": feature }));
    json!({ "providers": kinds.iter().map(provider).collect::<Vec<_>>(), "lacking": lacking.collect::<Vec<_>>() })
}

fn print(kinds: &[&Kind], out: &mut impl Write) -> io::Result<()> {
    for kind in kinds {
        writeln!(out, "{}: {}", kind.name, kind.summary)?;
        for Field { field, form, required, default, description, variables, flag } in kind.fields() {
            let mut notes = vec![form];
            notes.extend(required.then(|| "required".to_owned()));
            notes.extend(default.map(|value| format!("default {value}")));
            notes.extend((!variables.is_empty()).then(|| format!("else {}", variables.join(", "))));
            notes.extend(flag);
            writeln!(out, "  {field} ({})\n      {description}", notes.join("; "))?;
        }
        writeln!(out)?;
    }
    let lacking: Vec<_> = wire::lacking().map(|(name, feature)| format!("{name} (feature `{feature}`)")).collect();
    if lacking.is_empty() { Ok(()) } else { writeln!(out, "not in this build: {}", lacking.join(", ")) }
}
