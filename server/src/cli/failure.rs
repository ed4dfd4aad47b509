//! How a command ends: its exit status, and the one line on standard error when it could not do what it was asked.

use std::fmt;
use std::process::ExitCode;

use whyglass_engine::Code;

/// The exit statuses; scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Done as asked.
    Done = 0,
    /// Ended early with the best result so far.
    Stopped = 3,
    /// Started, and failed.
    Failed = 1,
    /// The request was refused before anything was computed.
    Refused = 2,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Failure {
    /// The request cannot be carried out; `message` says what to change.
    pub(crate) fn refused(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Refused, message: message.to_string() }
    }

    /// Something went wrong on the way.
    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Failed, message: message.to_string() }
    }

    /// Says it on standard error, in one line.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("{self}");
        self.exit.into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.message.lines().map(str::trim).filter(|line| !line.is_empty());
        write!(f, "error: {}", lines.collect::<Vec<_>>().join("; "))
    }
}

impl From<whyglass_engine::Error> for Failure {
    fn from(error: whyglass_engine::Error) -> Self {
        let refused = matches!(
            error.code,
            Code::InvalidArgument
                | Code::NotFound
                | Code::FailedPrecondition
                | Code::OutOfRange
                | Code::PermissionDenied
        );
        // A field's path means nothing to someone who typed flags; its last name does.
        let name = error.field.split_once("params.").map(|(_, name)| name).unwrap_or_default();
        let message = if name.is_empty() || error.message.contains(name) {
            error.message
        } else {
            format!("parameter {name}: {}", error.message)
        };
        if refused { Self::refused(message) } else { Self::failed(message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_several_lines_is_said_in_one() {
        assert_eq!(Failure::failed("one\n  two\n").to_string(), "error: one; two");
    }

    #[test]
    fn a_bad_request_is_told_apart_from_a_failure() {
        let bad = Failure::from(whyglass_engine::Error::invalid("specs[0].params.size", "BAD", "use 0 to 1"));
        assert_eq!((bad.exit, bad.message.as_str()), (Exit::Refused, "parameter size: use 0 to 1"));
        let broken = Failure::from(whyglass_engine::Error::internal("PANIC", "it panicked"));
        assert_eq!((broken.exit, broken.message.as_str()), (Exit::Failed, "it panicked"));
    }
}
