//! Sets up the peers and hands over to the crate `whyglass-bench`, which measures both sides in one run.

use crate::setup;
use crate::stage::{self, Profile};
use crate::torch::Torch;
use crate::workspace::{Workspace, run};
use anyhow::Result;

pub(crate) fn run_all(workspace: &Workspace, quick: bool, names: &[String]) -> Result<()> {
    setup::all(workspace)?;
    let python = setup::python(workspace, "peers", "bench/peers/requirements.txt")?;
    let torch = Torch::wanted(workspace)?;
    let staged = stage::build(workspace, Profile::Release, &torch)?;
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--release", "--quiet", "--package=whyglass-bench"]);
    if let Torch::With(folder) = &torch {
        // The measuring program links libtorch itself, and has no folder of its own to find it in.
        cargo
            .env("LD_LIBRARY_PATH", folder.join("lib"))
            .env("LIBTORCH", folder)
            .arg("--features=whyglass-bench/libtorch");
    }
    cargo.arg("--");
    cargo.arg("--python").arg(python).arg("--plugins").arg(&staged.plugins).arg("--binary").arg(&staged.binary);
    if quick {
        cargo.arg("--quick");
    }
    run(cargo.args(names))
}
