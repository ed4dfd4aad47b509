//! Sets up the peers and hands over to the crate `whyglass-bench`, which measures both sides in one run.

use crate::setup;
use crate::stage::{self, Profile};
use crate::torch::Torch;
use crate::workspace::{Workspace, run};
use anyhow::Result;
use std::path::PathBuf;
use std::process::Command;

pub(crate) fn run_all(workspace: &Workspace, quick: bool, networks: &[String], names: &[String]) -> Result<()> {
    setup::all(workspace)?;
    // Of the curves there is no peer.
    let python = match names.first().map(String::as_str) {
        Some("scaling") => PathBuf::from("python3"),
        _ => setup::python(workspace, "peers", "bench/peers/requirements.txt")?,
    };
    let torch = Torch::wanted(workspace)?;
    let more = ["--package=whyglass-bench", "--features=whyglass-bench/libtorch"];
    let staged = stage::build_with(workspace, Profile::Release, &torch, &more)?;
    let mut bench = Command::new(staged.binary.with_file_name("whyglass-bench"));
    bench.current_dir(&workspace.root);
    if let Torch::With(folder) = &torch {
        // The measuring program links libtorch itself, and has no folder of its own to find it in.
        bench.env("LD_LIBRARY_PATH", folder.join("lib"));
    }
    bench.arg("--python").arg(python).arg("--plugins").arg(&staged.plugins).arg("--binary").arg(&staged.binary);
    if quick {
        bench.arg("--quick");
    }
    for network in networks {
        bench.arg("--network").arg(network);
    }
    run(bench.args(names))
}
