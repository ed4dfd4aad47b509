//! What a back end is told when it loads a model, and what it says of the model it has loaded.

use serde::{Deserialize, Serialize};

/// `WgBackend::descriptor`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackendDescriptor {
    pub title: String,
    /// File extensions without the dot: `["onnx"]`.
    pub formats: Vec<String>,
    /// `["cpu"]`
    pub devices: Vec<String>,
    /// Name and version of the runtime underneath: `"ONNX Runtime 1.32.0"`.
    pub runtime: String,
    /// Where several back ends could load a file, the one with the highest rank does; of equal ones the first by id.
    pub rank: i32,
}

/// The options of `WgBackend::load`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoadOptions {
    /// Height and width of the input in pixels, where the file leaves them open. `None`: the file says.
    pub input: Option<InputSize>,
    /// How pixels in 0…1 become what the file expects. `None`: they are passed as they are.
    pub normalize: Option<Normalization>,
    /// Overrides the value that is found for the reserved id `features`.
    pub feature_layer: Option<String>,
    /// Threads that the model may use when a call does not say: 0 is one per core.
    pub threads: u32,
    pub device: Option<String>,
    /// How many digits products are computed with: `float32`, or what the back end has besides. `None`: `float32`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// Where there are some, the model has these classes instead, and `other` for what is in none of them: the logit of a
    /// group is its log-odds, log Σ exp z over it less log Σ exp z over the rest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<ClassGroup>,
}

/// Classes of a file that are one class of the model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassGroup {
    pub name: String,
    /// Indices in the file's own logits; no two groups share one.
    pub members: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputSize {
    pub height: u32,
    pub width: u32,
}

/// `(x·scale − mean) / std` per channel, x in 0…1, channels in the order R, G, B.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalization {
    #[serde(default = "one")]
    pub scale: f32,
    pub mean: [f32; 3],
    pub std: [f32; 3],
    /// The file wants blue first.
    #[serde(default)]
    pub bgr: bool,
}

fn one() -> f32 {
    1.0
}

/// What a model can do beyond `run` from its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// From the logits to some layer at least; each layer says for itself.
    Gradients,
    /// From the logits to the picture.
    InputGradients,
    GuidedRules,
    InnerFeeds,
    FreeSize,
    #[serde(other)]
    Unknown,
}

/// `WgModel::descriptor`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelDescriptor {
    pub input: Option<InputSize>,
    /// Number of classes: the length of a row of `logits`.
    pub classes: u32,
    /// Filled by the engine; empty where nothing names the classes.
    pub labels: Vec<String>,
    /// The picture that normalises to zero, RGB in 0…1: what "the mean colour" means for occluders.
    pub mean_colour: Option<[f32; 3]>,
    /// In topological order; the reserved ids are listed with the rest where they are aliases.
    pub layers: Vec<Layer>,
    /// The network at a glance, from the input to the logits; empty where the back end does not say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<Block>,
    /// The id of the value behind the reserved id `features`.
    pub feature_layer: Option<String>,
    pub capabilities: Vec<Capability>,
    /// How many calls may run at once; 0: any number.
    pub concurrency: u32,
    pub device: String,
    pub backend: String,
    pub runtime: String,
    /// How many rows one call handles best.
    pub preferred_batch: u32,
    /// Of how many rows the model computes the gradients together, on one thread: what is worth asking for is a multiple of that
    /// for each thread. 0: it does not say; above 16 counts as 16.
    pub gradients_together: u32,
    /// Forward cost of one picture in multiply–accumulates, where it is known.
    pub macs: u64,
}

impl ModelDescriptor {
    /// Whether the model has `capability`.
    #[must_use]
    pub fn has(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }

    /// What the engine asks of the picture before each run, in one call: the logits, for the scores, and the features, where
    /// they are a layer. A technique that asks for the same is answered from memory.
    #[must_use]
    pub fn first_fetches(&self) -> Vec<&str> {
        let features = self.layer("features").map(|layer| layer.id.as_str()).filter(|id| *id != "input");
        ["logits"].into_iter().chain(features).collect()
    }

    /// The layer called `id`; `features` means [`ModelDescriptor::feature_layer`].
    #[must_use]
    pub fn layer(&self, id: &str) -> Option<&Layer> {
        let id = if id == "features" { self.feature_layer.as_deref()? } else { id };
        self.layers.iter().find(|layer| layer.id == id)
    }
}

/// A part of a network as the reader of a paper knows it; everything passes from one to the next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Block {
    /// The module's name in the file, or a kind and a number.
    pub name: String,
    /// What it is: `"residual block of 3 convolutions"`.
    pub kind: String,
    /// The layer that ends it.
    pub output: String,
    /// What stands on each of its parallel paths, in short.
    pub paths: Vec<Vec<String>>,
    /// Trained numbers.
    pub parameters: u64,
    /// Multiply–accumulates for one picture.
    pub macs: u64,
}

/// One value of the graph that can be fetched, and perhaps fed or differentiated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Layer {
    pub id: String,
    /// The operator that makes it.
    pub op: String,
    /// Without the batch dimension, at the model's input size.
    pub shape: Vec<i64>,
    /// C×H×W with a known place in the picture.
    pub spatial: bool,
    /// A gradient flows from the logits to it.
    pub differentiable: bool,
    /// A gradient flows from it to the input.
    pub reaches_input: bool,
    /// What stands in the way where one of the two is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receptive_field: Option<ReceptiveField>,
    /// Where it is a sequence T×C of tokens that were cut from a grid: that grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenGrid>,
    /// Trained numbers in the operator that makes it.
    pub parameters: u64,
}

/// A sequence of `prefix` tokens that stand for no place in the picture (a class token, registers), and then those of a
/// grid, row by row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenGrid {
    pub prefix: u32,
    pub height: u32,
    pub width: u32,
}

/// What a cell of a spatial layer sees, in input pixels. Cell (i, j) sees rows `start[0] + i·stride[0]` and on,
/// `size[0]` of them; likewise for columns. `start` is negative where padding is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReceptiveField {
    pub size: [f64; 2],
    pub stride: [f64; 2],
    pub start: [f64; 2],
}

/// `WgImages::descriptor`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImagesDescriptor {
    pub classes: Vec<String>,
    pub items: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_begins_with_the_logits_and_with_features_that_are_an_inner_layer() {
        let layer = |id: &str| Layer { id: id.into(), ..Layer::default() };
        let layers = vec![layer("input"), layer("relu")];
        let of = |features: Option<&str>| {
            let feature_layer = features.map(str::to_owned);
            let model = ModelDescriptor { layers: layers.clone(), feature_layer, ..ModelDescriptor::default() };
            model.first_fetches().join(" ")
        };
        assert_eq!(of(Some("relu")), "logits relu");
        for none in [None, Some("input"), Some("a layer that is not listed")] {
            assert_eq!(of(none), "logits", "{none:?}");
        }
    }
}
