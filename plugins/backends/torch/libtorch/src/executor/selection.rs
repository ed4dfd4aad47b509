//! What is picked by its own value: the places that are not zero, and what a condition keeps. Their sizes are known only when
//! they run.

use super::Result;
use super::call::Call;
use tch::Tensor as Torch;

/// The places by axis, then in order. Of a scalar, no axes.
pub(super) fn nonzero(call: &Call<'_>) -> Result<Torch> {
    Ok(call.tensor(0)?.f_nonzero()?.f_transpose(0, 1)?)
}

/// A condition shorter than the axis keeps nothing of the rest.
pub(super) fn compress(call: &Call<'_>) -> Result<Torch> {
    let (x, condition) = (call.tensor(0)?, call.tensor(1)?);
    let kept = condition.f_reshape([-1])?.f_nonzero()?.f_reshape([-1])?;
    if !call.node.attributes.contains_key("axis") {
        return Ok(x.f_reshape([-1])?.f_index_select(0, &kept)?);
    }
    Ok(x.f_index_select(call.axis(0, x.dim())?, &kept)?)
}
