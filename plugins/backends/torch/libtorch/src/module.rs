//! A TorchScript module, loaded for inference: pixels in, named nodes out.

use crate::archive;
use crate::error::{first_lines, from_torch, torch};
use crate::groups::{Groups, softmax};
use crate::outputs::{self, Output};
use crate::pixels::Pixels;
use crate::precision::{Autocast, Precision};
use std::path::Path;
use tch::{CModule, Device, IValue, Kind, Tensor};
use whyglass_sdk::{Error, INPUT, LOGITS, PROBABILITIES, Result, Status};

/// A module and what lies around it.
pub(crate) struct Module {
    module: CModule,
    pub(crate) pixels: Pixels,
    pub(crate) groups: Option<Groups>,
    pub(crate) device: Device,
    pub(crate) precision: Precision,
}

/// The values of one forward pass, by name.
pub(crate) struct Nodes(Vec<Output>);

impl Nodes {
    pub(crate) fn get(&self, name: &str) -> Option<&Tensor> {
        self.0.iter().find(|node| node.name == name).map(|node| &node.tensor)
    }

    /// Name and value in the order of the module's outputs; the input first, logits and probabilities last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|node| (node.name.as_str(), &node.tensor))
    }
}

impl Module {
    /// # Errors
    /// If the file is no TorchScript, needs operators that are not here, or libtorch cannot read it.
    pub(crate) fn load(path: &Path, pixels: Pixels, device: Device, precision: Precision) -> Result<Self> {
        archive::check(path)?;
        let mut module = CModule::load_on_device(path, device).map_err(|error| not_loaded(path, &error))?;
        module.f_set_eval().map_err(torch)?;
        // What is kept for gradients of weights would only cost memory: nobody asks for them.
        for (_, parameter) in module.named_parameters().map_err(torch)? {
            drop(parameter.f_set_requires_grad(false).map_err(torch)?);
        }
        Ok(Self { module, pixels, groups: None, device, precision })
    }

    /// Every node's value for `pixels` (N×3×H×W).
    ///
    /// # Errors
    /// If the module throws, or returns no scores.
    pub(crate) fn forward(&self, pixels: Tensor) -> Result<Nodes> {
        let rows = pixels.size().first().copied().unwrap_or(0);
        let prepared = self.pixels.prepare(&pixels)?;
        let autocast = Autocast::enter(self.precision, self.device)?;
        let returned = self.module.forward_is(&[IValue::Tensor(prepared)]).map_err(|error| from_torch(&error))?;
        let mut found = outputs::flatten(returned);
        drop(autocast);
        let scores = found.remove(outputs::scores(&found, rows)?).tensor;
        let scores = scores.f_reshape([rows, -1]).and_then(|scores| scores.f_to_kind(Kind::Float)).map_err(torch)?;
        let (logits, probabilities) = match &self.groups {
            Some(groups) => groups.apply(&scores)?,
            None => {
                let probabilities = softmax(&scores)?;
                (scores, probabilities)
            }
        };
        let mut nodes = vec![Output { name: INPUT.to_owned(), tensor: pixels }];
        nodes.extend(found.into_iter().map(|output| Output { name: outputs::free_name(&output.name), ..output }));
        nodes.push(Output { name: LOGITS.to_owned(), tensor: logits });
        nodes.push(Output { name: PROBABILITIES.to_owned(), tensor: probabilities });
        Ok(Nodes(nodes))
    }

    /// Numbers in the module's weights.
    pub(crate) fn parameters(&self) -> u64 {
        let weights = self.module.named_parameters().unwrap_or_default();
        weights.iter().map(|(_, weight)| weight.size().iter().product::<i64>().unsigned_abs()).sum()
    }
}

fn not_loaded(path: &Path, error: &tch::TchError) -> Error {
    let (shown, text) = (path.display(), error.to_string());
    // "Unknown builtin op: torchvision::nms.", or "…Unknown type name '__torch__.torch.classes.x.Y'".
    for (start, what) in [("Unknown builtin op: ", "operator"), ("Unknown type name '", "class")] {
        if let Some((_, rest)) = text.split_once(start) {
            let name: String =
                rest.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '.')).collect();
            let message = format!(
                "{shown} needs the {what} '{}', which libtorch does not have: export the network without it (its own \
                 operators cannot be loaded here)",
                name.trim_end_matches(['.', ':'])
            );
            return Error::new(Status::Unimplemented, "MODEL_UNSUPPORTED", "path", message);
        }
    }
    Error::invalid_argument("path", format!("{shown} cannot be read as TorchScript: {}", first_lines(error)))
        .with_reason("MODEL_MALFORMED")
}
