//! Standard output, whose reader may have gone (`whyglass classify … | head -1`): what nobody reads is no reason to stop, and
//! none to panic as `println!` does. Whatever else keeps it from being written, a full disk for one, makes the command fail.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use super::failure::Exit;

static FAILED: AtomicBool = AtomicBool::new(false);

/// As `print!`.
macro_rules! out {
    ($($text:tt)*) => { $crate::cli::out::write(format_args!($($text)*)) };
}

/// As `println!`.
macro_rules! outln {
    ($($text:tt)*) => { $crate::cli::out::write(format_args!("{}\n", format_args!($($text)*))) };
}

/// Writes and flushes.
pub(crate) fn write(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    match out.write_fmt(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe && !FAILED.swap(true, Ordering::Relaxed) => {
            eprintln!("error: standard output: {error}");
        }
        _ => {}
    }
}

/// How a command ends that has ended as `exit`, but for what it could not write.
pub(crate) fn end(exit: Exit) -> Exit {
    if FAILED.load(Ordering::Relaxed) { Exit::Failed } else { exit }
}
