//! Sets up the peers and hands over to the crate `whyglass-bench`, which measures both sides in one run.

use crate::setup;
use crate::stage::{self, Profile};
use crate::workspace::{Workspace, run};
use anyhow::Result;

pub(crate) fn run_all(workspace: &Workspace, quick: bool, names: &[String]) -> Result<()> {
    setup::all(workspace)?;
    let python = setup::python(workspace, "peers", "bench/peers/requirements.txt")?;
    let staged = stage::build(workspace, Profile::Release)?;
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--release", "--quiet", "--package=whyglass-bench", "--"]);
    cargo.arg("--python").arg(python).arg("--plugins").arg(&staged.plugins).arg("--binary").arg(&staged.binary);
    if quick {
        cargo.arg("--quick");
    }
    run(cargo.args(names))
}
