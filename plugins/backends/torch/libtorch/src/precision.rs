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
    /// Operands of products are rounded to bfloat16, 7 bits of mantissa.
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
    /// See `switches.cpp`.
    fn whyglass_allow_tf32(allowed: bool) -> bool;
    /// As above.
    fn whyglass_autocast(cuda: bool, enabled: bool) -> bool;
}

/// Chooses for the whole process, since libtorch knows no other choice that its threads for gradients would see: the first
/// model that is loaded on CUDA decides, and one that wants it otherwise is refused.
fn settle(tf32: bool) -> Result<()> {
    static CHOSEN: OnceLock<Option<bool>> = OnceLock::new();
    // SAFETY: it takes a flag, catches what is thrown, and may be called from any thread.
    let chosen = CHOSEN.get_or_init(|| unsafe { whyglass_allow_tf32(tf32) }.then_some(tf32));
    match chosen {
        Some(chosen) if *chosen == tf32 => Ok(()),
        Some(_) => {
            let message = "an earlier model on CUDA has chosen \"tf32\", or chosen against it, and libtorch has one choice for \
                           a process: load this model in a process of its own";
            Err(Error::failed_precondition("PRECISION_TAKEN", message).with_field("precision"))
        }
        None => Err(Error::internal("libtorch refuses to choose between float32 and TF32").with_field("precision")),
    }
}

/// The calling thread computes products in bfloat16 until this is dropped, where that is wanted.
pub(crate) struct Autocast {
    cuda: Option<bool>,
}

impl Autocast {
    /// # Errors
    /// If libtorch refuses.
    pub(crate) fn enter(precision: Precision, device: Device) -> Result<Self> {
        if precision != Precision::Bf16 {
            return Ok(Self { cuda: None });
        }
        let cuda = matches!(device, Device::Cuda(_));
        // SAFETY: it takes two flags, catches what is thrown, and changes the calling thread only.
        if unsafe { whyglass_autocast(cuda, true) } {
            Ok(Self { cuda: Some(cuda) })
        } else {
            Err(Error::internal("libtorch refuses to compute in bfloat16").with_field("precision"))
        }
    }
}

impl Drop for Autocast {
    fn drop(&mut self) {
        if let Some(cuda) = self.cuda {
            // SAFETY: as above.
            unsafe { whyglass_autocast(cuda, false) };
        }
    }
}
