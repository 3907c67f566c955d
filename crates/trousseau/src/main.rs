//! The `trousseau` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    trousseau::cli::main()
}
