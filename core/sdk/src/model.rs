//! The model as both sides see it: a back end implements [`Model`], a technique is handed one. Two verbs, `run` and
//! `vjp`, over named nodes; no weights, no layers, no runtime.

use crate::{Call, Error, Result, Tensor, TensorView, json};

/// Node id of the pixels: N×3×H×W, RGB in 0…1. Normalisation is inside the model.
pub const INPUT: &str = "input";
/// Node id of the scores before the final softmax: N×C.
pub const LOGITS: &str = "logits";
/// Node id of the softmax of the logits: N×C.
pub const PROBABILITIES: &str = "probabilities";
/// Node id of what feeds the global pooling or the flatten, where the network has one: N×K×h×w.
pub const FEATURES: &str = "features";

/// What Relu, Clip from 0, LeakyRelu and PRelu do on the way back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Their derivative.
    #[default]
    Standard,
    /// Guided backpropagation: passes where the forward value *and* the cotangent are positive.
    Guided,
    /// Deconvnet: passes where the cotangent is positive.
    Deconvnet,
}

/// What is put in at a node on the way back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cotangent<'a> {
    /// A tensor of the node's shape.
    Tensor(TensorView<'a>),
    /// The node's own value: the gradient of half its squared norm.
    Itself,
}

/// A vector–Jacobian product: what [`Model::vjp`] is asked.
#[derive(Clone, Copy, Debug)]
pub struct Vjp<'a> {
    /// Values of nodes for the forward pass.
    pub feeds: &'a [(&'a str, TensorView<'a>)],
    /// Where the way back begins, and with what.
    pub cotangents: &'a [(&'a str, Cotangent<'a>)],
    /// The nodes whose gradients are wanted. One that is upstream of no cotangent gets zeros.
    pub wrt: &'a [&'a str],
    /// Nodes whose values of the same forward pass are wanted too.
    pub fetches: &'a [&'a str],
    pub rule: Rule,
}

/// The answer to a [`Vjp`], in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients {
    /// One per `wrt`, of the node's shape.
    pub wrt: Vec<Tensor>,
    /// One per `fetches`.
    pub fetches: Vec<Tensor>,
}

/// Rows `top..bottom` and columns `left..right` of a picture. One that is empty hides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rect {
    pub top: usize,
    pub left: usize,
    pub bottom: usize,
    pub right: usize,
}

/// One picture, and what is to be hidden of it: what [`Model::occlude`] is asked.
#[derive(Clone, Copy, Debug)]
pub struct Occlusion<'a> {
    /// 1×3×H×W, as [`INPUT`].
    pub picture: TensorView<'a>,
    /// Of the same shape: what shows where the picture is hidden.
    pub fill: TensorView<'a>,
    /// One evaluation each.
    pub rects: &'a [Rect],
    /// The node whose values are wanted.
    pub fetch: &'a str,
}

/// A loaded model. Any thread may call it, several at once.
///
/// Ids: [`INPUT`], [`LOGITS`], [`PROBABILITIES`] and [`FEATURES`] always mean these; any other is a value's name in
/// the file. The batch size N is free: a back end that cannot batch loops over the rows.
pub trait Model: Send + Sync {
    /// Input size, layers, capabilities. A technique that uses only the reserved ids need not look.
    fn descriptor(&self) -> &json::ModelDescriptor;

    /// Feeds values to nodes and returns those of `fetches`, in order. Feeding an inner node cuts off what is upstream.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` naming a node that is not known or a needed input that is not fed; `CANCELLED`.
    fn run(&self, call: &Call<'_>, feeds: &[(&str, TensorView<'_>)], fetches: &[&str]) -> Result<Vec<Tensor>>;

    /// Reverse-mode derivatives from any nodes to any nodes.
    ///
    /// # Errors
    /// As [`Model::run`]; `FAILED_PRECONDITION` naming an operator on the path that has no derivative; `UNIMPLEMENTED`
    /// where the model has no gradients at all.
    fn vjp(&self, call: &Call<'_>, vjp: &Vjp<'_>) -> Result<Gradients> {
        let _ = (call, vjp);
        Err(Error::unimplemented("this model has no gradients: use a technique that needs none"))
    }

    /// As [`Model::run`] on the picture with each rectangle filled, up to rounding, for less work: `put` gets the values of
    /// some rectangles, in order, with the number of the first. Its error ends the call.
    ///
    /// # Errors
    /// As [`Model::run`]; `UNIMPLEMENTED` before anything was put where nothing would be gained: use [`Model::run`].
    fn occlude(
        &self,
        call: &Call<'_>,
        occlusion: &Occlusion<'_>,
        put: &mut dyn FnMut(usize, TensorView<'_>) -> Result<()>,
    ) -> Result<()> {
        let _ = (call, occlusion, put);
        Err(Error::unimplemented("this model computes each picture whole"))
    }

    /// How [`Model::occlude`] would answer, a line per step, for people. Computes nothing.
    ///
    /// # Errors
    /// As [`Model::occlude`]; `UNIMPLEMENTED` says why nothing would be gained.
    fn occlusion_plan(&self, call: &Call<'_>, occlusion: &Occlusion<'_>) -> Result<Vec<String>> {
        let _ = (call, occlusion);
        Err(Error::unimplemented("this model does not say how it would compute a sweep"))
    }

    /// Whether [`Model::occlude`] is implemented.
    fn has_occlude(&self) -> bool {
        false
    }

    /// Whether [`Model::vjp`] is implemented. What the descriptor says, unless overridden.
    fn has_vjp(&self) -> bool {
        self.descriptor().has(json::Capability::Gradients)
    }
}
