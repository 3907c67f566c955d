//! The wall clock that `serve` runs by: the machine's, or, in a build for tests alone, one that a file sets.

use std::sync::Arc;

use trousseau_core::{Clock, SystemClock};

/// Which clock it is. Without the feature `test-clock`, which nothing that is shipped has, there is no choice.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ClockFlags {
    /// The clock stands at the whole Unix seconds in this file; 0 if there are none in it
    #[cfg(feature = "test-clock")]
    #[arg(long, hide = true, value_name = "FILE")]
    clock_file: Option<std::path::PathBuf>,
}

impl ClockFlags {
    /// The clock.
    pub fn clock(self) -> Arc<dyn Clock> {
        #[cfg(feature = "test-clock")]
        if let Some(file) = self.clock_file {
            return Arc::new(FileClock(file));
        }
        Arc::new(SystemClock)
    }
}

/// Stands still until somebody writes another time into the file, by rename; read at each look.
#[cfg(feature = "test-clock")]
#[derive(Debug)]
struct FileClock(std::path::PathBuf);

#[cfg(feature = "test-clock")]
impl Clock for FileClock {
    fn unix_seconds(&self) -> u64 {
        std::fs::read_to_string(&self.0).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }
}
