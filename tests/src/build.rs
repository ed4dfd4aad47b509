//! Shared libraries for tests: C sources through the system's compiler, plugins of this workspace through cargo.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace's folder.
#[must_use]
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Compiles one C file against the header into a shared library, with every warning an error.
///
/// # Panics
/// Where the compiler (`$CC`, else `cc`) is missing or not content.
pub fn c_library(source: &Path, standard: &str, output: &Path) {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let compiled = Command::new(&compiler)
        .args([&format!("-std={standard}"), "-Wall", "-Wextra", "-pedantic", "-Werror", "-shared", "-fPIC", "-I"])
        .arg(root().join("core/abi/include"))
        .arg(source)
        .arg("-o")
        .arg(output)
        .output()
        .unwrap_or_else(|error| panic!("the compiler '{compiler}' does not start: {error}"));
    assert!(compiled.status.success(), "{}: {}", source.display(), String::from_utf8_lossy(&compiled.stderr));
}

/// Builds the shared library of a package of this workspace, in the profile and the target folder of the running
/// test, and returns its path.
///
/// # Panics
/// Where it does not build.
#[must_use]
pub fn cdylib(package: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let profile = test.ancestors().nth(2).expect("tests lie in target/<profile>/deps");
    let target = profile.parent().expect("a profile's folder lies in the target folder");
    let name = match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--package", package, "--profile", name, "--target-dir"])
        .arg(target)
        .current_dir(root())
        .status()
        .expect("cargo starts");
    assert!(built.success(), "{package} does not build");
    let stem = package.replace('-', "_");
    profile.join(format!("{}{stem}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX))
}
