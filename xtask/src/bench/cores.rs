//! The machine's cores: where their time went during a run, and who may run on which.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// Where a run's figures have what each used of the cores, in microseconds for each call: `/vault`, `/plugin`, `/rest`
/// (the client and everything else) and `/idle` (what the host took included).
pub(crate) const USED: &str = "/coresMicrosPerCall";

/// Clock ticks since the machine started.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ticks {
    vault: u64,
    plugin: u64,
    idle: u64,
    all: u64,
}

/// Makes one run, and adds to its figures where the time of all cores went.
///
/// A share of the cores' time over the whole run, divided by the rate at which the run's calls were made: what is counted
/// before the first call and after the last makes it some percent wrong.
pub(crate) fn accounted(vault: u32, plugin: u32, run: impl FnOnce() -> Result<Value>) -> Result<Value> {
    let before = Ticks::now(vault, plugin)?;
    let mut figures = run()?;
    let used = Ticks::now(vault, plugin)?.since(before);
    let rate = figures["callsPerSecond"].as_f64().context("a run's figures lack callsPerSecond")?;
    let cores = fs::read_to_string("/proc/stat").context("/proc/stat")?.lines().filter(|line| is_core(line)).count();
    figures[USED.trim_start_matches('/')] = used.per_call(cores, rate);
    Ok(figures)
}

fn is_core(line: &str) -> bool {
    line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

impl Ticks {
    fn now(vault: u32, plugin: u32) -> Result<Self> {
        let text = fs::read_to_string("/proc/stat").context("/proc/stat")?;
        let (idle, all) = of_all(&text).context("/proc/stat has no line of all cores")?;
        let process = |pid: u32| {
            let file = format!("/proc/{pid}/stat");
            let text = fs::read_to_string(&file).with_context(|| file.clone())?;
            of_process(&text).with_context(|| format!("{file} has no times"))
        };
        Ok(Self { vault: process(vault)?, plugin: process(plugin)?, idle, all })
    }

    fn since(self, before: Self) -> Self {
        let Self { vault, plugin, idle, all } = before;
        Self { vault: self.vault - vault, plugin: self.plugin - plugin, idle: self.idle - idle, all: self.all - all }
    }

    fn per_call(self, cores: usize, rate: f64) -> Value {
        let Self { vault, plugin, idle, all } = self;
        let micros = |ticks: u64| ticks as f64 / all as f64 * cores as f64 / rate * 1e6;
        let rest = all.saturating_sub(vault + plugin + idle);
        json!({"vault": micros(vault), "plugin": micros(plugin), "rest": micros(rest), "idle": micros(idle)})
    }
}

/// Idle time (waiting for a disk and what the host took included) and all time, of proc(5)'s stat.
fn of_all(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    // user nice system idle iowait irq softirq steal; what follows is in user already.
    let ticks: Vec<u64> = line.split_whitespace().take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
    let &[_, _, _, idle, iowait, _, _, steal] = ticks.as_slice() else { return None };
    Some((idle + iowait + steal, ticks.iter().sum()))
}

/// User and system time, of proc(5)'s PID/stat: fields 14 and 15, the name being the second, in parentheses.
fn of_process(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// Vault on a core of its own, and everything else that the measurement starts on the others. Dropped, this process may
/// use all of its cores again.
pub(crate) struct Apart {
    all: String,
}

impl Apart {
    /// Moves the running ones there, and this process, whose children inherit it. `None` with a single core, or where
    /// there is no taskset (util-linux).
    pub(crate) fn new(vault: u32, plugin: u32) -> Result<Option<Self>> {
        let status = fs::read_to_string("/proc/self/status").context("/proc/self/status")?;
        let all = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default().trim();
        let Some((first, others)) = split(all) else { return Ok(None) };
        if Command::new("taskset").arg("--version").stdout(Stdio::null()).status().is_err() {
            return Ok(None);
        }
        let apart = Self { all: all.to_owned() };
        move_to(&first, vault)?;
        move_to(&others, plugin)?;
        move_to(&others, std::process::id())?;
        Ok(Some(apart))
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        if let Err(error) = move_to(&self.all, std::process::id()) {
            eprintln!("what is measured from here on has not all cores: {error:#}");
        }
    }
}

fn move_to(cores: &str, pid: u32) -> Result<()> {
    let mut command = Command::new("taskset");
    command.args(["--all-tasks", "--cpu-list", "--pid", cores, &pid.to_string()]).stdout(Stdio::null());
    let status = command.status().context("run taskset")?;
    ensure!(status.success(), "taskset did not move process {pid} to cores {cores} ({status})");
    Ok(())
}

/// The first core of a list such as `0-3,6`, and a list of the others; `None` if there is no other.
fn split(list: &str) -> Option<(String, String)> {
    let mut cores = Vec::new();
    for part in list.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        cores.extend(from.parse::<u32>().ok()?..=to.parse().ok()?);
    }
    let (first, others) = cores.split_first().filter(|(_, others)| !others.is_empty())?;
    Some((first.to_string(), others.iter().map(u32::to_string).collect::<Vec<_>>().join(",")))
}

#[cfg(test)]
mod tests {
    use super::{Ticks, is_core, of_all, of_process, split};

    #[test]
    fn the_first_core_and_the_others() {
        let text = |list| split(list).map(|(first, others)| format!("{first} {others}"));
        assert_eq!(text("0-1").as_deref(), Some("0 1"));
        assert_eq!(text("2,5-7").as_deref(), Some("2 5,6,7"));
        assert_eq!((text("0"), text(""), text("x-y")), (None, None, None));
    }

    #[test]
    fn time_is_read_as_proc_writes_it() {
        let stat = "cpu  10 1 5 80 2 0 1 3 4 0\ncpu0 1 2 3\ncpu1 1 2 3\nintr 5\n";
        assert_eq!(of_all(stat), Some((85, 102)), "a guest's time is in user");
        assert_eq!(stat.lines().filter(|line| is_core(line)).count(), 2);
        assert_eq!(of_all("cpu 1 2\n"), None);
        assert_eq!(of_process("7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20\n"), Some(42));
        assert_eq!(of_process("7 (a) S 1"), None);
    }

    #[test]
    fn shares_of_the_cores_become_time_for_each_call() {
        let ticks = |vault, plugin, idle, all| Ticks { vault, plugin, idle, all };
        let used = ticks(160, 30, 6, 1200).since(ticks(10, 10, 2, 1000));
        assert_eq!(used, ticks(150, 20, 4, 200));
        let of = |who: &str| used.per_call(2, 1000.0)[who].as_f64().map(f64::round);
        let all = ["vault", "plugin", "rest", "idle"].map(of);
        assert_eq!(all, [1500.0, 200.0, 260.0, 40.0].map(Some), "2 ms of two cores' time at 1000 calls each second");
    }
}
