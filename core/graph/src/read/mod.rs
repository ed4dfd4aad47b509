//! ONNX file → [`Graph`]: the file is not trusted, the graph is.
//!
//! Everything a file may get wrong is found here, with an error that names it: names, order, sizes, versions. What the
//! outputs do not need is never looked at, so that an unsupported node in a dead branch harms nobody. Nothing here
//! knows what an operator means, but for `Constant`, which is a constant. Functions of the file are written out.

mod attribute;
mod external;
mod functions;
mod order;
mod tensor;

use crate::proto::{GraphProto, ModelProto, NodeProto, TensorProto};
use crate::{Attribute, Dtype, Error, Graph, Node, Tensor, ValueId, own};
use bytes::Bytes;
use prost::Message as _;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// The versions of ONNX's operator set that are understood.
pub const OPSETS: std::ops::RangeInclusive<i64> = 7..=23;

/// No network has more, and what is done with a graph takes time that grows with it.
const MOST_NODES: usize = 100_000;
/// Of these, as many as outputs may need.
const MOST_NEEDED: usize = 20_000;

/// Reads the model at `path`. Weights in other files are looked for in its folder, and nowhere else.
///
/// Shapes of the graph's inputs are kept as the file declares them, −1 where a dimension is open.
///
/// # Errors
/// If there is no such file, or it is not an ONNX model that this crate handles.
pub fn read(path: &Path) -> Result<Graph, Error> {
    let data = external::read_whole(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    // A bare file name has the empty path as its parent: that is the current directory.
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    read_bytes(data.into(), Some(folder))
}

/// Reads a model from memory. `folder` is where its external data lies; without one it may have none.
///
/// # Errors
/// As [`read`].
pub fn read_bytes(data: Bytes, folder: Option<&Path>) -> Result<Graph, Error> {
    let model = ModelProto::decode(data).map_err(|error| Error::malformed(format!("not an ONNX file ({error})")))?;
    let (opset, mut domains) = operator_sets(&model)?;
    let mut proto = model.graph.ok_or_else(|| Error::malformed("the file holds no graph"))?;
    functions::inline(&mut proto, &model.functions, opset, &mut domains)?;
    let nodes = proto.node.len();
    if nodes > MOST_NODES {
        return Err(Error::unsupported(format!("{nodes} nodes are too many: no more than {MOST_NODES} are read")));
    }
    let reader = Reader { folder, ..Reader::new(&proto)? };
    let mut graph = reader.graph(&proto)?;
    graph.opset = opset;
    graph.domains = domains;
    Ok(graph)
}

/// The version of ONNX's own operators, and of others by domain.
fn operator_sets(model: &ModelProto) -> Result<(i64, BTreeMap<String, i64>), Error> {
    let mut opset = None;
    let mut domains = BTreeMap::new();
    for import in &model.opset_import {
        if own_domain(&import.domain) {
            opset = Some(import.version);
        } else {
            domains.insert(import.domain.clone(), import.version);
        }
    }
    // Files of the first format have no imports, and mean version 1.
    let opset = opset.unwrap_or(1);
    if !OPSETS.contains(&opset) {
        return Err(Error::unsupported(format!(
            "operator set {opset}; export the model again with one of {} to {}",
            OPSETS.start(),
            OPSETS.end()
        )));
    }
    Ok((opset, domains))
}

fn own_domain(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

/// Where each name of a file's graph comes from.
enum Source<'a> {
    Input,
    Initialiser(&'a TensorProto),
    Node(usize),
}

struct Reader<'a> {
    folder: Option<&'a Path>,
    sources: HashMap<&'a str, Source<'a>>,
}

impl<'a> Reader<'a> {
    fn new(proto: &'a GraphProto) -> Result<Self, Error> {
        let mut sources: HashMap<&str, Source<'_>> = HashMap::new();
        for tensor in &proto.initializer {
            if tensor.name.is_empty() {
                return Err(Error::malformed("an initialiser without a name"));
            }
            if sources.insert(&tensor.name, Source::Initialiser(tensor)).is_some() {
                return Err(Error::malformed(format!("two initialisers are called {:?}", tensor.name)));
            }
        }
        let mut inputs = HashSet::new();
        for input in &proto.input {
            if input.name.is_empty() || !inputs.insert(input.name.as_str()) {
                return Err(Error::malformed(format!("graph input {:?} is listed twice or has no name", input.name)));
            }
            // Old files list initialisers among the inputs: then they are defaults, and stay what they are.
            sources.entry(&input.name).or_insert(Source::Input);
        }
        for (index, node) in proto.node.iter().enumerate() {
            for output in node.output.iter().filter(|output| !output.is_empty()) {
                if sources.insert(output, Source::Node(index)).is_some() {
                    return Err(Error::malformed(format!("{output:?} is made twice, once by {}", describe(node))));
                }
            }
        }
        Ok(Self { folder: None, sources })
    }

    fn graph(&self, proto: &GraphProto) -> Result<Graph, Error> {
        if proto.output.is_empty() {
            return Err(Error::malformed("the graph has no outputs"));
        }
        let producer = |name: &str| match self.sources.get(name) {
            Some(Source::Node(index)) => Some(*index),
            _ => None,
        };
        let outputs: Vec<&str> = proto.output.iter().map(|output| output.name.as_str()).collect();
        let order = order::sort(&proto.node, &outputs, producer)?;
        if order.len() > MOST_NEEDED {
            let nodes = order.len();
            return Err(Error::unsupported(format!(
                "{nodes} nodes lead to the outputs: more than {MOST_NEEDED} are not run"
            )));
        }

        let mut names = Names { reader: self, graph: Graph::default(), ids: HashMap::new() };
        for input in &proto.input {
            if matches!(self.sources.get(input.name.as_str()), Some(Source::Input)) {
                let id = names.declare(&input.name, declared_shape(input));
                names.graph.inputs.push(id);
            }
        }
        for index in order {
            names.add_node(&proto.node[index])?;
        }
        for output in outputs {
            let id = names.resolve(output, "a graph output")?;
            if !names.graph.outputs.contains(&id) {
                names.graph.outputs.push(id);
            }
        }
        check_input_types(&names.graph, proto)?;
        Ok(names.graph)
    }
}

/// The graph while it grows, and which value each name stands for.
struct Names<'a> {
    reader: &'a Reader<'a>,
    graph: Graph,
    ids: HashMap<String, ValueId>,
}

