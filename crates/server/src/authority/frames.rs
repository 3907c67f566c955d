//! Finds the header blocks in what an HTTP/2 client sends (RFC 9113 §4.1, §6.2 and §6.10).

use std::ops::Range;

use super::hpack;

/// Overwrites, in the bytes of one HTTP/2 client, each `:authority` that h2 would refuse.
///
/// Makes no assumption on how the bytes are cut into reads; the result is the same. It holds back incomplete header
/// blocks, at most 32 KiB with their frame headers, and lets longer ones pass unchanged; an API server's are below 1 KiB.
#[derive(Debug)]
pub struct Filter {
    /// How many bytes go by unseen before the next frame header.
    skip: usize,
}

impl Filter {
    /// A filter for a new connection.
    pub const fn new() -> Self {
        Self { skip: PREFACE }
    }

    /// Works on `bytes` in place and returns how many of them, from the front, are ready to be passed on.
    ///
    /// The caller keeps the rest and presents it again with more bytes behind it.
    pub fn scan(&mut self, bytes: &mut [u8]) -> usize {
        let mut done = 0;
        loop {
            let step = self.skip.min(bytes.len() - done);
            self.skip -= step;
            done += step;
            let rest = &mut bytes[done..];
            match next(rest) {
                Next::Wait => return done,
                Next::Pass(length) => self.skip = length,
                Next::Block(length) => {
                    // Frames that contradict themselves stay as they are, and h2 judges.
                    let _ = mend(&mut rest[..length]);
                    self.skip = length;
                }
            }
        }
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self::new()
    }
}

/// The length of the client's connection preface (RFC 9113 §3.4). That it is one, h2 sees to.
const PREFACE: usize = 24;
const HEADER: usize = 9;
const MAX_BLOCK: usize = 32 * 1024;

const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// What to do with the bytes that start at a frame header.
enum Next {
    /// Get more of them.
    Wait,
    /// Let this many go by.
    Pass(usize),
    /// This many are all the frames of a header block.
    Block(usize),
}

fn next(bytes: &[u8]) -> Next {
    let Some(first) = Frame::at(bytes, 0) else { return Next::Wait };
    if first.kind != HEADERS {
        return Next::Pass(first.end);
    }
    let mut frame = first;
    while frame.end <= MAX_BLOCK {
        if frame.flags & END_HEADERS != 0 {
            return if frame.end <= bytes.len() { Next::Block(frame.end) } else { Next::Wait };
        }
        let Some(following) = Frame::at(bytes, frame.end) else { return Next::Wait };
        if following.kind != CONTINUATION || following.stream != first.stream {
            return Next::Pass(frame.end);
        }
        frame = following;
    }
    Next::Pass(frame.end)
}

/// A frame header, and where the frame is.
#[derive(Clone, Copy)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    start: usize,
    end: usize,
}

impl Frame {
    fn at(bytes: &[u8], start: usize) -> Option<Self> {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *bytes.get(start..)?.first_chunk::<HEADER>()?;
        let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        // The first bit of the stream identifier is reserved.
        let stream = u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]);
        Some(Self { kind, flags, stream, start, end: start + HEADER + length })
    }

    /// The part of the payload that belongs to the block, if padding leaves any.
    fn fragment(self, bytes: &[u8]) -> Option<Range<usize>> {
        let (mut start, mut end) = (self.start + HEADER, self.end);
        if self.kind == HEADERS && self.flags & PADDED != 0 {
            end = end.checked_sub(usize::from(*bytes.get(start)?))?;
            start += 1;
        }
        if self.kind == HEADERS && self.flags & PRIORITY != 0 {
            start += 5;
        }
        (start <= end).then_some(start..end)
    }
}

/// Mends one header block that lies in whole frames.
fn mend(frames: &mut [u8]) -> Option<()> {
    let mut frame = Frame::at(frames, 0)?;
    let mut parts = vec![frame.fragment(frames)?];
    while frame.end < frames.len() {
        frame = Frame::at(frames, frame.end)?;
        parts.push(frame.fragment(frames)?);
    }
    if let [part] = &parts[..] {
        hpack::mend(&mut frames[part.clone()]);
        return Some(());
    }
    let mut block: Vec<u8> = parts.iter().flat_map(|part| &frames[part.clone()]).copied().collect();
    hpack::mend(&mut block);
    let mut mended = block.into_iter();
    for part in parts {
        frames[part].iter_mut().zip(&mut mended).for_each(|(old, new)| *old = new);
    }
    Some(())
}
