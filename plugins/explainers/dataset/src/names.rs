//! What classes and pictures are called.

use whyglass_sdk::json::ModelDescriptor;
use whyglass_sdk::{Call, Result};

/// So many bytes of names fit into an event's meta, with room for the rest.
const MOST: usize = 600 << 10;

/// The label of a class; its index where nothing names it.
pub(crate) fn label(model: &ModelDescriptor, class: usize) -> String {
    model.labels.get(class).filter(|label| !label.is_empty()).cloned().unwrap_or_else(|| class.to_string())
}

/// The names of all pictures as they go into an event; none, and a notice, where they are too many for one.
pub(crate) fn all_or_none(call: &Call<'_>, items: &[String]) -> Result<Vec<String>> {
    if items.iter().map(|item| item.len() + 3).sum::<usize>() <= MOST {
        return Ok(items.to_vec());
    }
    call.notice("ITEMS_LEFT_OUT", "so many pictures are in the order of the dataset, without their names")?;
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::testing::{Event, Recorder};

    #[test]
    fn names_that_do_not_fit_into_an_event_are_left_out_with_a_notice() {
        let recorder = Recorder::new();
        let names = |count: usize| all_or_none(&recorder.call(), &vec!["0/0123456.png".to_owned(); count]).unwrap();
        assert_eq!((names(10_000).len(), recorder.events().len()), (10_000, 0));
        assert_eq!(names(100_000).len(), 0);
        assert!(matches!(&recorder.events()[..], [Event::Notice { .. }]), "{:?}", recorder.events());
    }
}
