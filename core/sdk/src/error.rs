//! What goes wrong in a plugin, in the terms of the ABI: a status, a reason for machines, the offending field, a
//! sentence for people. One type for techniques and back ends, so that `?` works everywhere.

use core::fmt;
use whyglass_abi as abi;
use whyglass_abi::safe::Violation;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = core::result::Result<T, E>;

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $code:ident),+ $(,)?) => {
        /// gRPC's codes, as the ABI numbers them. There is no `Ok`: that is not an error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Status { $($(#[$doc])* $name),+ }

        impl Status {
            /// The `WG_*` number.
            #[must_use]
            pub const fn code(self) -> abi::WgStatus {
                match self { $(Self::$name => abi::$code),+ }
            }

            /// The status behind a `WG_*` number other than `WG_OK`; a number that is not known is [`Status::Unknown`].
            #[must_use]
            pub const fn from_code(code: abi::WgStatus) -> Self {
                match code { $(abi::$code => Self::$name,)+ _ => Self::Unknown }
            }
        }
    };
}

statuses! {
    /// The caller wants no more; not a failure.
    Cancelled = WG_CANCELLED,
    Unknown = WG_UNKNOWN,
    InvalidArgument = WG_INVALID_ARGUMENT,
    DeadlineExceeded = WG_DEADLINE_EXCEEDED,
    NotFound = WG_NOT_FOUND,
    PermissionDenied = WG_PERMISSION_DENIED,
    ResourceExhausted = WG_RESOURCE_EXHAUSTED,
    FailedPrecondition = WG_FAILED_PRECONDITION,
    Aborted = WG_ABORTED,
    OutOfRange = WG_OUT_OF_RANGE,
    Unimplemented = WG_UNIMPLEMENTED,
    Internal = WG_INTERNAL,
    Unavailable = WG_UNAVAILABLE,
    DataLoss = WG_DATA_LOSS,
    /// Something panicked on the other side of the line.
    Panic = WG_PANIC,
}

/// Why a call failed. Made by the constructors below, which are named by meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub status: Status,
    /// UPPER_SNAKE, for machines.
    pub reason: String,
    /// The offending parameter or node; empty where there is none.
    pub field: String,
    /// One lower-case sentence that says what to do.
    pub message: String,
    /// The host has been told by whoever failed first: saying it again would replace the better words.
    pub(crate) reported: bool,
}

impl Error {
    /// An error with every part given.
    #[must_use]
    pub fn new(
        status: Status,
        reason: impl Into<String>,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { status, reason: reason.into(), field: field.into(), message: message.into(), reported: false }
    }

    /// A parameter (or a node's id) that cannot be used: `field` names it.
    #[must_use]
    pub fn invalid_argument(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Status::InvalidArgument, "INVALID_ARGUMENT", field, message)
    }

    /// The model or the picture is not of the kind that this needs: `reason` is UPPER_SNAKE.
    #[must_use]
    pub fn failed_precondition(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Status::FailedPrecondition, reason, "", message)
    }

    /// The model cannot do this at all.
    #[must_use]
    pub fn unimplemented(message: impl Into<String>) -> Self {
        Self::new(Status::Unimplemented, "UNIMPLEMENTED", "", message)
    }

    /// A broken assumption, here or on the other side.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Status::Internal, "INTERNAL", "", message)
    }

    /// The caller wants no more: what `?` makes of an emit after a stop.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new(Status::Cancelled, "CANCELLED", "", "the call was cancelled")
    }

    /// `field` names something that is not there.
    #[must_use]
    pub fn not_found(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Status::NotFound, "NOT_FOUND", field, message)
    }

    /// `field` lies outside of what the model or the picture has.
    #[must_use]
    pub fn out_of_range(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Status::OutOfRange, "OUT_OF_RANGE", field, message)
    }

    /// Memory, a device or a quota is used up.
    #[must_use]
    pub fn resource_exhausted(message: impl Into<String>) -> Self {
        Self::new(Status::ResourceExhausted, "RESOURCE_EXHAUSTED", "", message)
    }

    /// The same error with another reason (UPPER_SNAKE).
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self.reported = false;
        self
    }

    /// The same error, blaming `field`.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self.reported = false;
        self
    }

    /// Whether this is a stop rather than a failure.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.status == Status::Cancelled
    }

    /// What a function of the other side returned, where it has told the host the details already.
    pub(crate) fn from_code(code: abi::WgStatus, what: &str) -> Self {
        let status = Status::from_code(code);
        if status == Status::Cancelled {
            return Self::cancelled();
        }
        let message = format!("{what} failed with status {code}");
        Self { reported: true, ..Self::new(status, "", "", message) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        Self::new(Status::Internal, "ABI_VIOLATION", "", violation.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_survives_the_way_over_the_line() {
        for code in [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 100] {
            assert_eq!(Status::from_code(code).code(), code);
        }
        assert_eq!(Status::from_code(77), Status::Unknown);
    }

    #[test]
    fn an_error_reads_as_one_line_that_names_the_field() {
        let error = Error::invalid_argument("size", "must be at most the picture's short side (224)");
        assert_eq!(error.to_string(), "size: must be at most the picture's short side (224)");
    }
}
