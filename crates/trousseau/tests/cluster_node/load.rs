//! Writes that go on while something happens.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use trousseau_cluster::{ApiServer, wait};

use crate::stage::{Stage, get};

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
        let (written, failures) = writer.join().unwrap();
        let gap = watcher.join().unwrap();
        assert!(failures.is_empty(), "{} of {written} writes failed: {failures:#?}", failures.len());
        assert!(written > 0, "nothing was written meanwhile");
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

fn write(api: &ApiServer, prefix: &str, stop: &AtomicBool) -> (u32, Vec<String>) {
    let (mut written, mut failures) = (0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let name = format!("{prefix}-{written}");
        written += 1;
        if let Err(error) = write_and_read(api, &name) {
            failures.push(format!("{name}: {error:#}"));
        }
    }
    (written, failures)
}

/// A Secret by KMS v2, which is a call to the plugin only where the API server has no seed, or another one than it had;
/// and a PodTemplate by KMS v1, which is one each time.
fn write_and_read(api: &ApiServer, name: &str) -> anyhow::Result<()> {
    api.kubectl_text(&["create", "secret", "generic", name, "--from-literal=password=hunter2"])?;
    let read = api.kubectl_text(&["get", "secret", name, "-o", "jsonpath={.data.password}"])?;
    anyhow::ensure!(read == "aHVudGVyMg==", "it is {read:?}");
    let containers = json!([{"name": "a", "image": "a"}]);
    let template = json!({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": name},
        "template": {"spec": {"containers": containers}}});
    let output = api.kubectl_stdin(&["create", "-f", "-"], &template.to_string())?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn longest_gap(admin: u16, stop: &AtomicBool) -> Duration {
    let (mut longest, mut last) = (Duration::ZERO, Instant::now());
    while !stop.load(Ordering::Relaxed) {
        if get(admin, "/readyz").0 == 200 {
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        wait::pause(Duration::from_millis(20));
    }
    longest.max(last.elapsed())
}
