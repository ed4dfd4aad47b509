// The switch that tch does not have. Whether CUDA may round the operands of products and convolutions to TF32, for the whole
// process; false if libtorch refuses.

#include <ATen/Context.h>

extern "C" bool whyglass_allow_tf32(bool allowed) noexcept {
  try {
    at::globalContext().setAllowTF32CuBLAS(allowed);
    at::globalContext().setAllowTF32CuDNN(allowed);
    return true;
  } catch (...) {
    return false;
  }
}
