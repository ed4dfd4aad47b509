//! The one error of the engine: a gRPC status number, a reason for programs, the offending field, a sentence for people.
//! It knows nothing of tonic: the server maps it one to one.

use std::time::Duration;

use whyglass_abi as abi;

/// gRPC's status codes, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Code {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
}

impl Code {
    /// The code behind a `WgStatus`; what is not known is `Unknown`, a panic is `Internal`.
    #[must_use]
    pub const fn from_status(status: abi::WgStatus) -> Self {
        match status {
            abi::WG_OK => Self::Ok,
            abi::WG_CANCELLED => Self::Cancelled,
            abi::WG_INVALID_ARGUMENT => Self::InvalidArgument,
            abi::WG_DEADLINE_EXCEEDED => Self::DeadlineExceeded,
            abi::WG_NOT_FOUND => Self::NotFound,
            abi::WG_PERMISSION_DENIED => Self::PermissionDenied,
            abi::WG_RESOURCE_EXHAUSTED => Self::ResourceExhausted,
            abi::WG_FAILED_PRECONDITION => Self::FailedPrecondition,
            abi::WG_ABORTED => Self::Aborted,
            abi::WG_OUT_OF_RANGE => Self::OutOfRange,
            abi::WG_UNIMPLEMENTED => Self::Unimplemented,
            abi::WG_INTERNAL | abi::WG_PANIC => Self::Internal,
            abi::WG_UNAVAILABLE => Self::Unavailable,
            abi::WG_DATA_LOSS => Self::DataLoss,
            _ => Self::Unknown,
        }
    }

    /// gRPC's number.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }
}

/// What went wrong, for a program (`code`, `reason`, `field`) and for a person (`message`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if field.is_empty() { String::new() } else { format!("{field}: ") })]
pub struct Error {
    pub code: Code,
    /// UPPER_SNAKE.
    pub reason: String,
    /// The offending field, as a path: `specs[0].params.size`. Empty where no field is to blame.
    pub field: String,
    /// One lower-case sentence without a full stop that says what to do.
    pub message: String,
    /// When it may be worth trying again.
    pub retry_after: Option<Duration>,
}

/// The engine's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of any kind; the constructors below read better.
    #[must_use]
    pub fn new(code: Code, reason: &str, message: impl Into<String>) -> Self {
        Self { code, reason: reason.to_owned(), field: String::new(), message: message.into(), retry_after: None }
    }

    /// A request that can never succeed: `field` says which part of it.
    #[must_use]
    pub fn invalid(field: impl Into<String>, reason: &str, message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, reason, message).at(field)
    }

    /// Something named in a request does not exist.
    #[must_use]
    pub fn not_found(field: impl Into<String>, reason: &str, message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, reason, message).at(field)
    }

    /// A request that would be right for another model, technique or moment.
    #[must_use]
    pub fn precondition(reason: &str, message: impl Into<String>) -> Self {
        Self::new(Code::FailedPrecondition, reason, message)
    }

    /// A fault of a plugin or of the engine.
    #[must_use]
    pub fn internal(reason: &str, message: impl Into<String>) -> Self {
        Self::new(Code::Internal, reason, message)
    }

    /// The same error, blamed on `field`.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }

    /// The same error with `prefix` before its field: `params.size` becomes `specs[0].params.size`.
    #[must_use]
    pub fn within(mut self, prefix: &str) -> Self {
        self.field = match (prefix.is_empty(), self.field.is_empty()) {
            (true, _) => self.field,
            (false, true) => prefix.to_owned(),
            (false, false) => format!("{prefix}.{}", self.field),
        };
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_grows_from_the_inside_out() {
        let error = Error::invalid("size", "OUT_OF_RANGE", "use 0 to 1").within("params").within("specs[0]");
        assert_eq!(error.field, "specs[0].params.size");
        assert_eq!(error.to_string(), "specs[0].params.size: use 0 to 1");
        assert_eq!(Error::internal("PANIC", "x").within("specs[1]").field, "specs[1]");
    }

    #[test]
    fn a_panic_is_internal_and_nonsense_is_unknown() {
        assert_eq!(Code::from_status(abi::WG_PANIC), Code::Internal);
        assert_eq!(Code::from_status(4711), Code::Unknown);
        assert_eq!(Code::from_status(abi::WG_NOT_FOUND).number(), 5);
    }
}
