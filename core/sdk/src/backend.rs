//! The trait of a model back end: something that turns a file into a [`Model`].

use crate::{Call, Model, Result, json};
use std::path::Path;

/// Loads model files. One value per type is exported by [`export_plugin!`](crate::export_plugin).
pub trait Backend: Send + Sync + 'static {
    /// kebab-case: `"onnxruntime"`.
    const ID: &'static str;

    /// File formats, devices, the runtime underneath. Asked once, when the plugin is loaded.
    fn descriptor(&self) -> json::BackendDescriptor;

    /// Loads the file at `path`; any thread may call this, several at once. The model is dropped after its last call.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a file that is broken or options that do not fit it, `NOT_FOUND` for one that is missing,
    /// `FAILED_PRECONDITION` where the runtime underneath is missing.
    fn load(&self, call: &Call<'_>, path: &Path, options: json::LoadOptions) -> Result<Box<dyn Model>>;
}
