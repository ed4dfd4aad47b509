//! The operators: one file per family, each with its derivative, its geometry and its random test case side by side.
//!
//! Responsible for what is known of each operator by itself; the reverse sweep over a graph is
//! [`differentiate`](crate::differentiate()). Adding an operator is one entry in [`TABLE`].

mod arithmetic;
mod attention;
mod average_pool;
mod conv;
mod conv_input;
mod einsum;
mod gather;
mod interpolation;
mod layout;
mod linear;
mod mask;
mod max_pool;
mod norm;
mod normalization;
mod parts;
#[cfg(test)]
mod pool_tests;
mod rectifier;
mod reduce;
mod resize;
mod scatter;
mod softmax;
mod stop;
#[cfg(test)]
pub(crate) mod testing;
mod triangle;
mod trigonometry;
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

    /// That nothing depends on any other output than the first.
    ///
    /// # Errors
    /// [`Error::NoDerivative`] if something does.
    pub fn only_first_output(&self) -> Result<(), Error> {
        match self.cotangents.iter().skip(1).all(Option::is_none) {
            true => Ok(()),
            false => Err(self.no_derivative("only its first output can be differentiated")),
        }
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

    /// Whether a derivative ever flows: not through comparisons, shapes, steps.
    fn flows(&self) -> bool {
        true
    }

    /// What to know about the derivative of `op`, in a few words; empty where there is nothing to say.
    fn remark(&self, _op: &str) -> &'static str {
        ""
    }

    /// The last operator set that has `op`, where that is not the newest.
    fn until(&self, _op: &str) -> Option<i64> {
        None
    }

    /// A random application of `op`, whose derivative is then compared with central differences.
    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut testing::Draw) -> testing::Case;
}

