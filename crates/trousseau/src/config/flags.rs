//! The flags that stand for a file, and those that join any.

mod key;
mod process;

pub use key::KeyFlags;
pub use process::ProcessFlags;

/// How errors and origins name the command line.
const ORIGIN: &str = "command line";
