//! Standard output, whose reader may have gone (`whyglass classify … | head -1`): what nobody reads is no reason to stop, and
//! none to panic as `println!` does.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write as _};

/// As `print!`.
macro_rules! out {
    ($($text:tt)*) => { $crate::cli::out::write(format_args!($($text)*)) };
}

/// As `println!`.
macro_rules! outln {
    ($($text:tt)*) => { $crate::cli::out::write(format_args!("{}\n", format_args!($($text)*))) };
}

/// Writes and flushes; a full disk, or whatever else is no reader gone, is told on standard error.
pub(crate) fn write(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    match out.write_fmt(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => eprintln!("standard output: {error}"),
        _ => {}
    }
}
