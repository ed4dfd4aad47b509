//! Sets up what the tests need, runs them all, and closes with their number.

use crate::dashboard;
use crate::docs;
use crate::setup;
use crate::stage::{self, Profile};
use crate::torch::Torch;
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// How the tests went, over all test binaries.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Count {
    passed: u64,
    failed: u64,
    skipped: u64,
}

pub(crate) fn run(workspace: &Workspace, filter: Option<&str>, without_torch: bool) -> Result<()> {
    setup::all(workspace)?;
    setup::python(workspace, "client", "examples/python/requirements.txt")?;
    setup::python_package(workspace)?;
    let torch = if without_torch { Torch::Without } else { Torch::wanted(workspace)? };
    let staged = stage::build(workspace, Profile::Debug, &torch)?;
    docs::check(workspace, &staged)?;
    if filter.is_none() {
        match dashboard::prepare(workspace) {
            Ok(()) => dashboard::units(workspace)?,
            Err(missing) => eprintln!("the page is not tested: {missing:#}"),
        }
    }
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--workspace", "--no-fail-fast"]);
    torch.workspace(&mut cargo);
    cargo.args(filter);
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("cannot run cargo test")?;
    let output = BufReader::new(child.stdout.take().context("standard output was piped")?);
    let mut count = Count::default();
    for line in output.lines() {
        let line = line?;
        count = count.plus(parse(&line).unwrap_or_default());
        println!("{line}");
    }
    let status = child.wait()?;
    if without_torch {
        println!("libtorch was left out, as asked: the back end 'torch' was neither built nor tested");
    }
    println!("{} passed, {} failed, {} skipped", count.passed, count.failed, count.skipped);
    ensure!(status.success() && count.failed == 0, "tests failed");
    ensure!(count.passed > 0, "no test ran");
    Ok(())
}

impl Count {
    fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; …`
fn parse(line: &str) -> Option<Count> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let number = |what: &str| {
        let part = counts.split("; ").find_map(|part| part.trim().strip_suffix(what))?;
        part.trim().parse().ok()
    };
    Some(Count { passed: number("passed")?, failed: number("failed")?, skipped: number("ignored")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closing_line_of_cargo_test_is_counted() {
        let line = "test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(parse(line), Some(Count { passed: 12, failed: 1, skipped: 2 }));
        assert_eq!(parse("test a_closing_line ... ok"), None);
    }
}
