//! What the graph crate knows of a model, as the plugin interface says it.

use crate::model::Identity;
use whyglass_graph::{GraphModel, Runtime};
use whyglass_sdk::json::{self, Capability};

/// Multiply–accumulates that a batch may cost: about a tenth of a second on two cores, so that a stop is felt at once.
const BATCH_MACS: u64 = 8_000_000_000;
/// Rows that fill the engine's kernels; more gain nothing.
const MOST_ROWS: u64 = 8;

/// Describes `model`. Labels are the engine's.
pub(crate) fn describe<R: Runtime>(model: &GraphModel<R>, identity: Identity<'_>) -> json::ModelDescriptor {
    let (height, width) = model.input_size();
    json::ModelDescriptor {
        input: Some(json::InputSize { height: height as u32, width: width as u32 }),
        classes: model.classes() as u32,
        labels: Vec::new(),
        mean_colour: model.mean_colour(),
        layers: model.layers().iter().map(layer).collect(),
        blocks: model.blocks().iter().map(block).collect(),
        feature_layer: model.feature_layer().map(str::to_owned),
        capabilities: capabilities(model.capabilities()),
        concurrency: 0,
        device: identity.device.into(),
        backend: identity.backend.into(),
        runtime: model.runtime().name(),
        preferred_batch: preferred_batch(model.macs()),
        gradients_together: model.gradients_together() as u32,
        macs: model.macs(),
    }
}

fn preferred_batch(macs: u64) -> u32 {
    (BATCH_MACS / macs.max(1)).clamp(1, MOST_ROWS) as u32
}

fn capabilities(proven: whyglass_graph::Capabilities) -> Vec<Capability> {
    let all = [
        (true, Capability::InnerFeeds),
        (proven.gradients, Capability::Gradients),
        (proven.input_gradients, Capability::InputGradients),
        (proven.guided_rules, Capability::GuidedRules),
        (proven.free_size, Capability::FreeSize),
    ];
    all.into_iter().filter_map(|(has, capability)| has.then_some(capability)).collect()
}

fn block(block: &whyglass_graph::Block) -> json::Block {
    let whyglass_graph::Block { name, kind, output, paths, parameters, macs } = block.clone();
    json::Block { name, kind, output, paths, parameters, macs }
}

fn layer(layer: &whyglass_graph::Layer) -> json::Layer {
    json::Layer {
        id: layer.id.clone(),
        op: layer.op.clone(),
        shape: layer.shape.clone(),
        spatial: layer.spatial,
        differentiable: layer.differentiable,
        reaches_input: layer.reaches_input,
        reason: layer.reason.clone(),
        receptive_field: layer.receptive_field.map(|field| json::ReceptiveField {
            size: field.size,
            stride: field.stride,
            start: field.start,
        }),
        tokens: layer.tokens.map(|grid| json::TokenGrid {
            prefix: grid.prefix as u32,
            height: grid.height as u32,
            width: grid.width as u32,
        }),
        parameters: layer.parameters,
    }
}

/// The options of the graph crate that `options` stand for.
#[must_use]
pub fn options(options: &json::LoadOptions) -> whyglass_graph::Options {
    whyglass_graph::Options {
        input_size: options.input.map(|size| (size.height as usize, size.width as usize)),
        normalization: options.normalize.map(|normalize| whyglass_graph::Normalization {
            scale: normalize.scale,
            mean: normalize.mean,
            std: normalize.std,
            bgr: normalize.bgr,
        }),
        feature_layer: options.feature_layer.clone(),
        logits: None,
        groups: options.groups.iter().map(|group| group.members.clone()).collect(),
        threads: options.threads as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_smaller_the_more_a_picture_costs() {
        assert_eq!(preferred_batch(385_000_000), 8, "EfficientNet-Lite0");
        assert_eq!(preferred_batch(4_100_000_000), 1, "ResNet-50");
        assert_eq!(preferred_batch(0), 8);
        assert_eq!(preferred_batch(15_400_000_000), 1, "VGG-16");
    }
}
