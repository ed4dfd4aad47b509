//! Vector–Jacobian products by autograd: the sum of each cotangent with its node is differentiated once, and the graph is
//! gone when the gradients are there.

use crate::error::torch;
use crate::module::Nodes;
use crate::value;
use tch::{Device, Kind, Tensor};
use whyglass_sdk::{Cotangent, Error, Result};

/// The gradients with respect to the nodes `wrt`, in their order; zeros where nothing flows.
///
/// # Errors
/// A cotangent of another shape than its node, or an exception of libtorch.
pub(crate) fn gradients(
    nodes: &Nodes,
    cotangents: &[(&str, Cotangent<'_>)],
    wrt: &[&Tensor],
    device: Device,
) -> Result<Vec<Tensor>> {
    let mut objective: Option<Tensor> = None;
    for (name, cotangent) in cotangents {
        let node = nodes.get(name).ok_or_else(|| Error::internal(format!("the node {name:?} has vanished")))?;
        let factor = match cotangent {
            Cotangent::Itself => node.f_detach().map_err(torch)?,
            Cotangent::Tensor(view) if view.shape() == node.size() => value::lend(view, device)?,
            Cotangent::Tensor(view) => {
                let message = format!("{name:?} has shape {:?}, its cotangent {:?}", node.size(), view.shape());
                return Err(Error::invalid_argument(*name, message).with_reason("SHAPE_MISMATCH"));
            }
        };
        let term = node.f_mul(&factor).and_then(|product| product.f_sum(Kind::Float)).map_err(torch)?;
        objective = Some(match objective {
            None => term,
            Some(sum) => sum.f_add(&term).map_err(torch)?,
        });
    }
    // What autograd does not see depends on nothing, and autograd refuses to be asked about it.
    let asked: Vec<&Tensor> = wrt.iter().copied().filter(|node| node.requires_grad()).collect();
    let flowing = match &objective {
        Some(objective) if objective.requires_grad() && !asked.is_empty() => {
            Tensor::f_run_backward(&[objective], &asked, false, false).map_err(torch)?
        }
        _ => Vec::new(),
    };
    let mut flowing = flowing.into_iter();
    wrt.iter()
        .map(|node| {
            let gradient = if node.requires_grad() { flowing.next().filter(Tensor::defined) } else { None };
            gradient.map_or_else(|| node.f_zeros_like().map_err(torch), Ok)
        })
        .collect()
}