/// Every operator whose derivative is known: its name, and the operator set in which it has it or, where that is before
/// the first that is read, that one.
pub(crate) static TABLE: &[(&str, i64, &dyn Operator)] = &[
    ("Abs", 7, &unary::ABS),
    ("Acos", 7, &trigonometry::ACOS),
    ("Acosh", 9, &trigonometry::ACOSH),
    ("Add", 7, &arithmetic::SUM),
    ("And", 7, &stop::Stop),
    ("ArgMax", 7, &stop::Stop),
    ("ArgMin", 7, &stop::Stop),
    ("Asin", 7, &trigonometry::ASIN),
    ("Asinh", 9, &trigonometry::ASINH),
    ("Atan", 7, &trigonometry::ATAN),
    ("Atanh", 9, &trigonometry::ATANH),
    ("Attention", 23, &attention::Attention),
    ("AveragePool", 7, &average_pool::AveragePool),
    ("BatchNormalization", 7, &normalization::BatchNormalization),
    ("BitShift", 11, &stop::Stop),
    ("BitwiseAnd", 18, &stop::Stop),
    ("BitwiseNot", 18, &stop::Stop),
    ("BitwiseOr", 18, &stop::Stop),
    ("BitwiseXor", 18, &stop::Stop),
    ("Cast", 7, &layout::Cast),
    ("CastLike", 15, &layout::CastLike),
    ("Ceil", 7, &stop::Stop),
    ("Celu", 12, &unary::CELU),
    ("Clip", 7, &rectifier::Clip),
    ("Compress", 9, &gather::Compress),
    ("Concat", 7, &parts::Concat),
    ("ConstantOfShape", 9, &stop::Stop),
    ("Conv", 7, &conv::Conv),
    ("ConvTranspose", 7, &conv::ConvTranspose),
    ("Cos", 7, &trigonometry::COS),
    ("Cosh", 9, &trigonometry::COSH),
    ("CumSum", 11, &triangle::CumSum),
    ("DepthToSpace", 7, &layout::Blocks),
    ("Div", 7, &arithmetic::Div),
    ("Dropout", 7, &layout::Reshaping),
    ("Einsum", 12, &einsum::Einsum),
    ("Elu", 7, &unary::ELU),
    ("Equal", 7, &stop::Stop),
    ("Erf", 9, &unary::ERF),
    ("Exp", 7, &unary::EXP),
    ("Expand", 8, &layout::Expand),
    ("EyeLike", 9, &stop::Stop),
    ("Flatten", 7, &layout::Reshaping),
    ("Floor", 7, &stop::Stop),
    ("Gather", 7, &gather::Gather),
    ("GatherElements", 11, &gather::GatherElements),
    ("GatherND", 11, &gather::GatherNd),
    ("Gelu", 20, &unary::GELU),
    ("Gemm", 7, &linear::Gemm),
    ("GlobalAveragePool", 7, &average_pool::GlobalAveragePool),
    ("GlobalLpPool", 7, &norm::GlobalLpPool),
    ("GlobalMaxPool", 7, &max_pool::GlobalMaxPool),
    ("Greater", 7, &stop::Stop),
    ("GreaterOrEqual", 12, &stop::Stop),
    ("GroupNormalization", 18, &normalization::GroupNormalization),
    ("HardSigmoid", 7, &unary::HARD_SIGMOID),
    ("HardSwish", 14, &unary::HARD_SWISH),
    ("Hardmax", 7, &stop::Stop),
    ("Identity", 7, &layout::Reshaping),
    ("InstanceNormalization", 7, &normalization::GroupNormalization),
    ("IsInf", 10, &stop::Stop),
    ("IsNaN", 9, &stop::Stop),
    ("LRN", 7, &norm::Lrn),
    ("LayerNormalization", 17, &normalization::LayerNormalization),
    ("LeakyRelu", 7, &rectifier::Leaky),
    ("Less", 7, &stop::Stop),
    ("LessOrEqual", 12, &stop::Stop),
    ("Log", 7, &unary::LOG),
    ("LogSoftmax", 7, &softmax::LogSoftmax),
    ("LpNormalization", 7, &norm::LpNormalization),
    ("LpPool", 7, &norm::LpPool),
    ("MatMul", 7, &linear::MatMul),
    ("Max", 7, &arithmetic::Extremum),
    ("MaxPool", 7, &max_pool::MaxPool),
    ("Mean", 7, &arithmetic::MEAN),
    ("MeanVarianceNormalization", 9, &normalization::MeanVarianceNormalization),
    ("Min", 7, &arithmetic::Extremum),
    ("Mish", 18, &unary::MISH),
    ("Mod", 10, &arithmetic::Mod),
    ("Mul", 7, &arithmetic::Mul),
    ("Neg", 7, &unary::NEG),
    ("NonZero", 9, &stop::Stop),
    ("Not", 7, &stop::Stop),
    ("OneHot", 9, &stop::Stop),
    ("Or", 7, &stop::Stop),
    ("PRelu", 7, &rectifier::Leaky),
    ("Pad", 7, &parts::Pad),
    ("Pow", 7, &arithmetic::Pow),
    ("RMSNormalization", 23, &normalization::RmsNormalization),
    ("Range", 11, &stop::Stop),
    ("Reciprocal", 7, &unary::RECIPROCAL),
    ("ReduceL1", 7, &reduce::L1),
    ("ReduceL2", 7, &reduce::L2),
    ("ReduceLogSum", 7, &reduce::LOG_SUM),
    ("ReduceLogSumExp", 7, &reduce::LOG_SUM_EXP),
    ("ReduceMax", 7, &reduce::EXTREMUM),
    ("ReduceMean", 7, &reduce::MEAN),
    ("ReduceMin", 7, &reduce::EXTREMUM),
    ("ReduceProd", 7, &reduce::PRODUCT),
    ("ReduceSum", 7, &reduce::SUM),
    ("ReduceSumSquare", 7, &reduce::SUM_SQUARE),
    ("Relu", 7, &rectifier::Relu),
    ("Reshape", 7, &layout::Reshaping),
    ("Resize", 10, &resize::Resize),
    ("RotaryEmbedding", 23, &attention::RotaryEmbedding),
    ("Round", 11, &stop::Stop),
    ("ScatterElements", 11, &scatter::Scatter),
    ("ScatterND", 11, &scatter::Scatter),
    ("Selu", 7, &unary::SELU),
    ("Shape", 7, &stop::Stop),
    ("Shrink", 9, &unary::SHRINK),
    ("Sigmoid", 7, &unary::SIGMOID),
    ("Sign", 9, &stop::Stop),
    ("Sin", 7, &trigonometry::SIN),
    ("Sinh", 9, &trigonometry::SINH),
    ("Size", 7, &stop::Stop),
    ("Slice", 7, &parts::Slice),
    ("Softmax", 7, &softmax::Softmax),
    ("Softplus", 7, &unary::SOFTPLUS),
    ("Softsign", 7, &unary::SOFTSIGN),
    ("SpaceToDepth", 7, &layout::Blocks),
    ("Split", 7, &parts::Split),
    ("Sqrt", 7, &unary::SQRT),
    ("Squeeze", 7, &layout::Reshaping),
    ("Sub", 7, &arithmetic::SUB),
    ("Sum", 7, &arithmetic::SUM),
    ("Tan", 7, &trigonometry::TAN),
    ("Tanh", 7, &trigonometry::TANH),
    ("ThresholdedRelu", 10, &rectifier::ThresholdedRelu),
    ("Tile", 7, &layout::Tile),
    ("TopK", 7, &gather::TopK),
    ("Transpose", 7, &layout::Transpose),
    ("Trilu", 14, &triangle::Trilu),
    ("Unsqueeze", 7, &layout::Reshaping),
    ("Upsample", 7, &resize::Resize),
    ("Where", 9, &arithmetic::Where),
    ("Xor", 7, &stop::Stop),
];

/// What is known of operator `op` of `domain`, if anything is.
#[must_use]
pub fn lookup(domain: &str, op: &str) -> Option<&'static dyn Operator> {
    if !matches!(domain, "" | "ai.onnx") {
        return None;
    }
    TABLE.iter().find(|(name, ..)| *name == op).map(|(.., operator)| *operator)
}

/// The names of all operators whose derivative is known, each with the first operator set in which it is.
pub fn known() -> impl Iterator<Item = (&'static str, i64, &'static dyn Operator)> {
    TABLE.iter().copied()
}