impl Names<'_> {
    fn declare(&mut self, name: &str, shape: Option<Vec<i64>>) -> ValueId {
        let id = self.graph.add_value(name, shape);
        self.ids.insert(name.to_owned(), id);
        id
    }

    /// The value called `name`; an initialiser becomes a constant when it is first asked for.
    fn resolve(&mut self, name: &str, whose: &str) -> Result<ValueId, Error> {
        if let Some(id) = self.ids.get(name) {
            return Ok(*id);
        }
        let Some(Source::Initialiser(proto)) = self.reader.sources.get(name) else {
            return Err(Error::malformed(format!("nothing makes {name:?}, which is {whose}")));
        };
        let tensor = Arc::new(tensor::read(proto, self.reader.folder)?);
        Ok(self.constant(name, tensor))
    }

    fn constant(&mut self, name: &str, tensor: Arc<Tensor>) -> ValueId {
        let id = self.declare(name, Some(tensor.shape().to_vec()));
        self.graph.constants.insert(id, tensor);
        id
    }

    fn add_node(&mut self, proto: &NodeProto) -> Result<(), Error> {
        let mut attributes = BTreeMap::new();
        for attribute in &proto.attribute {
            let value = attribute::read(attribute, self.reader.folder).map_err(|error| match error {
                Error::Unsupported { what } => Error::unsupported(format!("{}: {what}", describe(proto))),
                Error::Malformed { what } => Error::malformed(format!("{}: {what}", describe(proto))),
                other => other,
            })?;
            // What begins like this means nothing to an operator, and may mean something to us.
            if !attribute.name.starts_with("__") {
                attributes.insert(attribute.name.clone(), value);
            }
        }
        let domain = if own_domain(&proto.domain) { String::new() } else { proto.domain.clone() };
        if domain == own::DOMAIN {
            return Err(Error::unsupported(format!(
                "{}: operators of {domain:?} are not a file's to use",
                describe(proto)
            )));
        }
        if domain.is_empty() && proto.op_type == "Constant" {
            let name = proto.output.first().filter(|name| !name.is_empty());
            let name = name.ok_or_else(|| Error::malformed("a Constant without an output"))?;
            self.constant(name, constant_value(proto, &attributes)?);
            return Ok(());
        }
        let mut inputs = Vec::with_capacity(proto.input.len());
        for name in &proto.input {
            inputs.push(match name.as_str() {
                "" => None,
                name => Some(self.resolve(name, &format!("an input of {}", describe(proto)))?),
            });
        }
        let outputs = proto.output.iter().map(|name| match name.as_str() {
            "" => None,
            name => Some(self.declare(name, None)),
        });
        let outputs = outputs.collect();
        let name = if proto.name.is_empty() { proto.output.iter().find(|name| !name.is_empty()) } else { None };
        let name = name.unwrap_or(&proto.name);
        let name = scope(proto).map_or_else(|| name.clone(), |scope| format!("{scope}/{name}"));
        self.graph.nodes.push(Node { name, domain, op: proto.op_type.clone(), inputs, outputs, attributes });
        Ok(())
    }
}

