//! Operators of our own, for engines that have kernels for them; and what an engine's optimiser sees in their place.
//!
//! There is one: `whyglass::Mask(g, x)` is `g` where `lower < x < upper`, else 0, element by element. A rectifier's way
//! back takes three passes over memory without it.
//!
//! An optimiser that keeps feature maps in a layout of its own puts operators that it does not know outside of it, and
//! changes layouts around each. So it is shown a product instead ([`stand_in`]), which may be computed in any layout, as a
//! mask may; in what it has made of the graph, each product that is found again becomes the mask that it stood for
//! ([`StandIns::restore`]).

use crate::proto::{AttributeProto, AttributeType, ModelProto, OperatorSetIdProto};
use crate::{Attribute, Error, Graph, Node};
use bytes::Bytes;
use prost::Message as _;
use std::collections::HashMap;

/// The domain of operators of our own. Its version is 1.
pub const DOMAIN: &str = "whyglass";
/// The operator's name.
pub const MASK: &str = "Mask";

/// For which operators of our own an engine has a kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OwnKernels {
    /// `Mask`.
    pub mask: bool,
}

/// What a `Mask` lets pass: where `lower < x < upper`, which may be infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mask {
    pub lower: f32,
    pub upper: f32,
}

impl Mask {
    /// What `node` lets pass, if it is a mask.
    #[must_use]
    pub fn of(node: &Node) -> Option<Self> {
        let is_mask = node.domain == DOMAIN && node.op == MASK;
        is_mask
            .then(|| Self { lower: node.float("lower", f32::NEG_INFINITY), upper: node.float("upper", f32::INFINITY) })
    }

    pub(crate) fn attributes(self) -> [(&'static str, Attribute); 2] {
        [("lower", self.lower.into()), ("upper", self.upper.into())]
    }
}

/// The masks of a graph, by the names of the products that stand for them.
#[derive(Clone, Debug)]
pub struct StandIns {
    masks: HashMap<String, Mask>,
}

/// `graph` with a product in place of each mask; `None` if it has none.
#[must_use]
pub fn stand_in(graph: &Graph) -> Option<(Graph, StandIns)> {
    if !graph.nodes.iter().any(|node| Mask::of(node).is_some()) {
        return None;
    }
    let mut graph = graph.clone();
    graph.domains.remove(DOMAIN);
    let mut masks = HashMap::new();
    for (index, node) in graph.nodes.iter_mut().enumerate() {
        let Some(mask) = Mask::of(node) else { continue };
        node.name = format!("{DOMAIN}/stand-in/{index}");
        (node.domain, node.op) = (String::new(), "Mul".into());
        node.attributes.clear();
        masks.insert(node.name.clone(), mask);
    }
    Some((graph, StandIns { masks }))
}

impl StandIns {
    /// The ONNX file `optimised`, made of the graph with stand-ins, with the masks back in it.
    ///
    /// # Errors
    /// If one of the products is not there any more as it was, or the bytes are no ONNX file.
    pub fn restore(&self, optimised: Bytes) -> Result<Vec<u8>, Error> {
        let mut model = ModelProto::decode(optimised).map_err(|error| Error::malformed(error.to_string()))?;
        let graph = model.graph.as_mut().ok_or_else(|| Error::malformed("an ONNX file without a graph"))?;
        let mut found = 0;
        for node in &mut graph.node {
            let Some(mask) = self.masks.get(&node.name) else { continue };
            if node.op_type != "Mul" || !node.domain.is_empty() || node.input.len() != 2 {
                return Err(Error::malformed(format!("the mask {:?} has become a {}", node.name, node.op_type)));
            }
            (node.domain, node.op_type) = (DOMAIN.into(), MASK.into());
            node.attribute = vec![float("lower", mask.lower), float("upper", mask.upper)];
            found += 1;
        }
        if found != self.masks.len() {
            return Err(Error::malformed(format!("{found} masks of {} are left", self.masks.len())));
        }
        model.opset_import.push(OperatorSetIdProto { domain: DOMAIN.into(), version: 1 });
        Ok(model.encode_to_vec())
    }
}

fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: name.into(), f, r#type: AttributeType::Float as i32, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::{Builder, DerivedConstants};
    use crate::write;

    /// A mask between a sum and a root, and its file with a stand-in.
    fn masked() -> (Graph, StandIns, Bytes) {
        let mut graph = Graph { opset: 17, ..Default::default() };
        let shape = vec![1, 3, 2, 2];
        graph.inputs = ["g", "x"].map(|name| graph.add_value(name, Some(shape.clone()))).to_vec();
        let (g, x, derived) = (graph.inputs[0], graph.inputs[1], DerivedConstants::default());
        let mut b = Builder::new(graph, &derived);
        let sum = b.add(g, x).unwrap();
        let masked = b.mask(sum, x, Mask { lower: 0.0, upper: 6.0 }).unwrap();
        let root = b.unary("Sqrt", masked).unwrap();
        let mut graph = b.finish();
        graph.outputs = vec![root];
        let (shown, stand_ins) = stand_in(&graph).unwrap();
        let file = write(&shown).unwrap().bytes.into();
        (graph, stand_ins, file)
    }

    #[test]
    fn a_restored_file_is_the_one_that_was_never_changed() {
        let (graph, stand_ins, file) = masked();
        let mut wanted = ModelProto::decode(&*write(&graph).unwrap().bytes).unwrap();
        let mut found = ModelProto::decode(&*stand_ins.restore(file).unwrap()).unwrap();
        for model in [&mut wanted, &mut found] {
            model.graph.as_mut().unwrap().node.iter_mut().for_each(|node| node.name.clear());
        }
        assert_eq!(found, wanted);
        assert!(stand_in(&Graph::default()).is_none());
    }

    #[test]
    fn a_product_that_is_gone_or_has_changed_is_an_error() {
        let (_, stand_ins, file) = masked();
        let changed = |change: fn(&mut Vec<crate::proto::NodeProto>)| {
            let mut model = ModelProto::decode(file.clone()).unwrap();
            change(&mut model.graph.as_mut().unwrap().node);
            stand_ins.restore(model.encode_to_vec().into()).unwrap_err().to_string()
        };
        assert!(changed(|nodes| drop(nodes.remove(1))).contains("0 masks of 1"));
        assert!(changed(|nodes| nodes[1].op_type = "Add".into()).contains("Add"));
        assert!(changed(|nodes| drop(nodes[1].input.pop())).contains("Mul"));
        assert!(stand_ins.restore(Bytes::from_static(b"\xff\xff")).is_err());
    }
}
