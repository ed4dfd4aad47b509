//! The operators: one file per family, each with its derivative, its geometry and its random test case side by side.
//!
//! Responsible for what is known of each operator by itself; the reverse sweep over a graph is
//! [`differentiate`](crate::differentiate()). Adding an operator is one entry in [`TABLE`].

mod arithmetic;
mod average_pool;
mod conv;
mod conv_input;
mod layout;
mod linear;
mod mask;
mod max_pool;
mod normalization;
mod parts;
#[cfg(test)]
mod pool_tests;
mod rectifier;
mod reduce;
mod softmax;
mod stop;
#[cfg(test)]
pub(crate) mod testing;
mod unary;
mod window;

use crate::builder::Builder;
use crate::differentiate::Rule;
use crate::{Error, Graph, Node, ValueId};

/// How an operator's output cells depend on its input cells in the two spatial axes of an N×C×H×W value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Geometry {
    /// A cell depends on the cell at the same place only (of any channel).
    Pointwise,
    /// A cell depends on a window. Order of axes: height, width. Pads: top, left, bottom, right, as they really are
    /// (`auto_pad` and ceiling modes resolved where the graph's shapes are known).
    Window { kernel: [i64; 2], strides: [i64; 2], pads: [i64; 4], dilations: [i64; 2] },
    /// Every cell depends on the whole plane.
    Global,
    /// Space is lost, moved or not known.
    Opaque,
}

/// One node to be differentiated.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    pub node: &'a Node,
    /// The cotangent of each output; `None` where nothing depends on it. At least one is there.
    pub cotangents: &'a [Option<ValueId>],
    /// For each input, whether its cotangent is wanted by anybody.
    pub wanted: &'a [bool],
    pub rule: Rule,
}

impl Step<'_> {
    /// The cotangent of the first output.
    ///
    /// # Errors
    /// [`Error::NoDerivative`] if the gradient comes by another output only.
    pub fn cotangent(&self) -> Result<ValueId, Error> {
        self.cotangents
            .first()
            .copied()
            .flatten()
            .ok_or_else(|| self.no_derivative("only its first output can be differentiated"))
    }

    /// Input `index`.
    ///
    /// # Errors
    /// [`Error::NoDerivative`] if the node lacks it.
    pub fn input(&self, index: usize) -> Result<ValueId, Error> {
        self.node.input(index).ok_or_else(|| self.no_derivative(format!("input {index} is missing")))
    }

    /// The first output.
    ///
    /// # Errors
    /// [`Error::NoDerivative`] if the node lacks it.
    pub fn output(&self) -> Result<ValueId, Error> {
        self.node.outputs.first().copied().flatten().ok_or_else(|| self.no_derivative("its first output is missing"))
    }

    /// Whether somebody wants the cotangent of input `index`.
    #[must_use]
    pub fn wants(&self, index: usize) -> bool {
        self.wanted.get(index).copied().unwrap_or(false)
    }

    /// That this node cannot be differentiated in the form at hand, and why.
    #[must_use]
    pub fn no_derivative(&self, why: impl Into<String>) -> Error {
        Error::no_derivative(&self.node.op, &self.node.name, why)
    }
}

/// What is known of an operator.
pub trait Operator: Sync {
    /// Appends the nodes that turn the cotangents of the outputs into those of the inputs that are wanted. The result
    /// has one entry per input and may be shorter; entries that are not wanted are ignored.
    ///
    /// # Errors
    /// [`Error::NoDerivative`] for a form of the operator that is not covered.
    fn vjp(&self, build: &mut Builder<'_>, step: &Step<'_>) -> Result<Vec<Option<ValueId>>, Error>;

    /// Whether a derivative flows from input `index` to the outputs at all: not from indices, shapes or conditions.
    fn carries(&self, _graph: &Graph, _node: &Node, _index: usize) -> bool {
        true
    }

    /// See [`Geometry`]. Only looks at `graph` for the shapes of the node's inputs and outputs, and constants.
    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Pointwise
    }

    /// A random application of `op`, whose derivative is then compared with central differences.
    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut testing::Draw) -> testing::Case;
}

