//! Puts the kernel into what the engine has made of a graph.

use super::NAME;
use super::filter::transform;
use super::scheme::{Dense, Kind, Strided, with_scheme};
use crate::blocked::BLOCKED;
use crate::blocked::lanes::LANES;
use crate::runtime::OrtError;
use crate::weights::{Weight, Weights};
use std::collections::HashMap;
use std::sync::Arc;
use whyglass_graph::own::DOMAIN;
use whyglass_graph::proto::{AttributeProto, AttributeType, GraphProto, NodeProto, TensorProto};
use whyglass_graph::{Dtype, Tensor, declaration};

/// With fewer inputs than this, transforming is expected to take longer than is won. Not measured.
const FEWEST_INPUTS: i64 = 32;
/// Filters that move by two become almost three times as many numbers: with more of them than this, of maps that are small where
/// channels are many, reading them takes longer than is won.
const MOST_STRIDED: i64 = 1 << 17;

/// Puts each convolution of `graph`, as the engine has optimised it, that can be had for fewer multiplications into the hands
/// of our kernel, with so many `threads`. The filters that it reads, by the names under which they are declared as data of `file`.
///
/// # Errors
/// If the engine refuses the filters.
pub(crate) fn replace(
    shared: &Weights,
    graph: &mut GraphProto,
    threads: usize,
) -> Result<Vec<(String, Arc<Weight>)>, OrtError> {
    let stored: HashMap<_, _> = graph.initializer.iter().map(|weight| (weight.name.as_str(), weight)).collect();
    let mut filters = HashMap::new();
    for node in &mut graph.node {
        let Some((kind, bounds)) = kind(node).zip(bounds_if_it_suits(node)) else { continue };
        let source = stored.get(node.input[1].as_str()).and_then(|stored| filters_if_they_suit(kind, stored));
        let Some(source) = source else { continue };
        // The same filters may be moved by one here and by two there.
        let name = format!("{}_winograd_by_{}", node.input[1], kind.stride);
        if !filters.contains_key(&name) {
            filters.insert(name.clone(), shared.made(&source, kind, || transformed(kind, &source))?);
        }
        let pads = attribute(node, "pads").cloned();
        let numbers = [("size", kind.size), ("stride", kind.stride), ("threads", threads)];
        let numbers = numbers.map(|(name, i)| AttributeProto { i: i as i64, ..named(name, AttributeType::Int) });
        let bounds = ["lower", "upper"].into_iter().zip(bounds);
        let bounds = bounds.map(|(name, f)| AttributeProto { f, ..named(name, AttributeType::Float) });
        node.attribute = pads.into_iter().chain(numbers).chain(bounds).collect();
        (node.domain, node.op_type, node.input[1]) = (DOMAIN.into(), NAME.into(), name);
    }
    graph.initializer.extend(filters.iter().map(|(name, weight)| declaration(name, weight.tensor())));
    Ok(filters.into_iter().collect())
}

/// Its filters' size and how they move.
fn kind(node: &NodeProto) -> Option<Kind> {
    let &[size, other] = &attribute(node, "kernel_shape")?.ints[..] else { return None };
    let strides = attribute(node, "strides").map_or(&[1, 1][..], |strides| &strides.ints);
    let &[stride, other_stride] = strides else { return None };
    (size == other && stride == other_stride).then(|| Kind::of(size, stride)).flatten()
}

/// What its outputs are held within, if `node` is a convolution that the kernel can take over, by all but its filters.
fn bounds_if_it_suits(node: &NodeProto) -> Option<[f32; 2]> {
    let ints = |name, wanted: &[i64]| attribute(node, name).is_none_or(|attribute| attribute.ints == wanted);
    let text = |name| attribute(node, name).map_or(&b""[..], |attribute| &attribute.s[..]);
    let suits = node.domain == BLOCKED
        && node.op_type == "Conv"
        && matches!(node.input.len(), 2..=4)
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
fn filters_if_they_suit(kind: Kind, stored: &TensorProto) -> Option<Tensor> {
    let &[outputs, inputs, ref size @ ..] = &stored.dims[..] else { return None };
    let suits = *size == [kind.size as i64; 2]
        && [inputs, outputs].iter().all(|channels| *channels > 0 && channels % LANES as i64 == 0)
        && inputs >= FEWEST_INPUTS
        && (kind.stride == 1 || inputs.saturating_mul(outputs) <= MOST_STRIDED);
    let dtype = Dtype::from_code(stored.data_type).filter(|dtype| *dtype == Dtype::F32 && suits)?;
    Tensor::checked(dtype, stored.dims.clone(), stored.raw_data.clone()?)
}

/// `filters` as the kernel reads them.
fn transformed(kind: Kind, filters: &Tensor) -> Tensor {
    let [outputs, inputs] = [0, 1].map(|axis| filters.shape()[axis]);
    let numbers: Vec<f32> = filters.bytes().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let [output_blocks, input_blocks] = [outputs, inputs].map(|channels| channels as usize / LANES);
    // SAFETY: this is called only where blocks are known, which takes AVX-512.
    let transformed = unsafe { with_scheme!(kind, transform(numbers.as_chunks().0, output_blocks, input_blocks)) };
    Tensor::f32(&[kind.products() as i64, outputs, inputs], transformed.as_flattened())
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

fn named(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: kind as i32, ..Default::default() }
}
