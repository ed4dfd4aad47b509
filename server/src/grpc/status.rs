//! Errors as google.rpc has them: a code, `ErrorInfo` with a reason, `BadRequest` with field paths, `RetryInfo`. The one
//! place where an engine's error becomes a gRPC status; decides nothing about what is an error.

use std::collections::HashMap;
use std::time::Duration;

use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _, pb};
use whyglass_engine as engine;

/// The domain of every `ErrorInfo` of ours.
pub const DOMAIN: &str = "whyglass";

const RETRY_DELAY: Duration = Duration::from_secs(1);

/// A status with its reason.
pub(super) fn status(code: Code, reason: &str, message: impl Into<String>) -> Status {
    Status::with_error_details(code, message, ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new()))
}

/// A request whose `field` can never be right.
pub(super) fn invalid(field: &str, reason: &str, message: impl Into<String>) -> Status {
    from_error(engine::Error::invalid(field, reason, message))
}

/// The server is going away.
pub(super) fn shutting_down() -> Status {
    let mut details = ErrorDetails::with_error_info("SHUTTING_DOWN", DOMAIN, HashMap::new());
    details.set_retry_info(Some(RETRY_DELAY));
    Status::with_error_details(
        Code::Unavailable,
        "the server takes no new runs: it is shutting down or being drained; try again later",
        details,
    )
}

/// Too much is going on already.
pub(super) fn busy(message: &str) -> Status {
    from_error(engine::Error::new(engine::Code::ResourceExhausted, "SERVER_BUSY", message))
}

/// A panic of the server itself.
pub(super) fn panicked() -> Status {
    status(Code::Internal, "PANIC", "the server met a fault of its own; its log says more")
}

/// An engine's error, with everything that it knows.
pub(super) fn from_error(error: engine::Error) -> Status {
    let code = Code::from_i32(error.code.number());
    let mut details = ErrorDetails::with_error_info(&error.reason, DOMAIN, HashMap::new());
    if !error.field.is_empty() {
        details.add_bad_request_violation(&error.field, &error.message);
    }
    let exhausted = error.code == engine::Code::ResourceExhausted && error.field.is_empty();
    if let Some(delay) = error.retry_after.or(exhausted.then_some(RETRY_DELAY)) {
        details.set_retry_info(Some(delay));
    }
    Status::with_error_details(code, error.to_string(), details)
}

/// How a run ended, as the message that `finished` carries.
pub(super) fn from_outcome(outcome: &engine::Outcome) -> pb::Status {
    let mut details = ErrorDetails::new();
    if !outcome.reason.is_empty() {
        details.set_error_info(&outcome.reason, DOMAIN, HashMap::new());
    }
    if !outcome.field.is_empty() {
        details.add_bad_request_violation(&outcome.field, &outcome.message);
    }
    message(outcome.code.number(), &outcome.message, details)
}

/// A notice: nothing failed, but a reason is named.
pub(super) fn from_notice(reason: &str, text: &str) -> pb::Status {
    message(0, text, ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new()))
}

fn message(code: i32, text: &str, details: ErrorDetails) -> pb::Status {
    let status = Status::with_error_details(Code::from_i32(code), text, details);
    let details = pb::Status::decode(status.details()).map(|status| status.details).unwrap_or_default();
    pb::Status { code, message: text.to_owned(), details }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_reason_its_field_and_its_message() {
        let status = from_error(engine::Error::invalid("specs[0].params.size", "OUT_OF_RANGE", "use 1 to 224"));
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        assert_eq!(details.error_info().expect("info").reason, "OUT_OF_RANGE");
        assert_eq!(details.error_info().expect("info").domain, DOMAIN);
        assert_eq!(details.bad_request().expect("fields").field_violations[0].field, "specs[0].params.size");
        assert!(details.retry_info().is_none());
    }

    #[test]
    fn a_full_queue_says_when_to_come_back() {
        let error = engine::Error::new(engine::Code::ResourceExhausted, "QUEUE_FULL", "all slots are taken");
        let delay = from_error(error).get_error_details().retry_info().expect("a delay").retry_delay;
        assert_eq!(delay, Some(RETRY_DELAY));
    }

    #[test]
    fn a_stopped_run_is_ok_and_still_says_why() {
        let outcome = engine::Outcome {
            code: engine::Code::Ok,
            reason: "DEADLINE".to_owned(),
            field: String::new(),
            message: "the time is over".to_owned(),
        };
        let status = from_outcome(&outcome);
        assert_eq!((status.code, status.details.len()), (0, 1));
        assert!(status.details[0].type_url.ends_with("google.rpc.ErrorInfo"));
    }
}