/// Every operator whose derivative is known, by name.
pub(crate) static TABLE: &[(&str, &dyn Operator)] = &[
    ("Abs", &unary::ABS),
    ("Add", &arithmetic::SUM),
    ("ArgMax", &stop::Stop),
    ("ArgMin", &stop::Stop),
    ("AveragePool", &average_pool::AveragePool),
    ("BatchNormalization", &normalization::BatchNormalization),
    ("Cast", &layout::Cast),
    ("Ceil", &stop::Stop),
    ("Celu", &unary::CELU),
    ("Clip", &rectifier::Clip),
    ("Concat", &parts::Concat),
    ("Conv", &conv::Conv),
    ("ConvTranspose", &conv::ConvTranspose),
    ("Cos", &unary::COS),
    ("DepthToSpace", &layout::Blocks),
    ("Div", &arithmetic::Div),
    ("Dropout", &layout::Reshaping),
    ("Elu", &unary::ELU),
    ("Equal", &stop::Stop),
    ("Erf", &unary::ERF),
    ("Exp", &unary::EXP),
    ("Expand", &layout::Expand),
    ("Flatten", &layout::Reshaping),
    ("Floor", &stop::Stop),
    ("Gather", &parts::Gather),
    ("Gelu", &unary::GELU),
    ("Gemm", &linear::Gemm),
    ("GlobalAveragePool", &average_pool::GlobalAveragePool),
    ("GlobalMaxPool", &max_pool::GlobalMaxPool),
    ("Greater", &stop::Stop),
    ("GroupNormalization", &normalization::GroupNormalization),
    ("HardSigmoid", &unary::HARD_SIGMOID),
    ("HardSwish", &unary::HARD_SWISH),
    ("Identity", &layout::Reshaping),
    ("InstanceNormalization", &normalization::GroupNormalization),
    ("LayerNormalization", &normalization::LayerNormalization),
    ("LeakyRelu", &rectifier::Leaky),
    ("Less", &stop::Stop),
    ("Log", &unary::LOG),
    ("LogSoftmax", &softmax::LogSoftmax),
    ("MatMul", &linear::MatMul),
    ("Max", &arithmetic::Extremum),
    ("MaxPool", &max_pool::MaxPool),
    ("Mean", &arithmetic::MEAN),
    ("Min", &arithmetic::Extremum),
    ("Mish", &unary::MISH),
    ("Mul", &arithmetic::Mul),
    ("Neg", &unary::NEG),
    ("PRelu", &rectifier::Leaky),
    ("Pad", &parts::Pad),
    ("Pow", &arithmetic::Pow),
    ("Reciprocal", &unary::RECIPROCAL),
    ("ReduceL2", &reduce::L2),
    ("ReduceLogSumExp", &reduce::LOG_SUM_EXP),
    ("ReduceMax", &reduce::EXTREMUM),
    ("ReduceMean", &reduce::MEAN),
    ("ReduceMin", &reduce::EXTREMUM),
    ("ReduceSum", &reduce::SUM),
    ("ReduceSumSquare", &reduce::SUM_SQUARE),
    ("Relu", &rectifier::Relu),
    ("Reshape", &layout::Reshaping),
    ("Round", &stop::Stop),
    ("Selu", &unary::SELU),
    ("Shape", &stop::Stop),
    ("Sigmoid", &unary::SIGMOID),
    ("Sign", &stop::Stop),
    ("Sin", &unary::SIN),
    ("Size", &stop::Stop),
    ("Slice", &parts::Slice),
    ("Softmax", &softmax::Softmax),
    ("Softplus", &unary::SOFTPLUS),
    ("Softsign", &unary::SOFTSIGN),
    ("SpaceToDepth", &layout::Blocks),
    ("Split", &parts::Split),
    ("Sqrt", &unary::SQRT),
    ("Squeeze", &layout::Reshaping),
    ("Sub", &arithmetic::SUB),
    ("Sum", &arithmetic::SUM),
    ("Tanh", &unary::TANH),
    ("ThresholdedRelu", &rectifier::ThresholdedRelu),
    ("Tile", &layout::Tile),
    ("Transpose", &layout::Transpose),
    ("Unsqueeze", &layout::Reshaping),
    ("Where", &arithmetic::Where),
];

/// What is known of operator `op` of `domain`, if anything is.
#[must_use]
pub fn lookup(domain: &str, op: &str) -> Option<&'static dyn Operator> {
    if !matches!(domain, "" | "ai.onnx") {
        return None;
    }
    TABLE.iter().find(|(name, _)| *name == op).map(|(_, operator)| *operator)
}
