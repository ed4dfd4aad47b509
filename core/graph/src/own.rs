//! Operators of our own, for engines that have kernels for them; and what an engine's optimiser sees in their place.
//!
//! `whyglass::Mask(g, x)` is `g` where `lower < x < upper`, else 0, element by element. A rectifier's way back takes three passes
//! over memory without it. `whyglass::MaxPoolGrad(g, x)` is each `g` where the maximum of its window of `x` is, of equal ones the
//! first in the order of the plane, added up where windows overlap. Without it max pooling must tell where its maxima were, which takes
//! longer than the pooling. It has the attributes of the pooling, of two axes: `kernel_shape`, `strides`, `dilations`, `pads`.
//! `whyglass::Interleave(phase, …)` is a map of so many rows and columns as the attribute `size` says, whose cell
//! `(i·stride + y, j·stride + x)` is cell `(i, j)` of phase `y·stride + x`. The attribute `phases` says which are given; the others
//! are zero. In ONNX's own operators it takes several passes, outside of the layout that convolutions are fast in.
//!
//! An optimiser that keeps feature maps in a layout of its own puts operators that it does not know outside of it, and
//! changes layouts around each. So instead of a mask it is shown a product ([`stand_in`]), which may be computed in any layout, as a
//! mask may; in what it has made of the graph, each such product becomes a mask again ([`StandIns::restore`]). The product
//! carries the bounds as attributes, by which it differs from real products: an optimiser that computes equal things once
//! would else take the one for the other.

use crate::proto::{AttributeProto, AttributeType, ModelProto, NodeProto, OperatorSetIdProto};
use crate::{Attribute, Graph, Node};

/// The domain of operators of our own. Its version is 1.
pub const DOMAIN: &str = "whyglass";
/// The mask's name.
pub const MASK: &str = "Mask";
/// The name of the way back through max pooling.
pub const MAX_POOL_GRAD: &str = "MaxPoolGrad";

/// The name of what makes one map of phases.
pub const INTERLEAVE: &str = "Interleave";

/// The attribute of a depthwise convolution that does nothing but pick a phase of a feature map, every second row and column,
/// say: `row·stride + column` of its first cell. A kernel that reads the phase by itself can go without what was picked.
pub const PHASE: &str = "__phase";

/// Bounds on a product. Attributes that an operator does not have may begin like this (onnx/checker.cc).
const STOOD_FOR: [&str; 2] = ["__mask_lower", "__mask_upper"];

/// For which operators of our own an engine has a kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OwnKernels {
    /// `Mask`.
    pub mask: bool,
    /// `MaxPoolGrad`.
    pub max_pool_grad: bool,
    /// `Interleave`.
    pub interleave: bool,
}

impl OwnKernels {
    /// For none of them.
    pub const NONE: Self = Self { mask: false, max_pool_grad: false, interleave: false };
    /// For all of them.
    pub const ALL: Self = Self { mask: true, max_pool_grad: true, interleave: true };
}

/// What a `Mask` lets pass: where `lower < x < upper`, which may be infinite. Both are attributes of the node.
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

/// The masks for which products stand.
#[derive(Clone, Copy, Debug)]
pub struct StandIns {
    masks: usize,
}

/// `graph` with a product in place of each mask; `None` if it has none.
#[must_use]
pub fn stand_in(graph: &Graph) -> Option<(Graph, StandIns)> {
    if !graph.nodes.iter().any(|node| Mask::of(node).is_some()) {
        return None;
    }
    let (mut graph, mut masks) = (graph.clone(), 0);
    if graph.nodes.iter().all(|node| node.domain != DOMAIN || Mask::of(node).is_some()) {
        graph.domains.remove(DOMAIN);
    }
    for node in &mut graph.nodes {
        let Some(mask) = Mask::of(node) else { continue };
        (node.domain, node.op) = (String::new(), "Mul".into());
        let bounds = STOOD_FOR.into_iter().zip([mask.lower, mask.upper]);
        node.attributes = bounds.map(|(name, bound)| (name.to_owned(), bound.into())).collect();
        masks += 1;
    }
    Some((graph, StandIns { masks }))
}

impl StandIns {
    /// Puts the masks back into `model`, which an engine has made of the graph with stand-ins. False if not each of the products is
    /// there as it was: then there is no telling what became of the mask, and the model is of no use.
    #[must_use]
    pub fn restore(self, model: &mut ModelProto) -> bool {
        let mut found = 0;
        for node in model.graph.iter_mut().flat_map(|graph| &mut graph.node) {
            let Some(bounds) = stood_for(node) else { continue };
            if node.op_type != "Mul" || !node.domain.is_empty() || node.input.len() != 2 {
                return false;
            }
            (node.domain, node.op_type) = (DOMAIN.into(), MASK.into());
            let names = ["lower", "upper"].into_iter().zip(bounds);
            node.attribute = names.map(|(name, bound)| float(name, bound)).collect();
            found += 1;
        }
        import(model);
        found == self.masks
    }
}

/// Says in `model` that it has operators of our own.
pub fn import(model: &mut ModelProto) {
    if !model.opset_import.iter().any(|set| set.domain == DOMAIN) {
        model.opset_import.push(OperatorSetIdProto { domain: DOMAIN.into(), version: 1 });
    }
}

/// The bounds that a node carries for a mask, if any.
fn stood_for(node: &NodeProto) -> Option<[f32; 2]> {
    let bound = |name| node.attribute.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.f);
    let [lower, upper] = STOOD_FOR.map(bound);
    Some([lower?, upper?])
}

fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: name.into(), f, r#type: AttributeType::Float as i32, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::{Builder, DerivedConstants};
    use crate::write;
    use prost::Message as _;

    fn file(graph: &Graph) -> ModelProto {
        ModelProto::decode(&*write(graph).unwrap().bytes).unwrap()
    }

    /// A mask between a sum and a root, and its file with a stand-in.
    fn masked() -> (Graph, StandIns, ModelProto) {
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
        (graph, stand_ins, file(&shown))
    }

    #[test]
    fn a_restored_file_is_the_one_that_was_never_changed() {
        let (graph, stand_ins, mut found) = masked();
        assert!(stand_ins.restore(&mut found));
        assert_eq!(found, file(&graph));
        assert!(stand_in(&Graph::default()).is_none());
    }

    #[test]
    fn a_file_in_which_a_product_is_gone_or_has_changed_is_not_used() {
        let (_, stand_ins, file) = masked();
        let changed = |change: fn(&mut Vec<NodeProto>)| {
            let mut model = file.clone();
            change(&mut model.graph.as_mut().unwrap().node);
            stand_ins.restore(&mut model)
        };
        assert!(changed(|_| ()));
        assert!(!changed(|nodes| drop(nodes.remove(1))));
        assert!(!changed(|nodes| nodes[1].attribute.clear()));
        assert!(!changed(|nodes| nodes[1].op_type = "Add".into()));
        assert!(!changed(|nodes| drop(nodes[1].input.pop())));
        assert!(!changed(|nodes| nodes.push(nodes[1].clone())));
    }
}
