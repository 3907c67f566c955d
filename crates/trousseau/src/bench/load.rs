//! The loop: who makes the next call, when it was due, and what came of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::unix::Signal;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::call::{Caller, Fault};

/// When a load ends, and how it is paced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) duration: Option<Duration>,
    pub(super) calls: Option<u64>,
    pub(super) rate: Option<f64>,
}

pub(super) struct Load {
    bounds: Bounds,
    concurrency: usize,
}

/// What a load came to.
pub(super) struct Done {
    pub(super) seconds: f64,
    /// Calls that ended, good or not.
    pub(super) calls: u64,
    /// Of each of them, and of each that never began how long it had waited at the end; in nanoseconds.
    pub(super) latency: Histogram<u64>,
    pub(super) errors: BTreeMap<&'static str, u64>,
    pub(super) first_error: Option<String>,
    /// Due within the time and never begun, as all that may be in flight were.
    pub(super) unsent: u64,
    /// By Ctrl-C.
    pub(super) interrupted: bool,
}

/// What the calls in flight share.
struct Shared {
    began: Instant,
    end: Option<Instant>,
    calls: u64,
    /// Seconds from one call to the next, in an open loop.
    interval: Option<f64>,
    /// One permit for each call that is due, in an open loop; closed at the end.
    due: Semaphore,
    next: AtomicU64,
    finished: AtomicU64,
    /// When it was over: no call begins later.
    over: OnceLock<Instant>,
}

struct Tally {
    latency: Histogram<u64>,
    errors: BTreeMap<&'static str, u64>,
    first_error: Option<String>,
}

/// The histogram's range in nanoseconds, to three digits.
const RANGE: (u64, u64) = (1, 600_000_000_000);
/// A socket that is gone is not hammered.
const AFTER_UNANSWERED: Duration = Duration::from_millis(10);
/// Redrawing costs the machine that is measured.
const REDRAW: Duration = Duration::from_millis(250);

impl Load {
    pub(super) fn new(bounds: Bounds, concurrency: usize) -> Self {
        Self { bounds, concurrency: concurrency.max(1) }
    }

