//! Puts the kernel into what the engine has made of a graph.

use super::filter::transform;
use super::{NAME, PRODUCTS};
use crate::blocked::BLOCKED;
use crate::blocked::lanes::LANES;
use crate::runtime::OrtError;
use crate::weights::{Weight, Weights};
use std::collections::HashMap;
use std::sync::Arc;
use whyglass_graph::own::DOMAIN;
use whyglass_graph::proto::{AttributeProto, AttributeType, GraphProto, NodeProto, TensorProto};
use whyglass_graph::{Dtype, Tensor, declaration};

/// With fewer channels than this on either side, transforming is expected to take longer than is won. Not measured.
const FEWEST: i64 = 32;

/// Puts each convolution of `graph`, as the engine has optimised it, that can be had for fewer multiplications into the hands
/// of our kernel, with so many `threads`. The filters that it reads, by the names under which they are declared as data of `file`.
///
/// # Errors
/// If the engine refuses the filters.
pub(crate) fn replace(
    shared: &Weights,
    graph: &mut GraphProto,
    threads: usize,
    file: &str,
) -> Result<Vec<(String, Arc<Weight>)>, OrtError> {
    let stored: HashMap<_, _> = graph.initializer.iter().map(|weight| (weight.name.as_str(), weight)).collect();
    let mut filters = HashMap::new();
    for node in &mut graph.node {
        let Some(bounds) = bounds_if_it_suits(node) else { continue };
        let Some(source) = stored.get(node.input[1].as_str()).copied().and_then(filters_if_they_suit) else { continue };
        let name = format!("{}_winograd", node.input[1]);
        if !filters.contains_key(&name) {
            filters.insert(name.clone(), shared.made(&source, || transformed(&source))?);
        }
        let pads = attribute(node, "pads").cloned();
        let threads = AttributeProto { i: threads as i64, ..named("threads", AttributeType::Int) };
        let bounds = ["lower", "upper"].into_iter().zip(bounds);
        let bounds = bounds.map(|(name, f)| AttributeProto { f, ..named(name, AttributeType::Float) });
        node.attribute = pads.into_iter().chain([threads]).chain(bounds).collect();
        (node.domain, node.op_type, node.input[1]) = (DOMAIN.into(), NAME.into(), name);
    }
    graph.initializer.extend(filters.iter().map(|(name, weight)| declaration(name, weight.tensor(), file)));
    Ok(filters.into_iter().collect())
}

/// What its outputs are held within, if `node` is a convolution that the kernel can take over, by all but its filters.
fn bounds_if_it_suits(node: &NodeProto) -> Option<[f32; 2]> {
    let ints = |name, wanted: &[i64]| attribute(node, name).is_none_or(|attribute| attribute.ints == wanted);
    let text = |name| attribute(node, name).map_or(&b""[..], |attribute| &attribute.s[..]);
    let suits = node.domain == BLOCKED
        && node.op_type == "Conv"
        && matches!(node.input.len(), 2..=4)
        && attribute(node, "kernel_shape").is_some_and(|shape| shape.ints == [3, 3])
        && ints("strides", &[1, 1])
        && ints("dilations", &[1, 1])
        && attribute(node, "group").is_none_or(|group| group.i == 1)
        && matches!(text("auto_pad"), b"" | b"NOTSET")
        && attribute(node, "pads").is_some_and(|pads| pads.ints.len() == 4 && pads.ints.iter().all(|pad| *pad >= 0));
    let parameters = attribute(node, "activation_params").map_or(&[][..], |parameters| &parameters.floats);
    match (text("activation"), parameters) {
        _ if !suits => None,
        (b"", _) => Some([f32::NEG_INFINITY, f32::INFINITY]),
        (b"Relu", _) => Some([0.0, f32::INFINITY]),
        (b"Clip", &[lower, upper]) => Some([lower, upper]),
        _ => None,
    }
}

/// What is stored, if it is filters of a kind that the kernel can use.
fn filters_if_they_suit(stored: &TensorProto) -> Option<Tensor> {
    let &[outputs, inputs, 3, 3] = &stored.dims[..] else { return None };
    let suits = |channels: i64| channels >= FEWEST && channels % LANES as i64 == 0;
    let dtype =
        Dtype::from_code(stored.data_type).filter(|dtype| *dtype == Dtype::F32 && suits(outputs) && suits(inputs))?;
    Tensor::checked(dtype, stored.dims.clone(), stored.raw_data.clone()?)
}

/// `filters` as the kernel reads them.
fn transformed(filters: &Tensor) -> Tensor {
    let [outputs, inputs] = [0, 1].map(|axis| filters.shape()[axis]);
    let numbers: Vec<f32> = filters.bytes().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let [output_blocks, input_blocks] = [outputs, inputs].map(|channels| channels as usize / LANES);
    let transformed = transform(numbers.as_chunks().0, output_blocks, input_blocks);
    Tensor::f32(&[PRODUCTS as i64, outputs, inputs], transformed.as_flattened())
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

fn named(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: kind as i32, ..Default::default() }
}
