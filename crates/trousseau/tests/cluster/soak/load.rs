//! Writers and readers that carry on through every trouble.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fastrand::Rng;
use serde_json::{Value, json};
use trousseau_cluster::{ApiServer, wait};

use super::Run;
use super::kubectl::Kubectl;
use super::ledger::{Floor, Ledger, value};

/// What the name of each Secret begins with that is written here.
pub(crate) const PREFIX: &str = "load-";
// Then only updates: a list of all must stay quick, however long it goes on.
const MOST_SECRETS: usize = 1500;
const LARGEST_BATCH: usize = 8;

#[derive(Default)]
struct Counts {
    written: AtomicU64,
    rewritten: AtomicU64,
    writes_failed: AtomicU64,
    read: AtomicU64,
    reads_failed: AtomicU64,
}

pub(crate) struct Load<'a> {
    pub(crate) kubectl: Kubectl<'a>,
    /// Before the numbers of its own Secrets.
    names: String,
    ledger: &'a Ledger,
    run: &'a Run,
    counts: Counts,
    /// The shortest time between two writes, and between two reads.
    pub(crate) pauses: [Duration; 2],
}

impl<'a> Load<'a> {
    /// By way of this API server. Several may share a ledger: each then writes Secrets of its own, whose names
    /// have `writer` in them, and reads those of all.
    pub(crate) fn new(api: &ApiServer, dir: &Path, writer: &str, ledger: &'a Ledger, run: &'a Run) -> Self {
        Self {
            kubectl: Kubectl::new(api, dir, run),
            names: format!("{PREFIX}{writer}"),
            ledger,
            run,
            counts: Counts::default(),
            pauses: [50, 200].map(Duration::from_millis),
        }
    }

    /// Creates, updates and rewrites until the run is over. Every fourth Secret is written once and never again, so
    /// that the oldest key versions stay in use.
    pub(crate) fn write(&self, mut random: Rng) {
        let mut created: Vec<String> = Vec::new();
        while !self.run.is_over() {
            let batch = random.usize(1..=LARGEST_BATCH);
            match random.u8(0..10) {
                0..5 if created.len() < MOST_SECRETS => {
                    let names: Vec<String> = (created.len()..created.len() + batch)
                        .map(|number| format!("{}{number}", self.names))
                        .collect();
                    self.put("create", &names);
                    created.extend(names);
                }
                0..9 if created.len() >= 4 => {
                    let mut names: Vec<String> = (0..batch)
                        .map(|_| random.usize(..created.len()))
                        .filter(|number| number % 4 != 0)
                        .map(|number| created[number].clone())
                        .collect();
                    names.sort();
                    names.dedup();
                    self.put("replace", &names);
                }
                _ => self.rewrite(created.get(random.usize(..=created.len())..).unwrap_or_default()),
            }
            wait::pause(self.pauses[0]);
        }
    }

    /// Reads one or all until the run is over.
    pub(crate) fn read(&self, mut random: Rng) {
        while !self.run.is_over() {
            wait::pause(self.pauses[1]);
            let floor = self.ledger.floor();
            let name = random.usize(..=floor.len());
            let checked = match floor.names().nth(name) {
                Some(name) if random.bool() => self.read_one(&floor, name),
                _ => self.read_all().map(|found| self.ledger.check_all(&floor, &found)),
            };
            match checked {
                Some(Ok(())) => count(&self.counts.read, 1),
                Some(Err(wrong)) => self.run.wrong(wrong),
                None => count(&self.counts.reads_failed, 1),
            }
        }
    }

    /// Reads all, which must succeed now; how many were acknowledged.
    pub(crate) fn assert_all_readable(&self) -> usize {
        let floor = self.ledger.floor();
        let found = wait::until(Duration::from_secs(60), "a list of all Secrets", || Ok(self.read_all())).unwrap();
        if let Err(wrong) = self.ledger.check_all(&floor, &found) {
            self.run.wrong(format!("at a checkpoint: {wrong}"));
        }
        floor.len()
    }

    pub(crate) fn acknowledged(&self) -> Floor {
        self.ledger.floor()
    }

    pub(crate) fn run(&self) -> &Run {
        self.run
    }

    pub(crate) fn reads(&self) -> u64 {
        self.counts.read.load(Ordering::Relaxed)
    }