/// The path of the module that a node comes from, where the exporter wrote it beside the node instead of into its name:
/// `['', 'layer1', 'layer1.0', 'layer1.0.conv1', 'conv2d_1']`, whose last part is the node.
fn scope(proto: &NodeProto) -> Option<&str> {
    let scopes = proto.metadata_props.iter().find(|entry| entry.key == "pkg.torch.onnx.name_scopes")?;
    let names: Vec<&str> = scopes.value.split('\'').skip(1).step_by(2).collect();
    let [.., module, _] = names[..] else { return None };
    Some(module).filter(|module| !module.is_empty())
}

/// The value of a `Constant`, in whichever of its spellings.
fn constant_value(proto: &NodeProto, attributes: &BTreeMap<String, Attribute>) -> Result<Arc<Tensor>, Error> {
    let tensor = attributes.iter().find_map(|(name, value)| match (name.as_str(), value) {
        ("value", Attribute::Tensor(tensor)) => Some(Arc::clone(tensor)),
        ("value_float", Attribute::Float(value)) => Some(Arc::new(Tensor::f32(&[], &[*value]))),
        ("value_floats", Attribute::Floats(values)) => Some(Arc::new(Tensor::f32(&[values.len() as i64], values))),
        ("value_int", Attribute::Int(value)) => Some(Arc::new(Tensor::i64(&[], &[*value]))),
        ("value_ints", Attribute::Ints(values)) => Some(Arc::new(Tensor::i64(&[values.len() as i64], values))),
        _ => None,
    });
    tensor.ok_or_else(|| Error::unsupported(format!("{} holds no number", describe(proto))))
}

fn declared_shape(input: &crate::proto::ValueInfoProto) -> Option<Vec<i64>> {
    let shape = input.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref()?;
    Some(shape.dim.iter().map(|dim| dim.dim_value.unwrap_or(-1)).collect())
}

/// Only float32 can be fed; a file whose input is bytes or halves says so instead of failing later.
fn check_input_types(graph: &Graph, proto: &GraphProto) -> Result<(), Error> {
    let used: HashSet<ValueId> = graph.nodes.iter().flat_map(|node| node.inputs.iter().flatten().copied()).collect();
    for &id in graph.inputs.iter().filter(|id| used.contains(id)) {
        let name = &graph.value(id).name;
        let input = proto.input.iter().find(|input| input.name == *name);
        let tensor = input.and_then(|input| input.r#type.as_ref()).and_then(|r#type| r#type.tensor_type.as_ref());
        let code = tensor.map_or(0, |tensor| tensor.elem_type);
        if Dtype::from_code(code) != Some(Dtype::F32) {
            let kind = Dtype::from_code(code).map_or_else(|| format!("type {code}"), |dtype| format!("{dtype:?}"));
            return Err(Error::unsupported(format!("input {name:?} is {kind}; export the model with a float32 input")));
        }
    }
    Ok(())
}

/// How an error names a node.
fn describe(node: &NodeProto) -> String {
    let name = Some(&node.name).filter(|name| !name.is_empty()).or(node.output.first());
    format!("{} {:?}", node.op_type, name.map_or("", String::as_str))
}
