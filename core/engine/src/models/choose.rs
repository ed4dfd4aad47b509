//! Which back end loads a model: the one that is asked for, else the first of those that read the file and have the device,
//! the highest rank first. One that says that it cannot run what is in the file makes way for the next.

use std::sync::Arc;

use whyglass_abi::WgModel;

use crate::error::{Code, Error, Result};
use crate::gate::Inside;
use crate::plugins::Backend;
use crate::plugins::registry::Registry;

/// What is asked of a back end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// Of the file's name, lower case.
    pub extension: &'a str,
    /// `None`: whatever the back end takes by default.
    pub device: Option<&'a str>,
    /// The id of one; `None` and "auto": any.
    pub backend: Option<&'a str>,
}

/// A back end that has loaded the model.
pub(super) struct Chosen {
    pub backend: Arc<Backend>,
    pub inside: Inside,
    pub table: WgModel,
    /// Why a better one was not taken, for a person: (reason, message).
    pub notice: Option<(String, String)>,
}

/// Tries the candidates until one of them loads the model.
pub(super) fn load(
    plugins: &Registry,
    wanted: Wanted<'_>,
    open: impl Fn(&Backend) -> Result<WgModel>,
) -> Result<Chosen> {
    let mut passed_over = None;
    let candidates = candidates(plugins, wanted)?;
    for (index, backend) in candidates.iter().enumerate() {
        let inside = backend.enter()?;
        match open(backend) {
            Ok(table) => return Ok(Chosen { backend: Arc::clone(backend), inside, table, notice: passed_over }),
            Err(error) if error.code == Code::Unimplemented && index + 1 < candidates.len() => {
                let other = &candidates[index + 1].id;
                let message = format!("'{other}' runs the model, because '{}' cannot: {}", backend.id, error.message);
                passed_over = Some(("BACKEND_PASSED_OVER".to_owned(), message));
            }
            Err(error) => return Err(error),
        }
    }
    Err(Error::internal("NO_BACKEND", "no back end was tried"))
}

/// Those that could load it, the best first; at least one.
fn candidates(plugins: &Registry, wanted: Wanted<'_>) -> Result<Vec<Arc<Backend>>> {
    let Wanted { extension, device, backend } = wanted;
    let all = plugins.backends();
    let known = |list: &[Arc<Backend>]| list.iter().map(|backend| backend.id.as_str()).collect::<Vec<_>>().join(", ");
    let loaded = if all.is_empty() { "none is loaded".to_owned() } else { format!("loaded are {}", known(&all)) };
    let absent = plugins.absent().map_or_else(String::new, |why| format!("; {why}"));
    let refuse = |message: String| Err(Error::precondition("NO_BACKEND", message).at("model"));
    let mut found = all;
    if let Some(id) = backend.filter(|id| *id != "auto") {
        found.retain(|backend| backend.id == id);
        if found.is_empty() {
            return refuse(format!("there is no back end '{id}'; {loaded}{absent}"));
        }
    }
    let asked = found.clone();
    found.retain(|backend| backend.descriptor.formats.iter().any(|format| format == extension));
    if found.is_empty() {
        return match backend.filter(|id| *id != "auto") {
            Some(id) => refuse(format!(
                "the back end '{id}' reads no .{extension} files; it reads {}",
                asked.iter().flat_map(|backend| &backend.descriptor.formats).cloned().collect::<Vec<_>>().join(", ")
            )),
            None => refuse(format!("no back end reads .{extension} files; {loaded}{absent}")),
        };
    }
    if let Some(device) = device {
        let kind = device.split(':').next().unwrap_or(device);
        let readers = found.clone();
        found.retain(|backend| backend.descriptor.devices.iter().any(|has| has == kind));
        if found.is_empty() {
            return refuse(format!(
                "no back end that reads .{extension} files has a device '{device}': {}",
                known(&readers)
            ));
        }
    }
    found.sort_by_key(|backend| std::cmp::Reverse(backend.descriptor.rank));
    Ok(found)
}
