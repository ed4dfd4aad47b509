//! One arena for all sessions of the process. With one for each, which is the engine's default, a session keeps for
//! itself what it once needed, and a model with thirty sessions keeps thirty times as much.

use crate::runtime::OrtError;
use ort::AsPointer;
use ort::environment::Environment;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};

/// Makes the arena that sessions with environment allocators use. It grows by the engine's own rule.
pub(crate) fn register(environment: &Environment) -> Result<(), OrtError> {
    let device = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Arena, MemoryType::Default)?;
    // SAFETY: both are alive, the engine copies what it keeps of them, and no configuration means its own.
    let status = unsafe {
        (ort::api().CreateAndRegisterAllocator)(environment.ptr().cast_mut(), device.ptr(), std::ptr::null())
    };
    // SAFETY: the status comes from the call above and is handed over.
    unsafe { ort::Error::result_from_status(status) }?;
    Ok(())
}
