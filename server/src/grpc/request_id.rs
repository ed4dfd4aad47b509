//! The id with which a client says that it asks for the same thing again.

use tonic::Status;

use super::status::invalid;

/// # Errors
/// INVALID_ARGUMENT for what is neither empty nor a UUID: a shorter id would be chosen twice by somebody.
pub(super) fn check(id: &str) -> Result<(), Status> {
    if id.is_empty() || is_uuid(id) {
        return Ok(());
    }
    Err(invalid("request_id", "NOT_A_UUID", format!("'{id}' is no UUID; draw a random one, or leave it out")))
}

fn is_uuid(id: &str) -> bool {
    let dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    id.len() == 36 && id.bytes().enumerate().all(|(at, b)| if dash(at) { b == b'-' } else { b.is_ascii_hexdigit() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uuids_are_ids() {
        assert!(check("").is_ok());
        assert!(check("7d444840-9dc0-41d1-b245-5ffdce74fad2").is_ok());
        for id in ["1", "7d4448409dc041d1b2455ffdce74fad2", "7d444840-9dc0-41d1-b245-5ffdce74fadx"] {
            assert!(check(id).is_err(), "{id}");
        }
    }
}
