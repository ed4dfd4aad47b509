//! Matrix products.

use super::Result;
use super::call::Call;
use tch::Tensor as Torch;

pub(super) fn gemm(call: &Call<'_>) -> Result<Torch> {
    let turned = |index: usize, name: &str| {
        let matrix = call.tensor(index)?;
        Ok::<_, super::TorchError>(if call.node.int(name, 0) != 0 {
            matrix.f_transpose(0, 1)?
        } else {
            matrix.shallow_clone()
        })
    };
    let (a, b) = (turned(0, "transA")?, turned(1, "transB")?);
    let (alpha, beta) = (f64::from(call.node.float("alpha", 1.0)), f64::from(call.node.float("beta", 1.0)));
    let scaled = |tensor: Torch, by: f64| if by == 1.0 { Ok(tensor) } else { tensor.f_mul_scalar(by) };
    match call.optional_tensor(2) {
        Some(c) if alpha == 1.0 && beta == 1.0 => Ok(c.f_addmm(&a, &b)?),
        Some(c) => Ok(scaled(a.f_mm(&b)?, alpha)?.f_add(&scaled(c.shallow_clone(), beta)?)?),
        None => Ok(scaled(a.f_mm(&b)?, alpha)?),
    }
}

pub(super) fn matmul(call: &Call<'_>) -> Result<Torch> {
    Ok(call.tensor(0)?.f_matmul(call.tensor(1)?)?)
}

pub(super) fn einsum(call: &Call<'_>) -> Result<Torch> {
    let equation = call.node.string("equation").unwrap_or_default().replace(' ', "");
    let parts: Vec<&Torch> = (0..call.inputs.len()).map(|index| call.tensor(index)).collect::<Result<_>>()?;
    Ok(Torch::f_einsum(&equation, &parts, None::<&[i64]>)?)
}
