//! What libtorch says went wrong, in the terms of the plugin interface. The one place where the two meet.

use tch::TchError;
use whyglass_sdk::Error;

/// An exception in the middle of a computation. What C++ adds to it (a stack, a trace of the script) is left out.
pub(crate) fn from_torch(error: &TchError) -> Error {
    let message = first_lines(error);
    if message.contains("not enough memory") || message.contains("out of memory") {
        return Error::resource_exhausted(format!("libtorch: {message}"));
    }
    Error::internal(format!("libtorch: {message}")).with_reason("RUNTIME_FAILED")
}

/// For `map_err`.
#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over")]
pub(crate) fn torch(error: TchError) -> Error {
    from_torch(&error)
}

/// The sentence that matters: of an exception in TorchScript it is the last one, elsewhere the first.
pub(crate) fn first_lines(error: &TchError) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("Internal torch error: ").unwrap_or(&text);
    let meant = text.rsplit_once("RuntimeError: ").map_or(text, |(_, meant)| meant);
    let meant = meant.split("\nException raised from").next().unwrap_or(meant);
    let line = meant.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("an exception without a message");
    line.chars().take(400).collect()
}
