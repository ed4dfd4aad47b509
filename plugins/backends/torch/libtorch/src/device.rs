//! Which device a model runs on. libtorch for CUDA is a library of its own, which is opened when it is first asked for.

use crate::precision::Precision;
use std::path::Path;
use tch::{Cuda, Device};
use whyglass_sdk::{Error, Result};

/// `cpu` (the default), `cuda` (the first one) or `cuda:N`.
///
/// # Errors
/// Another name, or a device that is not there.
pub(crate) fn parse(name: Option<&str>) -> Result<Device> {
    let name = name.unwrap_or("cpu");
    let index = match name {
        "cpu" => return Ok(Device::Cpu),
        "cuda" => Some(0),
        _ => name.strip_prefix("cuda:").and_then(|index| index.parse::<usize>().ok()),
    };
    let Some(index) = index else {
        let message = format!("there is no device {name:?}: give \"cpu\", \"cuda\" or \"cuda:0\"");
        return Err(Error::invalid_argument("device", message));
    };
    open_cuda();
    let count = usize::try_from(Cuda::device_count()).unwrap_or(0);
    if !Cuda::is_available() || index >= count {
        let message = format!(
            "the device {name:?} is not there: this libtorch sees {count} CUDA devices. A libtorch that was built for CUDA, \
             and a driver, are needed; \"cpu\" works everywhere"
        );
        return Err(Error::failed_precondition("NO_DEVICE", message).with_field("device"));
    }
    Ok(Device::Cuda(index))
}

/// As a model says it: the device, and the precision where it is not float32.
pub(crate) fn name(device: Device, precision: Precision) -> String {
    let device = match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".to_owned(),
    };
    match precision {
        Precision::Float32 => device,
        Precision::Tf32 => device + ", tf32",
        Precision::Bf16 => device + ", bf16",
    }
}

/// Opens libtorch's CUDA part, which registers itself, where it lies beside `libtorch_cpu.so`. Nothing links to it, so that
/// the same plugin runs with a libtorch that has none.
fn open_cuda() {
    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    let address = open_cuda as fn() as *const libc::c_void;
    // SAFETY: `address` is code of this object and `info` is writable; dladdr keeps neither.
    if unsafe { libc::dladdr(address, &raw mut info) } == 0 || info.dli_fname.is_null() {
        return;
    }
    // SAFETY: dladdr succeeded, so the name is a NUL-terminated string that lives as long as the object is loaded.
    let own = unsafe { std::ffi::CStr::from_ptr(info.dli_fname) }.to_string_lossy().into_owned();
    let Some(library) = Path::new(&own).parent().map(|folder| folder.join("libtorch_cuda.so")) else { return };
    let Ok(path) = std::ffi::CString::new(library.to_string_lossy().into_owned()) else { return };
    if library.is_file() {
        // SAFETY: the library of the folder that libtorch itself was loaded from; it is never closed.
        unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    }
}
