//! Looks for bytes in the memory of this process.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use trousseau_core::Secret;
use zeroize::Zeroizing;

const MASK: u8 = 0xA5;
const CHUNK: usize = 1 << 20;
const PAGE: [u8; 4096] = [0; 4096];

/// What is looked for, written so that the search doesn't find it here.
pub(super) struct Needle(Vec<u8>);

impl Needle {
    /// Of the second half: an allocator writes over the first bytes of what is freed.
    pub(super) fn of(secret: &Secret) -> Self {
        let bytes = secret.expose();
        Self(bytes[bytes.len() / 2..].iter().map(|byte| byte ^ MASK).collect())
    }

    /// How often it lies in writable memory, which is heap, stacks and static data (proc(5): `maps`, `mem`).
    pub(super) fn count(&self) -> usize {
        let maps = fs::read_to_string("/proc/self/maps").expect("/proc/self/maps, which Linux has");
        let memory = File::open("/proc/self/mem").expect("/proc/self/mem, which Linux has");
        let mut chunk = Zeroizing::new(vec![0; CHUNK]);
        let mut count = 0;
        for (mut at, end) in maps.lines().filter_map(writable) {
            while at < end {
                let wanted = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
                // Another thread may have given the region back since.
                let Ok(length @ 1..) = memory.read_at(&mut chunk[..wanted], at) else { break };
                count += self.count_in(&chunk[..length]);
                // A needle may lie across two chunks.
                let step = if length == wanted && at + (length as u64) < end { length - self.0.len() } else { length };
                at += step as u64;
            }
        }
        count
    }

    fn count_in(&self, bytes: &[u8]) -> usize {
        let begins =
            |at: &usize| bytes[*at..].iter().zip(&self.0).filter(|(a, b)| **a ^ MASK == **b).count() == self.0.len();
        // Most pages were never written to.
        let pages = bytes.chunks(PAGE.len()).enumerate().filter(|(_, page)| *page != &PAGE[..page.len()]);
        pages
            .map(|(number, page)| {
                positions(page, self.0[0] ^ MASK).map(|at| number * PAGE.len() + at).filter(begins).count()
            })
            .sum()
    }
}

fn positions(bytes: &[u8], wanted: u8) -> impl Iterator<Item = usize> {
    bytes.iter().enumerate().filter(move |(_, byte)| **byte == wanted).map(|(at, _)| at)
}

/// First and last address of a line of `maps`, if what lies there can be written.
fn writable(line: &str) -> Option<(u64, u64)> {
    let (range, rest) = line.split_once(' ')?;
    let (from, to) = range.split_once('-').filter(|_| rest.starts_with("rw"))?;
    Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?))
}