    /// Runs to the end, or until Ctrl-C. Its listener lives longer than this: one made for each look would miss what
    /// comes between two looks.
    pub(super) async fn run(&self, callers: &[Caller], progress: bool, interrupt: &mut Signal) -> Done {
        let began = Instant::now();
        let shared = Arc::new(Shared {
            began,
            end: self.bounds.duration.and_then(|time| began.checked_add(time)),
            calls: self.bounds.calls.unwrap_or(u64::MAX),
            interval: self.bounds.rate.map(|rate| 1.0 / rate),
            due: Semaphore::new(0),
            next: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            over: OnceLock::new(),
        });
        let pacer = shared.interval.map(|interval| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.pace(interval))
        });
        // One tally for each connection, not for each call in flight: a histogram has 200 kB.
        let tallies: Vec<_> = callers.iter().map(|_| Arc::new(Mutex::new(Tally::new()))).collect();
        let mut workers = JoinSet::new();
        for worker in 0..self.concurrency {
            let at = worker % callers.len();
            workers.spawn(work(Arc::clone(&shared), callers[at].clone(), Arc::clone(&tallies[at])));
        }
        let bar = if progress { self.bar() } else { ProgressBar::hidden() };
        let mut redraw = tokio::time::interval(REDRAW);
        let mut interrupted = false;
        loop {
            tokio::select! {
                done = workers.join_next() => if done.is_none() { break },
                _ = redraw.tick(), if progress => self.draw(&bar, &shared),
                _ = interrupt.recv() => {
                    interrupted = true;
                    shared.stop();
                }
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        bar.finish_and_clear();
        let due = pacer.map(|pacer| pacer.join().unwrap_or_default());
        let mut total = Tally::new();
        for tally in &tallies {
            total.add(&tally.lock().unwrap_or_else(PoisonError::into_inner));
        }
        let Tally { mut latency, errors, first_error } = total;
        let calls = latency.len();
        let unsent = due.map_or(0, |due| shared.add_unsent(due, &mut latency));
        Done { seconds, calls, latency, errors, first_error, unsent, interrupted }
    }

    fn bar(&self) -> ProgressBar {
        let length = self.bounds.duration.map(|time| time.as_millis() as u64).or(self.bounds.calls);
        let style = ProgressStyle::with_template("[{wide_bar}] {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(length.unwrap_or_default()).with_style(style)
    }

    fn draw(&self, bar: &ProgressBar, shared: &Shared) {
        let (calls, time) = (shared.finished.load(Ordering::Relaxed), shared.began.elapsed());
        let position = if self.bounds.duration.is_some() { time.as_millis() as u64 } else { calls };
        bar.set_message(format!("{:.0} calls/s", calls as f64 / time.as_secs_f64()));
        bar.set_position(position);
    }
}

impl Shared {
    /// The next call's number and when it was due; `None` at the end.
    async fn turn(&self) -> Option<(u64, Instant)> {
        match self.interval {
            Some(interval) => {
                self.due.acquire().await.ok()?.forget();
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                Some((number, self.due_at(number, interval)))
            }
            None => {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                let now = Instant::now();
                (number < self.calls && !self.due.is_closed() && self.end.is_none_or(|end| now < end))
                    .then_some((number, now))
            }
        }
    }

    /// Releases each call when it is due; how many were. Has a thread of its own, because the runtime's timer counts
    /// in milliseconds.
    #[expect(clippy::disallowed_methods, reason = "a thread that does nothing else, and no worker of the runtime")]
    fn pace(&self, interval: f64) -> u64 {
        let mut due = 0;
        while due < self.calls && !self.due.is_closed() {
            let at = self.due_at(due, interval);
            if self.end.is_some_and(|end| at >= end) {
                break;
            }
            let wait = at.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                self.due.add_permits(1);
                due += 1;
            } else {
                // In steps, so that Ctrl-C is seen.
                thread::sleep(wait.min(REDRAW));
            }
        }
        // All are out; where there is a time, what has not begun by then is left.
        while self.next.load(Ordering::Relaxed) < due && self.end.is_none_or(|end| Instant::now() < end) {
            if self.due.is_closed() {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.stop();
        due
    }

    fn due_at(&self, number: u64, interval: f64) -> Instant {
        self.began + Duration::from_secs_f64(number as f64 * interval)
    }

    /// Counts each call that was due and never began as long as it had waited: left out, the slowest would be the ones
    /// that nobody sees. How many these are.
    fn add_unsent(&self, due: u64, latency: &mut Histogram<u64>) -> u64 {
        let (begun, over) = (self.next.load(Ordering::Relaxed), *self.over.get_or_init(Instant::now));
        let interval = self.interval.unwrap_or_default();
        for number in begun..due {
            let waited = over.saturating_duration_since(self.due_at(number, interval));
            latency.saturating_record(waited.as_nanos() as u64);
        }
        due.saturating_sub(begun)
    }

    fn stop(&self) {
        self.over.get_or_init(Instant::now);
        self.due.close();
    }
}

async fn work(shared: Arc<Shared>, mut caller: Caller, tally: Arc<Mutex<Tally>>) {
    while let Some((number, due)) = shared.turn().await {
        let outcome = caller.call(number).await;
        let took = due.elapsed();
        shared.finished.fetch_add(1, Ordering::Relaxed);
        let unanswered = matches!(&outcome, Err(Fault { unanswered: true, .. }));
        tally.lock().unwrap_or_else(PoisonError::into_inner).count(took, outcome);
        if unanswered && shared.interval.is_none() {
            tokio::time::sleep(AFTER_UNANSWERED).await;
        }
    }
}

impl Tally {
    #[expect(clippy::expect_used, reason = "the bounds are constants that the histogram takes")]
    fn new() -> Self {
        let latency = Histogram::new_with_bounds(RANGE.0, RANGE.1, 3).expect("good bounds");
        Self { latency, errors: BTreeMap::new(), first_error: None }
    }

    fn count(&mut self, took: Duration, outcome: Result<(), Fault>) {
        self.latency.saturating_record(took.as_nanos() as u64);
        if let Err(fault) = outcome {
            *self.errors.entry(fault.name).or_default() += 1;
            self.first_error.get_or_insert_with(|| format!("{}: {}", fault.name, fault.text));
        }
    }

    fn add(&mut self, other: &Self) {
        // The same bounds, so every value fits.
        let _ = self.latency.add(&other.latency);
        for (name, count) in &other.errors {
            *self.errors.entry(name).or_default() += count;
        }
        if self.first_error.is_none() {
            self.first_error.clone_from(&other.first_error);
        }
    }
}
