//! What continuous integration runs, in the order of what fails fastest.

use crate::test;
use crate::workspace::{Workspace, run};
use anyhow::Result;

pub(crate) fn run_all(workspace: &Workspace) -> Result<()> {
    run(workspace.cargo().args(["fmt", "--all", "--check"]))?;
    run(workspace.cargo().args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny=warnings"]))?;
    test::run(workspace, None, false)
}
