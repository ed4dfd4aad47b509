//! The network EfficientNet-Lite0 (Tan & Le 2019; the "lite" variant without squeeze-and-excitation, with ReLU6) as an
//! ONNX graph. Batch normalisation (epsilon 1e-3) is folded into the convolutions; padding is TensorFlow's "SAME",
//! which at stride 2 on an even size puts the odd pixel below and to the right.

use super::checkpoint::Weight;
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use whyglass_graph::{Attribute, Graph, Node, Tensor, ValueId};

/// The blocks whose depthwise convolution has stride 2; the rest have 1.
const STRIDED: [usize; 4] = [1, 3, 5, 11];
const BLOCKS: usize = 16;
const EPSILON: f64 = 1e-3;

/// The bytes of the ONNX file: input N×3×224×224, normalised to −1…1, output `logits` N×1000.
pub(super) fn build(weights: &HashMap<String, Weight>) -> Result<Vec<u8>> {
    let mut network = Network { graph: Graph { opset: 17, ..Graph::default() }, weights };
    let image = network.graph.add_value("image", Some(vec![-1, 3, 224, 224]));
    network.graph.inputs.push(image);
    let mut value = network.conv(image, "_conv_stem", "_bn0", "stem", 2, true)?;
    for index in 0..BLOCKS {
        value = network.block(value, index)?;
    }
    value = network.conv(value, "_conv_head", "_bn1", "head", 1, true)?;
    value = network.node("GlobalAveragePool", "pool", vec![value], []);
    value = network.node("Flatten", "flatten", vec![value], [("axis", Attribute::Int(1))]);
    let weight = network.constant("_fc.weight", "fc.weight")?;
    let bias = network.constant("_fc.bias", "fc.bias")?;
    let logits = network.node("Gemm", "logits", vec![value, weight, bias], [("transB", Attribute::Int(1))]);
    network.graph.outputs.push(logits);
    Ok(whyglass_graph::write_whole(&network.graph)?)
}

struct Network<'a> {
    graph: Graph,
    weights: &'a HashMap<String, Weight>,
}

impl Network<'_> {
    /// Expand 1×1, depthwise, project 1×1, each normalised; the first two with ReLU6; a skip where shapes allow.
    fn block(&mut self, input: ValueId, index: usize) -> Result<ValueId> {
        let (source, name) = (format!("_blocks.{index}"), format!("block{index}"));
        let stride = if STRIDED.contains(&index) { 2 } else { 1 };
        let mut value = input;
        if self.weights.contains_key(&format!("{source}._expand_conv.weight")) {
            let conv = format!("{source}._expand_conv");
            value = self.conv(value, &conv, &format!("{source}._bn0"), &format!("{name}.expand"), 1, true)?;
        }
        let conv = format!("{source}._depthwise_conv");
        value = self.conv(value, &conv, &format!("{source}._bn1"), &format!("{name}.depthwise"), stride, true)?;
        let conv = format!("{source}._project_conv");
        value = self.conv(value, &conv, &format!("{source}._bn2"), &format!("{name}.project"), 1, false)?;
        let channels = |name: String, axis: usize| -> Result<i64> { Ok(self.weight(&name)?.shape[axis]) };
        let entry = if index == 0 {
            format!("{source}._depthwise_conv.weight")
        } else {
            format!("{source}._expand_conv.weight")
        };
        let narrow = channels(entry, if index == 0 { 0 } else { 1 })?;
        if stride == 1 && narrow == channels(format!("{source}._project_conv.weight"), 0)? {
            value = self.node("Add", &format!("{name}.add"), vec![value, input], []);
        }
        Ok(value)
    }

    /// A convolution with its batch normalisation folded in, and ReLU6 where `activate`.
    fn conv(
        &mut self,
        input: ValueId,
        conv: &str,
        norm: &str,
        name: &str,
        stride: i64,
        activate: bool,
    ) -> Result<ValueId> {
        let kernel = self.weight(&format!("{conv}.weight"))?;
        let [outputs, inputs_per_group, size, width] = kernel.shape[..] else {
            anyhow::bail!("{conv}.weight is no kernel of a 2-D convolution")
        };
        ensure!(size == width, "{conv}.weight is not square");
        let statistics =
            ["weight", "bias", "running_mean", "running_var"].map(|part| self.weight(&format!("{norm}.{part}")));
        let [gamma, beta, mean, variance] = statistics;
        let (gamma, beta, mean, variance) = (&gamma?.data, &beta?.data, &mean?.data, &variance?.data);
        let factor = |channel: usize| f64::from(gamma[channel]) / (f64::from(variance[channel]) + EPSILON).sqrt();
        let per_channel = kernel.data.len() / usize::try_from(outputs)?;
        let folded: Vec<f32> = (kernel.data.iter().enumerate())
            .map(|(index, weight)| (f64::from(*weight) * factor(index / per_channel)) as f32)
            .collect();
        let bias: Vec<f32> = (0..gamma.len())
            .map(|channel| (f64::from(beta[channel]) - f64::from(mean[channel]) * factor(channel)) as f32)
            .collect();
        let group = if inputs_per_group == 1 { outputs } else { 1 };
        let (before, after) = if stride == 1 { (size / 2, size / 2) } else { ((size - 2) / 2, (size - 1) / 2) };
        let weight = self.tensor(&format!("{name}.weight"), Tensor::f32(&kernel.shape, &folded));
        let bias = self.tensor(&format!("{name}.bias"), Tensor::f32(&[outputs], &bias));
        let attributes = [
            ("group", Attribute::Int(group)),
            ("kernel_shape", Attribute::Ints(vec![size, size])),
            ("pads", Attribute::Ints(vec![before, before, after, after])),
            ("strides", Attribute::Ints(vec![stride, stride])),
        ];
        let convolved = self.node("Conv", &format!("{name}.conv"), vec![input, weight, bias], attributes);
        if !activate {
            return Ok(convolved);
        }
        let low = self.tensor(&format!("{name}.low"), Tensor::f32(&[], &[0.0]));
        let high = self.tensor(&format!("{name}.high"), Tensor::f32(&[], &[6.0]));
        Ok(self.node("Clip", &format!("{name}.relu6"), vec![convolved, low, high], []))
    }

    fn weight(&self, name: &str) -> Result<&Weight> {
        self.weights.get(name).with_context(|| format!("the checkpoint has no {name}"))
    }

    fn constant(&mut self, source: &str, name: &str) -> Result<ValueId> {
        let weight = self.weight(source)?;
        let tensor = Tensor::f32(&weight.shape, &weight.data);
        Ok(self.tensor(name, tensor))
    }

    fn tensor(&mut self, name: &str, tensor: Tensor) -> ValueId {
        let id = self.graph.add_value(name, Some(tensor.shape().to_vec()));
        self.graph.constants.insert(id, Arc::new(tensor));
        id
    }

    fn node<const N: usize>(
        &mut self,
        op: &str,
        name: &str,
        inputs: Vec<ValueId>,
        attributes: [(&str, Attribute); N],
    ) -> ValueId {
        let output = self.graph.add_value(name, None);
        self.graph.nodes.push(Node {
            name: name.to_owned(),
            domain: String::new(),
            op: op.to_owned(),
            inputs: inputs.into_iter().map(Some).collect(),
            outputs: vec![Some(output)],
            attributes: BTreeMap::from(attributes.map(|(key, value)| (key.to_owned(), value))),
        });
        output
    }
}
