//! libtorch, out of the wheels that PyTorch is installed from: the headers and the CPU's libraries, which is a third of what
//! the wheels hold. The folder appears whole or not at all.

use super::pins;
use super::wheel::{self, Wheel};
use crate::Workspace;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::PathBuf;

/// What the back end needs at run time, beside its own library.
pub(crate) const LIBRARIES: [&str; 5] =
    ["libtorch_cpu.so", "libc10.so", "libgomp.so.1", "libcupti.so.13", "libcudart.so.13"];

/// Which file of which wheel becomes which of ours; a name that ends in a slash is a folder.
const FILES: [(&Wheel, &str, &str); 8] = [
    (&pins::TORCH, "torch/include/", "include/"),
    (&pins::TORCH, "torch/lib/libtorch_cpu.so", "lib/libtorch_cpu.so"),
    (&pins::TORCH, "torch/lib/libc10.so", "lib/libc10.so"),
    (&pins::TORCH, "torch/lib/libgomp.so.1", "lib/libgomp.so.1"),
    (&pins::TORCH, "torch-2.13.0.dist-info/licenses/", "licenses/torch/"),
    (&pins::CUDA_CUPTI, "nvidia/cu13/lib/libcupti.so.13", "lib/libcupti.so.13"),
    (&pins::CUDA_RUNTIME, "nvidia/cu13/lib/libcudart.so.13", "lib/libcudart.so.13"),
    (&pins::CUDA_RUNTIME, "nvidia_cuda_runtime-13.0.96.dist-info/licenses/", "licenses/cuda/"),
];

/// Where it lies, if it was set up.
pub(crate) fn found(workspace: &Workspace) -> Option<PathBuf> {
    let folder = workspace.third_party("libtorch");
    fs::read_to_string(folder.join("build-version"))
        .is_ok_and(|version| version == pins::TORCH.version)
        .then_some(folder)
}

/// Fetches it unless it is there; returns its folder, which is what `LIBTORCH` is set to.
pub(crate) fn libtorch(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(folder) = found(workspace) {
        return Ok(folder);
    }
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "libtorch is pinned for Linux on x86-64 only: use --without-torch"
    );
    let folder = workspace.third_party("libtorch");
    let partial = folder.with_extension("partial");
    for old in [&folder, &partial] {
        if old.exists() {
            fs::remove_dir_all(old)?;
        }
    }
    for (from, name, to) in FILES {
        let file = from.fetch(&workspace.downloads())?;
        wheel::unpack(&file, name, &partial.join(to))?;
    }
    // All there is of it in a wheel for CUDA is a shell around the CPU's library and CUDA's.
    std::os::unix::fs::symlink("libtorch_cpu.so", partial.join("lib/libtorch.so"))?;
    // tch looks here for the version; so does `found`, which is why it is written last.
    wheel::write_whole(&partial.join("build-version"), pins::TORCH.version.as_bytes())?;
    fs::rename(&partial, &folder).with_context(|| format!("cannot write {}", folder.display()))?;
    // Half a gigabyte that nobody needs any more.
    pins::TORCH.forget(&workspace.downloads())?;
    Ok(folder)
}
