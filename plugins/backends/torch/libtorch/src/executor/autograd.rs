//! libtorch's own way back through a program. It shares nothing with the derivatives of the graph crate, which tests compare
//! with it.

use super::value::Value;
use super::{Program, Result, TorchError};
use crate::session::Session;
use whyglass_graph::Tensor;

impl Program {
    /// As [`Runtime::execute`](whyglass_graph::Runtime::execute), and then back: the gradients of the sum of `cotangents` with
    /// the outputs, with respect to every input.
    ///
    /// # Errors
    /// If a node fails, or has no derivative in libtorch.
    pub fn autograd(&self, inputs: &[Tensor], cotangents: &[Tensor]) -> Result<Vec<Tensor>> {
        let _session = Session::with_threads(1).map_err(|error| TorchError::Graph(error.message))?;
        tch::with_grad(|| {
            let leaves = inputs.iter().map(|tensor| Value::leaf(tensor, self.device)).collect::<Result<Vec<_>>>()?;
            let outputs = self.walk(leaves.iter().map(Value::share).collect())?;
            let mut objective = tch::Tensor::f_zeros([0_i64; 0], (tch::Kind::Double, self.device))?;
            for (output, cotangent) in outputs.iter().zip(cotangents) {
                let cotangent = Value::lend(cotangent, self.device)?;
                let term = output.tensor.f_mul(&cotangent.tensor)?.f_sum(tch::Kind::Double)?;
                objective = objective.f_add(&term)?;
            }
            let wrt: Vec<&tch::Tensor> = leaves.iter().map(|leaf| &leaf.tensor).collect();
            let gradients = tch::Tensor::f_run_backward(&[&objective], &wrt, false, false)?;
            let zeros = |(gradient, leaf): (tch::Tensor, &Value)| {
                if gradient.defined() { Ok(gradient) } else { leaf.tensor.f_zeros_like().map_err(TorchError::from) }
            };
            let gradients = gradients.into_iter().zip(&leaves).map(zeros);
            gradients.map(|gradient| Value::of(gradient?).take()).collect()
        })
    }
}
