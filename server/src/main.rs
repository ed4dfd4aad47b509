//! The binary: parses the command line and calls a command. What a command does is in `cli/`, one file each.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
