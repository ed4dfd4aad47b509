//! Whether the dependencies are what deny.toml allows: their licences, where they come from, which may not be there at all, and
//! what advisories say of them. cargo-deny asks that, in the version that is pinned here.

use crate::workspace::{Workspace, run};
use anyhow::Result;
use std::process::Command;

/// MIT or Apache-2.0. Its lock file, with the hashes of what it is made of, comes with it.
const VERSION: &str = "0.20.2";

pub(crate) fn check(workspace: &Workspace, without_advisories: bool) -> Result<()> {
    let folder = workspace.third_party(&format!("cargo-deny-{VERSION}"));
    let binary = folder.join("bin/cargo-deny");
    if !binary.is_file() {
        let install = ["install", "cargo-deny", "--locked", "--version", VERSION, "--root"];
        run(workspace.cargo().args(install).arg(&folder))?;
    }
    let mut deny = Command::new(binary);
    deny.current_dir(&workspace.root).args(["--locked", "check", "--hide-inclusion-graph"]);
    if without_advisories {
        deny.args(["bans", "licenses", "sources"]);
    }
    run(&mut deny)
}
