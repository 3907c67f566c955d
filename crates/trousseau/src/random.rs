//! The first random bytes of a process.

use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

/// Has aws-lc's generator seeded, once, on a thread of its own. It gathers timing jitter of the CPU for that, which takes
/// a tenth of a second of processor time; on the one worker thread nobody would be answered meanwhile. What needs random
/// bytes at a start, such as the first probe, begins after it.
pub async fn seeded() {
    static SEEDED: OnceCell<()> = OnceCell::const_new();
    // A generator that fails says so to whoever needs its bytes.
    let first = || async { drop(spawn_blocking(|| aws_lc_rs::rand::fill(&mut [0]).is_ok()).await) };
    SEEDED.get_or_init(first).await;
}
