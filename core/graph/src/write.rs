//! [`Graph`] → ONNX file in memory, for engines that take a model that way.
//!
//! Large weights are not copied into the bytes: they are declared as external data and handed over beside the file, so
//! that every session of a model can use the same memory. ONNX Runtime takes them with `AddExternalInitializers`
//! (`with_external_initializer` in `ort`), which looks for exactly such a declaration and copies what it takes, or with
//! `AddInitializer` (`with_initializer`), which does not.

use crate::proto::{
    AttributeProto, AttributeType, DimensionProto, EXTERNAL, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use crate::{Attribute, Dtype, Error, Graph, Node, Tensor, ValueId};
use prost::Message as _;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// Constants of this many bytes and more are left out of the file. Smaller ones are what an optimiser looks at.
const BY_REFERENCE: usize = 1024;
/// The file that weights by reference claim to be in. It is never opened, but an engine may look whether it is there: in the folder
/// of devices it is.
const NOWHERE: &str = "null";
/// The version of the file format; 10 knows everything up to the newest operator set that is read.
const IR_VERSION: i64 = 10;

/// A graph as an ONNX file.
#[derive(Clone, Debug)]
pub struct Written {
    /// A `ModelProto`.
    pub bytes: Vec<u8>,
    /// The weights that are not in the bytes, by the name of their initialiser.
    pub by_reference: Vec<(String, Arc<Tensor>)>,
}

/// Writes `graph`, with large floating-point constants by reference.
///
/// Inputs are float32 and have a shape, −1 where a dimension is open; of outputs only the name is written, the engine infers the rest.
///
/// # Errors
/// If an input has no shape, or two values have the same name.
pub fn write(graph: &Graph) -> Result<Written, Error> {
    encode(graph, BY_REFERENCE)
}

/// Writes `graph` with everything in the file.
///
/// # Errors
/// As [`write()`].
pub fn write_whole(graph: &Graph) -> Result<Vec<u8>, Error> {
    Ok(encode(graph, usize::MAX)?.bytes)
}

/// Takes the large floating-point constants out of `graph`, which may have come from an engine, and declares them by reference.
/// They share memory with the bytes that it was decoded from.
///
/// # Errors
/// If one does not have the bytes of its shape.
pub fn take_weights(graph: &mut GraphProto) -> Result<Vec<(String, Tensor)>, Error> {
    let mut weights = Vec::new();
    for constant in &mut graph.initializer {
        let dtype = Dtype::from_code(constant.data_type).filter(|dtype| is_floating(*dtype));
        let (Some(dtype), Some(data)) = (dtype, &constant.raw_data) else { continue };
        if data.len() >= BY_REFERENCE {
            let wrong = || Error::malformed(format!("{:?} does not have the bytes of its shape", constant.name));
            let tensor = Tensor::checked(dtype, constant.dims.clone(), data.clone()).ok_or_else(wrong)?;
            *constant = declaration(&constant.name, &tensor);
            weights.push((constant.name.clone(), tensor));
        }
    }
    Ok(weights)
}

fn is_floating(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F32 | Dtype::F64 | Dtype::F16 | Dtype::Bf16)
}

