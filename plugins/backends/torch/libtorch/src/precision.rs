//! How many digits matrix products and convolutions are computed with.

use std::sync::OnceLock;
use tch::Device;
use whyglass_sdk::{Error, Result};

/// What a model asks for as `precision`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Precision {
    /// IEEE single precision everywhere.
    #[default]
    Float32,
    /// Operands of products are rounded to 10 bits of mantissa by a GPU's tensor cores, sums are float32.
    Tf32,
    /// Operands are rounded to bfloat16, 7 bits of mantissa. A graph's other operators stay float32; a TorchScript module is
    /// bfloat16 as a whole.
    Bf16,
}

impl Precision {
    /// `float32` (the default), `tf32` or `bf16`, on `device`.
    ///
    /// # Errors
    /// Another name, or what the device has not.
    pub(crate) fn parse(name: Option<&str>, device: Device) -> Result<Self> {
        let precision = match name.unwrap_or("float32") {
            "float32" => Self::Float32,
            "tf32" => Self::Tf32,
            "bf16" => Self::Bf16,
            other => {
                let message = format!("there is no precision {other:?}: give \"float32\", \"tf32\" or \"bf16\"");
                return Err(Error::invalid_argument("precision", message));
            }
        };
        match device {
            Device::Cuda(_) => settle(precision == Self::Tf32)?,
            _ if precision == Self::Tf32 => {
                let message = "\"tf32\" is a mode of CUDA's tensor cores: give device = \"cuda\", or \"bf16\"";
                return Err(Error::invalid_argument("precision", message));
            }
            _ => {}
        }
        Ok(precision)
    }
}

unsafe extern "C" {
    /// See `tf32.cpp`.
    fn whyglass_allow_tf32(allowed: bool) -> bool;
}

/// Chooses for the whole process, since libtorch knows no other choice that its threads for gradients would see: the first
/// model on CUDA decides, and one that wants it otherwise is refused.
fn settle(tf32: bool) -> Result<()> {
    static CHOSEN: OnceLock<bool> = OnceLock::new();
    // SAFETY: it takes a flag, catches what is thrown, and may be called from any thread.
    let chosen = *CHOSEN.get_or_init(|| unsafe { whyglass_allow_tf32(tf32) } && tf32);
    if chosen == tf32 {
        return Ok(());
    }
    let (this, others) = if tf32 { ("tf32", "float32") } else { ("float32", "tf32") };
    let message = format!(
        "a model on CUDA with the precision {others:?} is loaded, and libtorch has one choice for a process: run {this:?} \
         in a process of its own"
    );
    Err(Error::failed_precondition("PRECISION_TAKEN", message).with_field("precision"))
}
