//! Plugins, techniques, models and layers as messages.

use serde::Serialize;
use whyglass_engine as engine;
use whyglass_engine::json;
use whyglass_proto::v1;

pub(in crate::grpc) fn plugin(plugin: &engine::PluginInfo) -> v1::Plugin {
    let state = match plugin.state {
        engine::PluginState::Ready => v1::plugin::State::Ready,
        engine::PluginState::Disabled => v1::plugin::State::Disabled,
        engine::PluginState::Refused => v1::plugin::State::Refused,
        engine::PluginState::Absent => v1::plugin::State::Absent,
    };
    v1::Plugin {
        id: plugin.id.clone(),
        version: plugin.version.clone(),
        abi_minor: plugin.abi_minor,
        state: state.into(),
        state_reason: plugin.state_reason.clone(),
        techniques: plugin.techniques.clone(),
        backends: plugin.backends.clone(),
        sha256: unhex(&plugin.sha256).into(),
    }
}

pub(in crate::grpc) fn technique(technique: &engine::Technique) -> v1::Technique {
    let descriptor = &technique.descriptor;
    v1::Technique {
        id: technique.id.clone(),
        title: descriptor.title.clone(),
        description: descriptor.description.clone(),
        paper: descriptor.paper.clone(),
        params_schema: descriptor.params.to_string(),
        artifacts: descriptor.artifacts.iter().map(artifact).collect(),
        needs: descriptor.needs.iter().filter_map(kebab).collect(),
        progressive: descriptor.progressive,
        deterministic: descriptor.deterministic,
        family: descriptor.family.clone(),
        plugin: technique.plugin.clone(),
    }
}

fn artifact(artifact: &json::ArtifactDescriptor) -> v1::Artifact {
    v1::Artifact {
        id: artifact.id.clone(),
        title: artifact.title.clone(),
        kind: kind(artifact.kind).into(),
        signed: artifact.signed,
        auxiliary: artifact.auxiliary,
    }
}

pub(super) fn kind(kind: json::ArtifactKind) -> v1::ArtifactKind {
    match kind {
        json::ArtifactKind::Map => v1::ArtifactKind::AttributionMap,
        json::ArtifactKind::Image => v1::ArtifactKind::Image,
        json::ArtifactKind::Points => v1::ArtifactKind::Points,
        json::ArtifactKind::Matrix => v1::ArtifactKind::Matrix,
        json::ArtifactKind::Series => v1::ArtifactKind::Series,
        json::ArtifactKind::Table => v1::ArtifactKind::Table,
    }
}

pub(in crate::grpc) fn model(model: &engine::ModelInfo) -> v1::Model {
    let state = match model.state {
        engine::ModelState::Unloaded => v1::model::State::Unloaded,
        engine::ModelState::Loading => v1::model::State::Loading,
        engine::ModelState::Ready => v1::model::State::Ready,
        engine::ModelState::Failed => v1::model::State::Failed,
    };
    let descriptor = model.descriptor.as_deref().cloned().unwrap_or_default();
    let input = descriptor.input.map(|size| [size.height, size.width]);
    let [input_height, input_width] = input.or(model.input).unwrap_or_default();
    v1::Model {
        name: model.name.clone(),
        title: model.title.clone(),
        backend: descriptor.backend,
        device: descriptor.device,
        sha256: unhex(&model.sha256).into(),
        state: state.into(),
        state_reason: model.state_reason.clone(),
        input_height,
        input_width,
        labels: descriptor.labels,
        capabilities: descriptor.capabilities.iter().filter_map(kebab).collect(),
        feature_layer: descriptor.feature_layer.unwrap_or_default(),
        base: model.base.clone(),
    }
}

pub(in crate::grpc) fn layer(layer: &json::Layer) -> v1::Layer {
    v1::Layer {
        id: layer.id.clone(),
        op: layer.op.clone(),
        shape: layer.shape.clone(),
        spatial: layer.spatial,
        differentiable: layer.differentiable,
        reaches_input: layer.reaches_input,
        receptive_field: layer.receptive_field.map(|field| v1::ReceptiveField {
            height: field.size[0],
            width: field.size[1],
            stride_y: field.stride[0],
            stride_x: field.stride[1],
            y: field.start[0],
            x: field.start[1],
        }),
        tokens: layer.tokens.map(|grid| v1::TokenGrid { prefix: grid.prefix, height: grid.height, width: grid.width }),
        parameters: layer.parameters,
        reason: layer.reason.clone().unwrap_or_default(),
    }
}

/// The name that a value has in descriptors; what this version does not know has none.
fn kebab<T: Serialize>(value: &T) -> Option<String> {
    let name = serde_json::to_value(value).ok()?.as_str()?.to_owned();
    (name != "unknown").then_some(name)
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_and_capabilities_have_their_names_and_unknown_ones_have_none() {
        assert_eq!(kebab(&json::Need::GuidedRules).as_deref(), Some("guided-rules"));
        assert_eq!(kebab(&json::Capability::FreeSize).as_deref(), Some("free-size"));
        assert_eq!(kebab(&json::Need::Unknown), None);
    }

    #[test]
    fn hashes_are_sent_as_bytes() {
        assert_eq!(unhex("00ff1a"), [0, 255, 26]);
        assert_eq!(unhex(""), Vec::<u8>::new());
    }
}
