//! The back end: loads TorchScript files, and graphs of ONNX files, as models on libtorch.

use crate::executor::TorchRuntime;
use crate::precision::Precision;
use crate::torchscript::TorchScript;
use crate::{device, memory};
use std::path::Path;
use std::sync::Arc;
use whyglass_backend_graph::{BackendModel, Identity, from_graph, options as options_of};
use whyglass_graph::GraphModel;
use whyglass_sdk::{Backend, Call, Model, Result, json};

/// The version that this is made for, linked to and tested with.
pub(crate) const RUNTIME: &str = "libtorch 2.13.0";

/// libtorch as a back end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Libtorch;

impl Backend for Libtorch {
    const ID: &'static str = crate::ID;

    fn descriptor(&self) -> json::BackendDescriptor {
        json::BackendDescriptor {
            title: "libtorch".into(),
            formats: ["pt", "pth", "ts", "torchscript", "onnx"].map(str::to_owned).to_vec(),
            devices: vec!["cpu".into(), "cuda".into()],
            runtime: RUNTIME.into(),
            rank: 0,
        }
    }

    fn load(&self, call: &Call<'_>, path: &Path, options: json::LoadOptions) -> Result<Box<dyn Model>> {
        call.check()?;
        memory::keep_large_blocks();
        let device = device::parse(options.device.as_deref())?;
        let precision = Precision::parse(options.precision.as_deref(), device)?;
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx")) {
            let runtime = Arc::new(TorchRuntime::new(device, precision));
            let model = GraphModel::load(path, &options_of(&options), runtime).map_err(from_graph)?;
            let device = device::name(device, precision);
            return Ok(Box::new(BackendModel::new(model, Identity { backend: crate::ID, device: &device })));
        }
        Ok(Box::new(TorchScript::load(call, path, &options, (device, precision))?))
    }
}
