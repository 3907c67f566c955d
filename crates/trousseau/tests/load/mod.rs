//! `trousseau bench` on a socket, for as long as something happens to whoever serves there.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// No call failed while one process followed another so many times: the load met each of them, only what was in flight
/// at one was made again, and 999 of 1000 ended before an API server gives up.
pub(crate) fn assert_no_gap(report: &Value, changes: u64, log: &str) {
    let [reconnects, retried, calls] =
        ["reconnects", "retried", "calls"].map(|name| report[name].as_u64().expect("a number"));
    let [connections, in_flight] = ["connections", "concurrency"].map(|name| report[name].as_u64().expect("a number"));
    assert_eq!(report["errors"], serde_json::json!({}), "{report}\n{log}");
    // One connection may be between two calls while a process comes and goes.
    assert!(reconnects >= changes * (connections - 1) && calls > 100, "{report}\n{log}");
    assert!(retried <= changes * in_flight, "{report}\n{log}");
    let slow = report["latencyMicros"]["p999"].as_f64().expect("a number");
    assert!(slow < 3e6, "kube-apiserver waits no longer than 3 s: {report}\n{log}");
}

/// A running load: eight calls in flight over four connections.
pub(crate) struct Load(Child);

impl Load {
    /// One call, again and again: `encrypt`, `decrypt` or `status`.
    pub(crate) fn start(socket: &str, call: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trousseau"));
        command.args(["bench", "--socket", socket, "--call", call, "--concurrency", "8", "--connections", "4"]);
        // A busy machine is no failure; a call that is lost still is.
        command.args(["--duration", "10m", "--timeout", "60s", "--warmup", "0s", "--output", "json"]);
        Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Ends it as Ctrl-C does; its report.
    #[expect(clippy::disallowed_methods, reason = "a test without a runtime; the loop has a bound")]
    pub(crate) fn end(mut self) -> Value {
        kill_process(Pid::from_child(&self.0), Signal::INT).unwrap();
        let end = Instant::now() + Duration::from_secs(90);
        // One report is far below what a pipe holds, so it need not be read before.
        while self.0.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "bench did not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        serde_json::from_reader(self.0.stdout.take().unwrap()).unwrap()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