    pub(crate) fn writes(&self) -> u64 {
        self.counts.written.load(Ordering::Relaxed)
    }

    /// Asks for readiness until the run is over, as kubelet does: the API server then asks for Status every 20 s
    /// instead of every minute.
    pub(crate) fn ask_readyz(&self) {
        while !self.run.is_over() {
            self.kubectl.try_run(&["get", "--raw", "/readyz"], "");
            wait::pause(Duration::from_secs(2));
        }
    }

    fn put(&self, verb: &str, names: &[String]) {
        if names.is_empty() {
            return;
        }
        let items: Vec<Value> = names
            .iter()
            .map(|name| {
                let text = value(name, self.ledger.attempt(name));
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"value": text}})
            })
            .collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
        let output = self.kubectl.run(&[verb, "--validate=false", "-o", "name", "-f", "-"], &list);
        // It prints one line for each that succeeded, whatever becomes of the others.
        let done = String::from_utf8_lossy(&output.stdout);
        let done: Vec<&str> = done.lines().filter_map(|line| line.strip_prefix("secret/")).collect();
        done.iter().for_each(|name| self.ledger.acknowledge(name));
        count(&self.counts.written, done.len());
        self.failed(names.len() - done.len());
    }

    /// What a storage migration does. No generation changes: a copy that is no longer the newest is a conflict.
    fn rewrite(&self, names: &[String]) {
        let names = &names[..names.len().min(20)];
        if names.is_empty() {
            return;
        }
        let mut arguments = vec!["get", "secrets", "-o", "json"];
        arguments.extend(names.iter().map(String::as_str));
        let list = self.kubectl.run(&arguments, "");
        let output = list.status.success().then(|| {
            let list = String::from_utf8_lossy(&list.stdout).into_owned();
            self.kubectl.run(&["replace", "--validate=false", "-o", "name", "-f", "-"], &list)
        });
        match output {
            Some(output) => count(&self.counts.rewritten, String::from_utf8_lossy(&output.stdout).lines().count()),
            None => self.failed(1),
        }
    }

    fn read_one(&self, floor: &Floor, name: &str) -> Option<Result<(), String>> {
        let output = self.kubectl.run(&["get", "secret", name, "-o", "json"], "");
        let missing = String::from_utf8_lossy(&output.stderr).contains("(NotFound)");
        let found = output.status.success().then(|| password(&output.stdout));
        (found.is_some() || missing).then(|| self.ledger.check(floor, name, found.as_deref()))
    }

    fn read_all(&self) -> Option<BTreeMap<String, String>> {
        let output = self.kubectl.run(&["get", "secrets", "-o", "json"], "");
        if !output.status.success() {
            return None;
        }
        let list: Value = serde_json::from_slice(&output.stdout).unwrap();
        let items = list["items"].as_array().expect("a list has items");
        let named = items.iter().map(|item| (item["metadata"]["name"].as_str().unwrap_or_default().to_owned(), item));
        Some(named.filter(|(name, _)| name.starts_with(PREFIX)).map(|(name, item)| (name, decode(item))).collect())
    }

    fn failed(&self, number: usize) {
        if number > 0 {
            count(&self.counts.writes_failed, number);
            wait::pause(Duration::from_millis(200));
        }
    }
}

fn count(counter: &AtomicU64, number: usize) {
    counter.fetch_add(number as u64, Ordering::Relaxed);
}

fn password(json: &[u8]) -> String {
    decode(&serde_json::from_slice(json).unwrap())
}

/// The Secret's value; what is no base64 of text is none that anybody wrote.
fn decode(secret: &Value) -> String {
    let data = secret["data"]["value"].as_str().unwrap_or_default();
    String::from_utf8_lossy(&BASE64_STANDARD.decode(data).unwrap_or_default()).into_owned()
}

impl fmt::Display for Load<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counts { written, rewritten, writes_failed, read, reads_failed } = &self.counts;
        write!(f, "{} Secrets, {} writes acknowledged", self.ledger.floor().len(), told(written))?;
        write!(f, " and {} rewrites, {} failed", told(rewritten), told(writes_failed))?;
        write!(f, "; {} reads right, {} failed", told(read), told(reads_failed))
    }
}
