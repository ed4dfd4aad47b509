// Switches of libtorch that tch does not have. Each returns false if libtorch refuses.

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>

// Whether CUDA may round the operands of products and convolutions to TF32, for the whole process.
extern "C" bool whyglass_allow_tf32(bool allowed) noexcept {
  try {
    at::globalContext().setAllowTF32CuBLAS(allowed);
    at::globalContext().setAllowTF32CuDNN(allowed);
    return true;
  } catch (...) {
    return false;
  }
}

// Whether the calling thread computes products and convolutions in bfloat16, on CUDA or on the CPU.
extern "C" bool whyglass_autocast(bool cuda, bool enabled) noexcept {
  try {
    const auto device = cuda ? at::kCUDA : at::kCPU;
    at::autocast::set_autocast_dtype(device, at::kBFloat16);
    at::autocast::set_autocast_enabled(device, enabled);
    return true;
  } catch (...) {
    return false;
  }
}