fn encode(graph: &Graph, threshold: usize) -> Result<Written, Error> {
    let mut by_reference = Vec::new();
    let mut initializer = Vec::new();
    let used = used_values(graph)?;
    for (&id, tensor) in graph.constants.iter().filter(|(id, _)| used.contains(id)) {
        let name = graph.value(id).name.clone();
        if is_floating(tensor.dtype()) && tensor.bytes().len() >= threshold {
            initializer.push(declaration(&name, tensor));
            by_reference.push((name, Arc::clone(tensor)));
        } else {
            initializer.push(inline(&name, tensor));
        }
    }
    let input = graph.inputs.iter().map(|&id| input(graph, id)).collect::<Result<_, _>>()?;
    let output = graph.outputs.iter().map(|&id| ValueInfoProto { name: graph.value(id).name.clone(), r#type: None });
    let mut opset_import = vec![OperatorSetIdProto { domain: String::new(), version: graph.opset }];
    let others = graph.domains.iter().map(|(domain, &version)| (domain.clone(), version));
    opset_import.extend(others.map(|(domain, version)| OperatorSetIdProto { domain, version }));
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "whyglass".into(),
        graph: Some(GraphProto {
            node: graph.nodes.iter().map(|n| node(graph, n)).collect(),
            name: "graph".into(),
            initializer,
            input,
            output: output.collect(),
            value_info: Vec::new(),
        }),
        opset_import,
        functions: Vec::new(),
    };
    Ok(Written { bytes: model.encode_to_vec(), by_reference })
}

/// Every value that the file will mention. Two of the same name would be confused with each other.
fn used_values(graph: &Graph) -> Result<BTreeSet<ValueId>, Error> {
    let of_nodes = graph.nodes.iter().flat_map(|node| node.inputs.iter().chain(&node.outputs)).flatten();
    let used: BTreeSet<ValueId> = of_nodes.chain(&graph.inputs).chain(&graph.outputs).copied().collect();
    let mut names = HashSet::new();
    for &id in &used {
        let name = graph.value(id).name.as_str();
        if name.is_empty() || !names.insert(name) {
            return Err(Error::malformed(format!("two values are called {name:?}")));
        }
    }
    Ok(used)
}

fn input(graph: &Graph, id: ValueId) -> Result<ValueInfoProto, Error> {
    let value = graph.value(id);
    let shape = value.shape.as_ref();
    let shape = shape.ok_or_else(|| Error::malformed(format!("input {:?} has no shape", value.name)))?;
    // An open dimension, −1, is one of which a file says nothing.
    let open = |dim: &i64| DimensionProto { dim_value: (*dim >= 0).then_some(*dim), dim_param: None };
    let dim = shape.iter().map(open).collect();
    let tensor = TensorTypeProto { elem_type: Dtype::F32 as i32, shape: Some(TensorShapeProto { dim }) };
    Ok(ValueInfoProto { name: value.name.clone(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) })
}

fn node(graph: &Graph, node: &Node) -> NodeProto {
    let names = |ids: &[Option<ValueId>]| {
        ids.iter().map(|id| id.map_or_else(String::new, |id| graph.value(id).name.clone())).collect()
    };
    NodeProto {
        input: names(&node.inputs),
        output: names(&node.outputs),
        name: node.name.clone(),
        op_type: node.op.clone(),
        attribute: node.attributes.iter().map(|(name, value)| attribute(name, value)).collect(),
        domain: node.domain.clone(),
        overload: String::new(),
        metadata_props: Vec::new(),
    }
}

fn attribute(name: &str, value: &Attribute) -> AttributeProto {
    let mut proto = AttributeProto { name: name.to_owned(), ..Default::default() };
    let kind = match value {
        Attribute::Int(value) => {
            proto.i = *value;
            AttributeType::Int
        }
        Attribute::Float(value) => {
            proto.f = *value;
            AttributeType::Float
        }
        Attribute::String(value) => {
            proto.s.clone_from(value);
            AttributeType::String
        }
        Attribute::Tensor(tensor) => {
            proto.t = Some(inline("", tensor));
            AttributeType::Tensor
        }
        Attribute::Ints(values) => {
            proto.ints.clone_from(values);
            AttributeType::Ints
        }
        Attribute::Floats(values) => {
            proto.floats.clone_from(values);
            AttributeType::Floats
        }
        Attribute::Strings(values) => {
            proto.strings.clone_from(values);
            AttributeType::Strings
        }
    };
    proto.r#type = kind as i32;
    proto
}

fn inline(name: &str, tensor: &Tensor) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: tensor.shape().to_vec(),
        data_type: tensor.dtype() as i32,
        raw_data: Some(tensor.bytes().clone()),
        ..Default::default()
    }
}

/// An initialiser called `name` whose data is handed over beside the file.
#[must_use]
pub fn declaration(name: &str, tensor: &Tensor) -> TensorProto {
    let entry = |key: &str, value: String| StringStringEntryProto { key: key.to_owned(), value };
    TensorProto {
        name: name.to_owned(),
        dims: tensor.shape().to_vec(),
        data_type: tensor.dtype() as i32,
        data_location: EXTERNAL,
        external_data: vec![
            entry("location", NOWHERE.into()),
            entry("offset", "0".into()),
            entry("length", tensor.bytes().len().to_string()),
        ],
        ..Default::default()
    }
}
