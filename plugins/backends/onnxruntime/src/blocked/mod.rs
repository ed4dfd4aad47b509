//! Kernels of our own in the engine's blocked layout, where a feature map lies by picture, block of channels, row, column, channel of
//! the block: convolutions by fewer multiplications ([`winograd`]), masks of phases ([`phase_mask`]), the way back through max pooling
//! ([`max_pool_grad`]), and maps made of phases ([`interleave`]). And putting them into what the engine has made of a graph, where more
//! [stays] in blocks than it keeps there.
//!
//! [stays]: stay
//!
//! How many channels a block holds is known for processors with AVX-512, and this is written for those. Decided in ADR 12.

mod interleave;
mod lanes;
mod max_pool_grad;
mod phase_mask;
mod stay;
#[cfg(test)]
pub(crate) mod testing;
mod winograd;

use crate::runtime::OrtError;
use crate::weights::{Weight, Weights};
use ort::operator::OperatorDomain;
use std::sync::Arc;
use whyglass_graph::Graph;
use whyglass_graph::own::import;
use whyglass_graph::proto::ModelProto;

/// The engine's domain of operators whose feature maps lie in blocks.
const BLOCKED: &str = "com.microsoft.nchwc";

/// Whether blocks are known to hold [`lanes::LANES`] channels, and the kernels run. The engine asks the processor the same.
pub(crate) fn are_known() -> bool {
    std::arch::is_x86_feature_detected!("avx512f")
}

/// Adds the operators to `domain`, where the processor has what they are written for.
///
/// # Errors
/// If the engine refuses them.
pub(crate) fn with_operators(domain: OperatorDomain) -> ort::Result<OperatorDomain> {
    if !are_known() {
        return Ok(domain);
    }
    domain
        .add(winograd::Winograd)?
        .add(phase_mask::PhaseMask)?
        .add(max_pool_grad::MaxPoolGrad)?
        .add(interleave::Interleave)
}

/// Puts the kernels into `model`, which the engine has made of `graph`, with so many `threads`. What they read of weights, by the names
/// under which it is declared as data of `file`. Nodes may be left that nobody needs.
///
/// # Errors
/// If the engine refuses the weights.
pub(crate) fn put_in(
    shared: &Weights,
    model: &mut ModelProto,
    graph: &Graph,
    threads: usize,
) -> Result<Vec<(String, Arc<Weight>)>, OrtError> {
    if !are_known() {
        return Ok(Vec::new());
    }
    let nodes = model.graph.get_or_insert_default();
    phase_mask::skip_picking(nodes);
    stay::stay_in_blocks(nodes, graph);
    let filters = winograd::replace(shared, nodes, threads)?;
    import(model);
    Ok(filters)
}
