//! Puts the way from pixels to what the file expects in front of its input, as nodes: so gradients, occluders and
//! dreams are in pixel space by construction.

use crate::roles::Layout;
use crate::{Attribute, Graph, Node, Tensor, ValueId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// `(x·scale − mean) / std` per channel, x in 0…1, channels in the order red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization {
    pub scale: f32,
    pub mean: [f32; 3],
    pub std: [f32; 3],
    /// The file wants blue first.
    pub bgr: bool,
}

impl Normalization {
    /// The colour that becomes zero, red, green, blue in 0…1 (if it is a colour at all: nothing is clipped).
    #[must_use]
    pub fn mean_colour(&self) -> [f32; 3] {
        self.mean.map(|mean| mean / self.scale)
    }

    /// Factor and summand per channel.
    fn affine(&self) -> [(f32, f32); 3] {
        std::array::from_fn(|channel| {
            let (scale, mean, std) =
                (f64::from(self.scale), f64::from(self.mean[channel]), f64::from(self.std[channel]));
            ((scale / std) as f32, (-mean / std) as f32)
        })
    }
}

/// Makes a new value the graph's only input, pixels N×3×H×W, and returns it; `file_input` is computed from it.
/// Where there is nothing to do, that is `file_input` itself.
pub(crate) fn put_in_front(
    graph: &mut Graph,
    file_input: ValueId,
    layout: Layout,
    normalization: Option<&Normalization>,
) -> ValueId {
    if normalization.is_none() && layout == Layout::ChannelsFirst {
        graph.inputs = vec![file_input];
        return file_input;
    }
    let pixels = graph.add_value(graph.unique_name("pixels"), None);
    let mut steps = Steps { graph, nodes: Vec::new(), last: pixels };
    if let Some(normalization) = normalization {
        let affine = normalization.affine();
        if normalization.bgr {
            // Order, factor and summand in one: output channel o is affine in input channel 2 − o.
            let mut weight = [0.0; 9];
            for output in 0..3 {
                weight[output * 3 + 2 - output] = affine[2 - output].0;
            }
            let summand: [f32; 3] = std::array::from_fn(|output| affine[2 - output].1);
            steps.add("Conv", &[(&[3, 3, 1, 1], &weight), (&[3], &summand)]);
        } else {
            steps.add("Mul", &[(&[1, 3, 1, 1], &affine.map(|(factor, _)| factor))]);
            steps.add("Add", &[(&[1, 3, 1, 1], &affine.map(|(_, summand)| summand))]);
        }
    }
    if layout == Layout::ChannelsLast {
        steps.add("Transpose", &[]);
        let transpose = steps.nodes.last_mut().expect("a node was just added");
        transpose.attributes.insert("perm".into(), Attribute::Ints(vec![0, 2, 3, 1]));
    }
    let mut nodes = steps.nodes;
    // The last of them makes what the file calls its input, whose shape is then not the file's to say.
    graph.values[file_input.0 as usize].shape = None;
    nodes.last_mut().expect("there is something to do").outputs = vec![Some(file_input)];
    nodes.append(&mut graph.nodes);
    graph.nodes = nodes;
    graph.inputs = vec![pixels];
    pixels
}

struct Steps<'g> {
    graph: &'g mut Graph,
    nodes: Vec<Node>,
    last: ValueId,
}

impl Steps<'_> {
    fn add(&mut self, op: &str, constants: &[(&[i64], &[f32])]) {
        let name = format!("normalise/{}", op.to_lowercase());
        let mut inputs = vec![Some(self.last)];
        for (index, (shape, data)) in constants.iter().enumerate() {
            let name = self.graph.unique_name(&format!("{name}/{index}"));
            let id = self.graph.add_value(name, Some(shape.to_vec()));
            self.graph.constants.insert(id, Arc::new(Tensor::f32(shape, data)));
            inputs.push(Some(id));
        }
        let name = self.graph.unique_name(&name);
        self.last = self.graph.add_value(name.clone(), None);
        let outputs = vec![Some(self.last)];
        self.nodes.push(Node {
            name,
            domain: String::new(),
            op: op.to_owned(),
            inputs,
            outputs,
            attributes: BTreeMap::new(),
        });
    }
}
