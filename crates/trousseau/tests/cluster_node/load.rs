//! Writes that go on while something happens.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use trousseau_cluster::{ApiServer, wait};

use crate::stage::{Stage, get};

/// An absence so long that a write by KMS v1 must have been under way in the middle of it.
const LONG: Duration = Duration::from_secs(2);

static ROUND: AtomicU32 = AtomicU32::new(0);

/// Does something under a steady load: one object after the other is created, and read back. None may fail. Answers how
/// many rounds were written, and for how long the plugin did not answer.
pub(crate) fn while_writing(stage: &Stage, act: impl FnOnce()) -> (u32, Duration) {
    let stop = AtomicBool::new(false);
    let round = ROUND.fetch_add(1, Ordering::Relaxed);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(&stage.api, &format!("load-{round}"), &stop));
        let watcher = scope.spawn(|| longest_gap(stage.admin, &stop));
        let stopper = Stopper(&stop);
        act();
        drop(stopper);
        let (by_v1, failures) = writer.join().unwrap();
        let (from, to) = watcher.join().unwrap();
        let (written, gap) = (by_v1.len() as u32, to - from);
        assert!(failures.is_empty(), "{} writes failed, {written} did not: {failures:#?}", failures.len());
        assert!(written > 0, "nothing was written meanwhile");
        let waited = by_v1.iter().any(|(began, ended)| (*began..*ended).contains(&(from + gap / 2)));
        assert!(gap < LONG || waited, "no write asked the plugin in the {gap:.1?} in which it was away");
        (written, gap)
    })
}

/// Ends the load also when the action panics, which would wait for its threads otherwise.
struct Stopper<'a>(&'a AtomicBool);

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// When a write by KMS v1 began and ended.
type Span = (Instant, Instant);

fn write(api: &ApiServer, prefix: &str, stop: &AtomicBool) -> (Vec<Span>, Vec<String>) {
    let (mut written, mut failures) = (Vec::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let name = format!("{prefix}-{}", written.len() + failures.len());
        match write_and_read(api, &name) {
            Ok(span) => written.push(span),
            Err(error) => failures.push(format!("{name}: {error:#}")),
        }
    }
    (written, failures)
}

/// A Secret by KMS v2, which is a call to the plugin only where the API server has no seed, or another one than it had;
/// and a PodTemplate by KMS v1, which is one each time.
fn write_and_read(api: &ApiServer, name: &str) -> anyhow::Result<Span> {
    api.kubectl_text(&["create", "secret", "generic", name, "--from-literal=password=hunter2"])?;
    let read = api.kubectl_text(&["get", "secret", name, "-o", "jsonpath={.data.password}"])?;
    anyhow::ensure!(read == "aHVudGVyMg==", "it is {read:?}");
    let containers = json!([{"name": "a", "image": "a"}]);
    let template = json!({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": name},
        "template": {"spec": {"containers": containers}}});
    let began = Instant::now();
    let output = api.kubectl_stdin(&["create", "-f", "-"], &template.to_string())?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok((began, Instant::now()))
}

/// The longest time without the plugin: when it was last there, and when again.
fn longest_gap(admin: u16, stop: &AtomicBool) -> Span {
    let mut last = Instant::now();
    let mut longest = (last, last);
    let mut note = |last: &mut Instant| {
        let now = Instant::now();
        if now - *last > longest.1 - longest.0 {
            longest = (*last, now);
        }
        *last = now;
    };
    while !stop.load(Ordering::Relaxed) {
        if get(admin, "/readyz").0 == 200 {
            note(&mut last);
        }
        wait::pause(Duration::from_millis(20));
    }
    note(&mut last);
    longest
}
