//! Which function runs which operator.

use super::call::{Call, one};
use super::value::Value;
use super::{Result, TorchError};
use super::{constants, conv, elementwise, indexing, layout, linear, normalization, pool, reduce};
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
        "Gemm" => |call| one(linear::gemm(call)),
        "MatMul" => |call| one(linear::matmul(call)),
        "Einsum" => |call| one(linear::einsum(call)),
        "BatchNormalization" => |call| one(normalization::batch(call)),
        "LayerNormalization" => |call| one(normalization::layer(call)),
        "InstanceNormalization" | "GroupNormalization" => |call| one(normalization::group(call)),
        "LRN" => |call| one(normalization::across_channels(call)),
        "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL1" | "ReduceL2"
        | "ReduceSumSquare" | "ReduceLogSum" | "ReduceLogSumExp" => |call| one(reduce::reduce(call)),
        "ArgMax" | "ArgMin" => |call| one(reduce::extreme(call)),
        "Softmax" | "LogSoftmax" => |call| one(reduce::softmax(call)),
        "CumSum" => |call| one(reduce::cumulated(call)),
        "TopK" => reduce::top,
        "Gather" => |call| one(indexing::gather(call)),
        "GatherElements" => |call| one(indexing::gather_elements(call)),
        "GatherND" => |call| one(indexing::gather_nd(call)),
        "ScatterElements" => |call| one(indexing::scatter_elements(call)),
        "ScatterND" => |call| one(indexing::scatter_nd(call)),
        "Identity" | "Dropout" => layout::identity,
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
        "Trilu" => |call| one(layout::triangle(call)),
        op if elementwise::knows(op) => |call| one(elementwise::run(call)),
        _ => return unsupported("it is not known here; the back end 'onnxruntime' may know it"),
    })
}
