//! What the process uses, read from /proc when it is asked for.

use std::fs;

/// Memory, time and descriptors of this process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Resident memory, in bytes.
    pub(crate) resident: i64,
    /// User and system time, in seconds.
    pub(crate) cpu: f64,
    /// Open descriptors.
    pub(crate) descriptors: i64,
}

/// Reads it; what can't be read is 0.
pub(crate) fn usage() -> Usage {
    Usage {
        resident: resident().unwrap_or_default(),
        cpu: cpu().unwrap_or_default(),
        descriptors: fs::read_dir("/proc/self/fd").map_or(0, |list| list.count() as i64),
    }
}

fn resident() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<i64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms (USER_HZ is 100 on every Linux architecture we build for).
fn cpu() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split_whitespace().skip(11);
    let ticks: f64 = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn usage_is_read_from_proc() {
        let usage = super::usage();
        assert!(usage.resident > 100_000 && usage.descriptors > 2, "{usage:?}");
    }
}
