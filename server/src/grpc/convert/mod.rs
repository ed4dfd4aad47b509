//! From messages to the engine's types and back. Checks only what the engine cannot know: that a message says what its
//! type demands. Pure functions; nothing here waits or reads.

mod catalog;
mod event;
mod json;
mod run;
mod spec;
mod tensor;

pub(super) use catalog::{layer, model, plugin, technique};
pub(super) use event::{Frame, event, heartbeat};
pub use json::{from_json, to_json};
pub(super) use run::{run, scores};
pub(super) use spec::{image, specs};
pub use tensor::floats;
pub(super) use tensor::tensor;

use std::time::{Duration, SystemTime};

use tonic::Status;

use super::status::invalid;

/// A time as a message; what lies before 1970 is 1970.
pub(super) fn timestamp(time: SystemTime) -> prost_types::Timestamp {
    prost_types::Timestamp::from(time.max(SystemTime::UNIX_EPOCH))
}

/// A duration as a message.
pub(super) fn duration_message(duration: Duration) -> prost_types::Duration {
    prost_types::Duration::try_from(duration).unwrap_or(prost_types::Duration { seconds: i64::MAX, nanos: 0 })
}

/// A duration of a request: not negative, not malformed. Unset is `None`.
pub(super) fn duration(message: Option<prost_types::Duration>, field: &str) -> Result<Option<Duration>, Status> {
    message
        .map(|message| {
            Duration::try_from(message).map_err(|_| invalid(field, "OUT_OF_RANGE", "a duration must not be negative"))
        })
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_durations_are_refused_by_field() {
        let negative = Some(prost_types::Duration { seconds: -1, nanos: 0 });
        assert!(duration(negative, "linger").expect_err("negative").message().starts_with("linger"));
        assert_eq!(
            duration(Some(duration_message(Duration::from_millis(1500))), "x").expect("fine"),
            Some(Duration::from_millis(1500))
        );
        assert_eq!(duration(None, "x").expect("fine"), None);
    }
}
