//! Which function runs which operator.

use super::call::{Call, one};
use super::value::Value;
use super::{Result, TorchError};
use super::{
    attention, bitwise, constants, conv, dropout, elementwise, indexing, layout, linear, lp, normalization, one_hot,
    pool,
};
use super::{reduce, resize, rotary, scatter, selection, truth};
use whyglass_graph::Node;

pub(super) type Operator = fn(&Call<'_>) -> Result<Vec<Value>>;

/// The function behind `node`.
///
/// # Errors
/// If there is none.
pub(super) fn find(node: &Node) -> Result<Operator> {
    let unsupported = |what: &str| Err(TorchError::Unsupported { op: node.op.clone(), what: what.to_owned() });
    if !matches!(&*node.domain, "" | "ai.onnx") {
        return unsupported(&format!("it is of the domain {:?}", node.domain));
    }
    Ok(match &*node.op {
        "Constant" => |call| one(constants::constant(call)),
        "ConstantOfShape" => |call| one(constants::of_shape(call)),
        "Shape" => |call| one(constants::shape(call)),
        "Size" => |call| one(constants::size(call)),
        "Range" => |call| one(constants::range(call)),
        "EyeLike" => |call| one(constants::eye(call)),
        "Conv" => |call| one(conv::conv(call)),
        "ConvTranspose" => |call| one(conv::transposed(call)),
        "MaxPool" => pool::max,
        "AveragePool" => |call| one(pool::average(call)),
        "GlobalAveragePool" | "GlobalMaxPool" => |call| one(pool::global(call)),
        "LpPool" => |call| one(lp::pool(call)),
        "GlobalLpPool" => |call| one(lp::global(call)),
        "Attention" => attention::attention,
        "RotaryEmbedding" => |call| one(rotary::rotary(call)),
        "Gemm" => |call| one(linear::gemm(call)),
        "MatMul" => |call| one(linear::matmul(call)),
        "Einsum" => |call| one(linear::einsum(call)),
        "BatchNormalization" => normalization::batch,
        "LayerNormalization" => normalization::layer,
        "RMSNormalization" => |call| one(normalization::by_root(call)),
        "MeanVarianceNormalization" => |call| one(normalization::mean_variance(call)),
        "LpNormalization" => |call| one(lp::normalization(call)),
        "InstanceNormalization" | "GroupNormalization" => |call| one(normalization::group(call)),
        "LRN" => |call| one(normalization::across_channels(call)),
        "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL1" | "ReduceL2"
        | "ReduceSumSquare" | "ReduceLogSum" | "ReduceLogSumExp" => |call| one(reduce::reduce(call)),
        "ArgMax" | "ArgMin" => |call| one(reduce::extreme(call)),
        "Softmax" | "LogSoftmax" => |call| one(reduce::softmax(call)),
        "CumSum" => |call| one(reduce::cumulated(call)),
        "TopK" => reduce::top,
        "Hardmax" => |call| one(one_hot::hardmax(call)),
        "OneHot" => |call| one(one_hot::one_hot(call)),
        "NonZero" => |call| one(selection::nonzero(call)),
        "Compress" => |call| one(selection::compress(call)),
        "Gather" => |call| one(indexing::gather(call)),
        "GatherElements" => |call| one(indexing::gather_elements(call)),
        "GatherND" => |call| one(indexing::gather_nd(call)),
        "ScatterElements" => |call| one(scatter::elements(call)),
        "ScatterND" => |call| one(scatter::nd(call)),
        "Identity" => layout::identity,
        "Dropout" => dropout::dropout,
        "Reshape" => |call| one(layout::reshape(call)),
        "Flatten" => |call| one(layout::flatten(call)),
        "Squeeze" => |call| one(layout::squeeze(call)),
        "Unsqueeze" => |call| one(layout::unsqueeze(call)),
        "Transpose" => |call| one(layout::transpose(call)),
        "Expand" => |call| one(layout::expand(call)),
        "Tile" => |call| one(layout::tile(call)),
        "Concat" => |call| one(layout::concat(call)),
        "Split" => layout::split,
        "Slice" => |call| one(layout::slice(call)),
        "Pad" => |call| one(layout::pad(call)),
        "DepthToSpace" | "SpaceToDepth" => |call| one(layout::blocks(call)),
        "Resize" | "Upsample" => |call| one(resize::resize(call)),
        "BitwiseNot" => |call| one(bitwise::not(call)),
        "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" => |call| one(bitwise::combine(call)),
        "BitShift" => |call| one(bitwise::shift(call)),
        "And" | "Or" | "Xor" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Equal" => {
            |call| one(truth::compare(call))
        }
        "Not" => |call| one(truth::not(call)),
        "IsNaN" => |call| one(truth::nan(call)),
        "IsInf" => |call| one(truth::infinite(call)),
        "Trilu" => |call| one(layout::triangle(call)),
        op if elementwise::knows(op) => |call| one(elementwise::run(call)),
        _ => return unsupported("it is not known here; the back end 'onnxruntime' may know it"),
    })
}
