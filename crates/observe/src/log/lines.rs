//! Lines go out by a thread of their own: a reader that stalls (a full pipe, a hung journal) must hold up no call.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// What may wait to be written, in bytes; lines beyond that are lost, and counted.
const QUEUED: usize = 4 << 20;

/// How long the end of a process waits for its last lines to be read.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where lines are left; cheap to clone.
#[derive(Clone)]
pub(super) struct Lines {
    queue: Sender<Message>,
    state: Arc<State>,
    /// The line that stands for so many lost ones.
    lost: fn(u64) -> String,
}

#[derive(Default)]
struct State {
    queued: AtomicUsize,
    lost: AtomicU64,
}

enum Message {
    Line(Vec<u8>),
    /// Answered once all before it is written.
    Flush(SyncSender<()>),
}

impl Lines {
    /// Writes to `out` until the last clone is gone.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(super) fn to(out: impl Write + Send + 'static, lost: fn(u64) -> String) -> io::Result<Self> {
        let ((queue, lines), state) = (channel(), Arc::new(State::default()));
        let shared = Arc::clone(&state);
        thread::Builder::new().name("log".into()).spawn(move || write(out, &lines, &shared))?;
        Ok(Self { queue, state, lost })
    }

    fn send(&self, line: Vec<u8>) {
        let length = line.len();
        if self.state.queued.fetch_add(length, Ordering::Relaxed) + length > QUEUED {
            self.state.queued.fetch_sub(length, Ordering::Relaxed);
            self.state.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.tell_lost();
        // The thread ends after the last sender only.
        let _ = self.queue.send(Message::Line(line));
    }

    /// Where lines are missing, a line says so.
    fn tell_lost(&self) {
        let lost = self.state.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let line = (self.lost)(lost).into_bytes();
            self.state.queued.fetch_add(line.len(), Ordering::Relaxed);
            let _ = self.queue.send(Message::Line(line));
        }
    }

    /// Waits until what was said is written, or a moment if nobody reads it.
    pub(super) fn flush(&self) {
        self.tell_lost();
        let (done, written) = sync_channel(1);
        if self.queue.send(Message::Flush(done)).is_ok() {
            let _ = written.recv_timeout(PATIENCE);
        }
    }
}

fn write(mut out: impl Write, lines: &Receiver<Message>, state: &State) {
    for message in lines {
        // Nobody is left to be told that standard error is gone.
        match message {
            Message::Line(line) => {
                let _ = out.write_all(&line);
                state.queued.fetch_sub(line.len(), Ordering::Relaxed);
            }
            Message::Flush(done) => {
                let _ = out.flush();
                let _ = done.try_send(());
            }
        }
    }
}

/// One line while it is made.
pub(super) struct Line<'a> {
    lines: &'a Lines,
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.lines.send(std::mem::take(&mut self.text));
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, text: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use super::{Lines, MakeWriter as _, QUEUED};

    fn lost(lines: u64) -> String {
        format!("{lines} lost\n")
    }

    #[test]
    fn a_reader_that_stalls_holds_up_nobody_and_hears_how_much_is_lost() {
        let (out, mut reader) = UnixStream::pair().unwrap();
        let lines = Lines::to(out, lost).unwrap();
        let line = [b'x'; 999];
        for _ in 0..2 * QUEUED / line.len() {
            lines.make_writer().write_all(&[&line[..], b"\n"].concat()).unwrap();
        }
        // Nobody has read anything by now.
        let mut text = String::new();
        let reading = std::thread::spawn(move || reader.read_to_string(&mut text).map(|_| text));
        lines.flush();
        lines.make_writer().write_all(b"the last one\n").unwrap();
        drop(lines);
        let text = reading.join().unwrap().unwrap();
        let kept = text.lines().filter(|text| text.len() == line.len()).count();
        assert!((QUEUED / 1_000 - 1..QUEUED / 1_000 + 2_000).contains(&kept), "{kept} lines are whole");
        let lost = 2 * QUEUED / line.len() - kept;
        assert!(text.ends_with(&format!("x\n{lost} lost\nthe last one\n")), "each is there or counted, in its place");
    }

    #[test]
    fn lines_come_whole_and_in_order() {
        let (out, mut reader) = UnixStream::pair().unwrap();
        let lines = Lines::to(out, lost).unwrap();
        for number in 0..1_000 {
            writeln!(lines.make_writer(), "line {number}").unwrap();
        }
        drop(lines);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert!(text.lines().enumerate().all(|(number, line)| line == format!("line {number}")));
        assert_eq!(text.lines().count(), 1_000);
    }
}
