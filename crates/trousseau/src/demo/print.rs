//! How the demo looks.

use std::fmt::Write as _;
use std::io;

use crate::cli::colour;

pub(super) struct Page {
    colour: bool,
}

impl Page {
    pub(super) fn new() -> Self {
        Self { colour: colour(&io::stdout()) }
    }

    pub(super) fn title(&self, text: &str) {
        println!("\n{}\n", self.painted("1", text));
    }

    pub(super) fn step(&self, text: &str) {
        println!("{} {text}", self.painted("36", "==>"));
    }

    pub(super) fn fact(&self, name: &str, value: &str) {
        println!("    {}: {value}", self.painted("2", name));
    }

    pub(super) fn quote(&self, text: &str) {
        for line in text.trim_end().lines() {
            println!("    {}", self.painted("2", line));
        }
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The first lines of a dump, 16 bytes each, printable characters beside.
pub(super) fn hexdump(bytes: &[u8], lines: usize) -> String {
    let mut dump = String::new();
    for (number, chunk) in bytes.chunks(16).take(lines).enumerate() {
        let hex = chunk.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x} ");
            hex
        });
        let text: String = chunk
            .iter()
            .map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' })
            .collect();
        let _ = writeln!(dump, "{:04x}  {hex:<48} {text}", number * 16);
    }
    if bytes.len() > lines * 16 {
        let _ = writeln!(dump, "      ... {} bytes in all", bytes.len());
    }
    dump
}
