//! Free TCP ports on 127.0.0.1.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};

// Below the ephemeral range of Linux (32768) and macOS (49152): no outgoing connection can take a port of ours while
// its server is down between stop and restart.
const RANGE: Range<u16> = 15_000..32_000;
const TRIES: usize = 1000;

static HANDED_OUT: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// A port of 127.0.0.1 that nobody listens on, never given twice by this process.
///
/// Another process can still take it before its user binds it; the handles of this crate then try another. Fails when 1000 random ports
/// between 15000 and 32000 are all taken.
pub fn free_port() -> Result<u16> {
    let mut handed_out = HANDED_OUT.lock().unwrap_or_else(PoisonError::into_inner);
    let handed_out = handed_out.get_or_insert_default();
    let random = RandomState::new();
    for i in 0..TRIES {
        let port = RANGE.start + (random.hash_one(i) % RANGE.len() as u64) as u16;
        if !handed_out.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            handed_out.insert(port);
            return Ok(port);
        }
    }
    bail!("no free port found on 127.0.0.1 in {RANGE:?} after {TRIES} tries; look at what listens there (ss -ltn)")
}

/// Starts something on `N` free ports, again on others (three times at most) when it fails because one was taken
/// meanwhile; "address already in use" in the error tells, and our errors contain the tail of the log.
pub(crate) fn retry<const N: usize, T>(mut start: impl FnMut([u16; N]) -> Result<T>) -> Result<T> {
    let mut tries = 3;
    loop {
        let mut ports = [0; N];
        for port in &mut ports {
            *port = free_port()?;
        }
        tries -= 1;
        match start(ports) {
            Err(error) if tries > 0 && format!("{error:#}").contains("address already in use") => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_distinct_and_can_be_bound() {
        let (first, second) = (free_port().unwrap(), free_port().unwrap());
        assert_ne!(first, second);
        TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
    }

    #[test]
    fn a_taken_port_leads_to_another_try_and_other_errors_do_not() {
        let mut seen = Vec::new();
        let result: Result<u16> = retry(|[port]| {
            seen.push(port);
            if seen.len() == 1 { bail!("listen tcp 127.0.0.1:{port}: bind: address already in use") } else { Ok(port) }
        });
        assert_eq!(result.unwrap(), seen[1]);
        let mut calls = 0;
        let result: Result<()> = retry(|[_port]| {
            calls += 1;
            bail!("no such flag")
        });
        assert_eq!((result.unwrap_err().to_string().as_str(), calls), ("no such flag", 1));
    }
}
