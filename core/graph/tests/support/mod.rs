//! Small networks, written down as ONNX by hand.

#![allow(dead_code, clippy::unwrap_used, reason = "for tests, each of which uses a part")]

use prost::Message as _;
use whyglass_graph::proto::{
    AttributeProto, AttributeType, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use whyglass_graph::{Graph, Tensor, read_bytes};

/// A file in the making.
pub(crate) struct Network(pub(crate) ModelProto);

impl Network {
    /// With one input of `shape`; −1 is an open dimension.
    pub(crate) fn new(input: &str, shape: &[i64]) -> Self {
        let dim = |&dim: &i64| DimensionProto { dim_value: (dim >= 0).then_some(dim), dim_param: None };
        let shape = TensorShapeProto { dim: shape.iter().map(dim).collect() };
        let tensor_type = Some(TensorTypeProto { elem_type: 1, shape: Some(shape) });
        let input = ValueInfoProto { name: input.into(), r#type: Some(TypeProto { tensor_type }) };
        Self(ModelProto {
            ir_version: 8,
            graph: Some(GraphProto { input: vec![input], ..Default::default() }),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 13 }],
            ..Default::default()
        })
    }

    pub(crate) fn graph(&mut self) -> &mut GraphProto {
        self.0.graph.as_mut().unwrap()
    }

    /// `"out = Op(a, b)"`, with integer attributes: one number is an `Int` if its name ends with `!`.
    pub(crate) fn node(mut self, text: &str, attributes: &[(&str, &[i64])]) -> Self {
        let (outputs, call) = text.split_once(" = ").unwrap();
        let (op, inputs) = call.trim_end_matches(')').split_once('(').unwrap();
        let names = |list: &str| list.split(", ").map(str::to_owned).collect::<Vec<_>>();
        let attribute = |(name, values): &(&str, &[i64])| match name.strip_suffix('!') {
            Some(name) => AttributeProto {
                name: name.into(),
                i: values[0],
                r#type: AttributeType::Int as i32,
                ..Default::default()
            },
            None => AttributeProto {
                name: (*name).into(),
                ints: values.to_vec(),
                r#type: AttributeType::Ints as i32,
                ..Default::default()
            },
        };
        self.graph().node.push(NodeProto {
            input: names(inputs),
            output: names(outputs),
            name: format!("{op} of {outputs}"),
            op_type: op.into(),
            attribute: attributes.iter().map(attribute).collect(),
            ..Default::default()
        });
        self
    }

    /// Numbers that look random and are not.
    pub(crate) fn weight(self, name: &str, shape: &[i64]) -> Self {
        let count = shape.iter().product::<i64>() as usize;
        let salt = name.bytes().map(u32::from).sum::<u32>() as f32;
        let data: Vec<f32> = (0..count).map(|i| (i as f32 * 12.9898 + salt).sin() * 0.5).collect();
        self.tensor(name, 1, shape, |tensor| tensor.float_data = data)
    }

    pub(crate) fn integers(self, name: &str, values: &[i64]) -> Self {
        self.tensor(name, 7, &[values.len() as i64], |tensor| tensor.int64_data = values.to_vec())
    }

    pub(crate) fn tensor(mut self, name: &str, kind: i32, shape: &[i64], fill: impl FnOnce(&mut TensorProto)) -> Self {
        let mut tensor = TensorProto { name: name.into(), data_type: kind, dims: shape.to_vec(), ..Default::default() };
        fill(&mut tensor);
        self.graph().initializer.push(tensor);
        self
    }

    pub(crate) fn output(mut self, name: &str) -> Self {
        self.graph().output.push(ValueInfoProto { name: name.into(), r#type: None });
        self
    }

    pub(crate) fn opset(mut self, version: i64) -> Self {
        self.0.opset_import[0].version = version;
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }

    pub(crate) fn read(&self) -> Graph {
        read_bytes(self.bytes().into(), None).unwrap()
    }
}

/// Convolution, pooling, a strided convolution (`last`, 4×2×2 after its rectifier), pooling over all, three classes
/// (`scores`). Input `data`, N×3×8×8, with a batch of one baked into a Reshape.
pub(crate) fn convolutional() -> Network {
    Network::new("data", &[1, 3, 8, 8])
        .weight("w1", &[4, 3, 3, 3])
        .weight("b1", &[4])
        .weight("w2", &[4, 4, 3, 3])
        .weight("w3", &[3, 4])
        .weight("b3", &[3])
        .integers("row", &[1, 4])
        .node("c1 = Conv(data, w1, b1)", &[("kernel_shape", &[3, 3]), ("pads", &[1, 1, 1, 1])])
        .node("r1 = Relu(c1)", &[])
        .node("p1 = MaxPool(r1)", &[("kernel_shape", &[2, 2]), ("strides", &[2, 2])])
        .node("c2 = Conv(p1, w2)", &[("kernel_shape", &[3, 3]), ("pads", &[1, 1, 1, 1]), ("strides", &[2, 2])])
        .node("last = Relu(c2)", &[])
        .node("pooled = GlobalAveragePool(last)", &[])
        .node("flat = Reshape(pooled, row)", &[])
        .node("scores = Gemm(flat, w3, b3)", &[("transB!", &[1])])
        .output("scores")
}

/// `rows` pictures of which no two are alike.
pub(crate) fn pictures(rows: i64, height: i64, width: i64) -> Tensor {
    let count = rows * 3 * height * width;
    let data = (0..count).map(|i| (i as f32 * 0.731).sin() * 0.5 + 0.5).collect();
    Tensor::from_f32(vec![rows, 3, height, width], data)
}

/// `tensor` as float32: the reference runtime answers in float64.
pub(crate) fn single(tensor: &Tensor) -> Tensor {
    Tensor::from_f32(tensor.shape().to_vec(), tensor.to_f64().into_iter().map(|value| value as f32).collect())
}

pub(crate) fn assert_close(a: &Tensor, b: &Tensor, tolerance: f64) {
    assert_eq!(a.shape(), b.shape());
    for (index, (a, b)) in a.to_f64().iter().zip(b.to_f64()).enumerate() {
        assert!((a - b).abs() <= tolerance, "element {index}: {a} and {b}");
    }
}
