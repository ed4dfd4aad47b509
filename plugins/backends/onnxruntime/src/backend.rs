//! The back end: loads ONNX files as models on ONNX Runtime.

use crate::runtime::OrtRuntime;
use crate::{error, library};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use whyglass_backend_graph::{BackendModel, Identity, from_graph, options as options_of};
use whyglass_graph::GraphModel;
use whyglass_sdk::{Backend, Call, Error, Model, Result, json};

/// ONNX Runtime as a back end. The engine's library is loaded with the first model, not before.
#[derive(Clone, Debug, Default)]
pub struct OnnxRuntime {
    library: Option<PathBuf>,
}

impl OnnxRuntime {
    /// With the library that lies beside this plugin.
    #[must_use]
    pub const fn beside_this_plugin() -> Self {
        Self { library: None }
    }

    /// With the library at `path`.
    #[must_use]
    pub fn from_library(path: impl Into<PathBuf>) -> Self {
        Self { library: Some(path.into()) }
    }

    fn runtime(&self) -> Result<OrtRuntime> {
        let runtime = match &self.library {
            Some(path) => OrtRuntime::from_library(path),
            None => OrtRuntime::beside_this_plugin(),
        };
        runtime.map_err(|error| error::from_runtime(&error))
    }
}

impl Backend for OnnxRuntime {
    const ID: &'static str = crate::ID;

    fn descriptor(&self) -> json::BackendDescriptor {
        json::BackendDescriptor {
            title: "ONNX Runtime".into(),
            formats: vec!["onnx".into()],
            devices: vec!["cpu".into()],
            runtime: format!("ONNX Runtime {}", library::VERSION),
            // It is made for files of this format, and the fastest there is for them on a CPU.
            rank: 10,
        }
    }

    fn load(&self, call: &Call<'_>, path: &Path, options: json::LoadOptions) -> Result<Box<dyn Model>> {
        call.check()?;
        if let Some(device) = options.device.as_deref().filter(|device| *device != "cpu") {
            return Err(Error::invalid_argument("device", format!("there is no device {device:?}: only \"cpu\"")));
        }
        if let Some(other) = options.precision.as_deref().filter(|precision| *precision != "float32") {
            let message =
                format!("there is no precision {other:?} here: only \"float32\"; backend = \"torch\" has more");
            return Err(Error::unimplemented(message).with_field("precision"));
        }
        let runtime = Arc::new(self.runtime()?);
        let model = GraphModel::load(path, &options_of(&options), runtime).map_err(from_graph)?;
        Ok(Box::new(BackendModel::new(model, Identity { backend: crate::ID, device: "cpu" })))
    }
}
