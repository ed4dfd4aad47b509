//! What `whyglass plugin new` writes builds and passes its own test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn a_new_plugin_builds_and_passes_its_test() {
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("new-plugin");
    std::fs::create_dir_all(folder.join("src")).unwrap();
    let fill = |template: &str| {
        let dependency = format!("{{ path = {sdk:?} }}");
        template.replace("@NAME@", "new-plugin").replace("@LIB@", "new_plugin").replace("@SDK@", &dependency)
    };
    std::fs::write(folder.join("Cargo.toml"), fill(include_str!("../template/Cargo.toml.in"))).unwrap();
    std::fs::write(folder.join("src/lib.rs"), fill(include_str!("../template/lib.rs.in"))).unwrap();
    let manifest = fill(include_str!("../template/plugin.toml.in"));
    assert!(manifest.contains("library = \"libnew_plugin.so\"") && !manifest.contains('@'));
    // The versions that this workspace has chosen, so that nothing is fetched.
    std::fs::copy(sdk.join("../../Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let run = Command::new(env!("CARGO"))
        .args(["test", "--quiet", "--offline"])
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .current_dir(&folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
}
