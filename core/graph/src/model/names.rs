//! Names of values → values, with suggestions for names that are not there.

use crate::{Error, ValueId};
use std::collections::HashMap;

#[derive(Debug, Default)]
pub(super) struct Names {
    ids: HashMap<String, ValueId>,
}

impl Names {
    pub(super) fn insert(&mut self, name: impl Into<String>, id: ValueId) {
        self.ids.insert(name.into(), id);
    }

    /// # Errors
    /// [`Error::UnknownValue`], with near matches.
    pub(super) fn resolve(&self, name: &str) -> Result<ValueId, Error> {
        self.ids.get(name).copied().ok_or_else(|| self.unknown(name))
    }

    pub(super) fn unknown(&self, name: &str) -> Error {
        let mut near: Vec<(f64, &String)> =
            self.ids.keys().map(|known| (strsim::jaro_winkler(known, name), known)).filter(|(s, _)| *s > 0.8).collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let near = near.into_iter().take(3).map(|(_, known)| known.clone()).collect();
        Error::UnknownValue { name: name.to_owned(), near }
    }
}
