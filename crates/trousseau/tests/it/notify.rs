//! systemd's end of sd_notify(3): what a process says of itself.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// Hears all that is said at one socket, as it is said: who speaks must never wait for it.
pub(crate) struct Manager {
    over: Arc<AtomicBool>,
    messages: Receiver<String>,
    ear: Option<JoinHandle<()>>,
}

impl Manager {
    /// Listens there, in the place of who listened before.
    pub(crate) fn listen(path: &Path) -> Self {
        let _ = fs::remove_file(path);
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let (over, (said, messages)) = (Arc::new(AtomicBool::new(false)), channel());
        let ends = Arc::clone(&over);
        let ear = std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            loop {
                match socket.recv(&mut buffer) {
                    Ok(length) => drop(said.send(String::from_utf8_lossy(&buffer[..length]).into_owned())),
                    Err(_) if ends.load(Ordering::SeqCst) => return,
                    Err(_) => {}
                }
            }
        });
        Self { over, messages, ear: Some(ear) }
    }

    /// The next message with a line that begins so; those before it are passed over.
    pub(crate) fn wait(&self, line: &str) -> String {
        loop {
            let message = self.messages.recv_timeout(PATIENCE);
            let message = message.unwrap_or_else(|error| panic!("{line} was not said: {error}"));
            if message.lines().any(|found| found.starts_with(line)) {
                return message;
            }
        }
    }

    /// All that was said and not yet waited for, by a process that has ended.
    pub(crate) fn finish(mut self) -> String {
        self.end();
        self.messages.try_iter().collect::<Vec<_>>().join("\n")
    }

    fn end(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(ear) = self.ear.take() {
            let _ = ear.join();
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.end();
    }
}
