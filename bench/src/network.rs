//! The networks that are explained, and what is measured on each: as much as a run can bear of those that are slow.

use anyhow::{Context, Result};
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use whyglass_sdk::json::{LoadOptions, Normalization};

/// A network, by the name that both sides know it under.
pub(crate) struct Network {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// Sizes and strides of the windows of occlusion.
    pub(crate) sweeps: &'static [(u32, u32)],
    /// Pictures of which the input gradient is taken at once.
    pub(crate) batches: &'static [usize],
    /// The value that dreams, as the peer's `DREAMING`; nothing where only sweeps and gradients are measured.
    pub(crate) dreaming: Option<&'static str>,
    /// Each round takes seconds.
    pub(crate) is_large: bool,
}

/// Rounds that tell something.
pub(crate) const LEAST: usize = 5;

/// A network that a run may be restricted to.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    EfficientnetLite0,
    Resnet50,
    Vgg16,
    #[value(name = "vit-b-16")]
    VitB16,
}

pub(crate) const LITE0: Network = Network {
    id: "efficientnet-lite0",
    title: "EfficientNet-Lite0",
    sweeps: &[(45, 22), (16, 8)],
    batches: &[1, 8],
    dreaming: Some("block10.add"),
    is_large: false,
};

/// With random weights, which the peer draws and writes as ONNX.
const RESNET50: Network = Network {
    id: "resnet50",
    title: "ResNet-50",
    sweeps: &[(45, 22), (16, 8)],
    batches: &[1, 8],
    dreaming: Some("/layer3/layer3.5/relu_2/Relu_output_0"),
    is_large: true,
};
const VGG16: Network =
    Network { id: "vgg16", title: "VGG-16", sweeps: &[(45, 22)], batches: &[1], dreaming: None, is_large: true };
const VIT_B_16: Network =
    Network { id: "vit-b-16", title: "ViT-B/16", sweeps: &[(45, 22)], batches: &[1], dreaming: None, is_large: true };

impl Choice {
    /// EfficientNet-Lite0 first.
    pub(crate) const ALL: [Self; 4] = [Self::EfficientnetLite0, Self::Resnet50, Self::Vgg16, Self::VitB16];

    pub(crate) fn network(self) -> &'static Network {
        match self {
            Self::EfficientnetLite0 => &LITE0,
            Self::Resnet50 => &RESNET50,
            Self::Vgg16 => &VGG16,
            Self::VitB16 => &VIT_B_16,
        }
    }

    /// Whether a quick run has the time for it.
    pub(crate) fn is_quick(self) -> bool {
        matches!(self, Self::EfficientnetLite0 | Self::Resnet50)
    }
}

impl Network {
    /// No more than tell something, where each takes seconds.
    pub(crate) fn rounds(&self, rounds: usize) -> usize {
        if self.is_large { rounds.min(LEAST) } else { rounds }
    }

    /// Its file, and how pixels become what it expects, for a back end that is asked directly.
    pub(crate) fn source(&self, folder: &Path) -> Result<(PathBuf, LoadOptions)> {
        let (file, normalize) = match self.export(folder)? {
            Some(file) => (file, None),
            None => {
                let bytes = Normalization { scale: 255.0, mean: [127.0; 3], std: [128.0; 3], bgr: false };
                (Path::new("models").join(self.id).join("model.onnx"), Some(bytes))
            }
        };
        Ok((file, LoadOptions { normalize, ..Default::default() }))
    }

    /// Where the peer writes it; nothing where it is among our own models.
    pub(crate) fn export(&self, folder: &Path) -> Result<Option<PathBuf>> {
        if self.id == LITE0.id {
            return Ok(None);
        }
        let folder = folder.join(self.id);
        std::fs::create_dir_all(&folder)?;
        let input = r#"input = { width = 224, height = 224, resize = "stretch" }"#;
        let about = format!("title = \"{}, random weights\"\nfile = \"model.onnx\"\n{input}\n", self.title);
        std::fs::write(folder.join("model.toml"), about).context("cannot describe an exported network")?;
        Ok(Some(folder.join("model.onnx")))
    }
}
