//! ONNX's own conformance tests through the graph crate on ONNX Runtime: a line per case, then the count. What fails must
//! be named, with its reason, in `tests/onnx/exceptions.txt`, and nothing else may be.
//!
//! `cargo run --release --package whyglass-tests --example conformance -- CASES.zip`, after `cargo xtask setup`; the
//! archive is `tests/onnx/pack.py`'s. Behind the archive, `--libtorch` runs them on libtorch's executor instead (built with
//! the feature `libtorch`, and `LIBTORCH` at its folder). There what the executor refuses by name is counted apart, and what fails
//! otherwise must be named in `tests/onnx/exceptions-libtorch.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use whyglass_graph::Runtime;
use whyglass_onnxruntime::OrtRuntime;
use whyglass_tests::build::root;
use whyglass_tests::onnx::{Gradient, Outcome, cases, exceptions};

fn main() -> ExitCode {
    let archive = std::env::args().nth(1).map(PathBuf::from);
    let archive = archive.expect("the archive of cases as an argument: see tests/onnx/pack.py");
    if std::env::args().nth(2).as_deref() == Some("--libtorch") {
        return on_libtorch(&archive);
    }
    let library = root().join("third_party/onnxruntime/libonnxruntime.so.1.32.0");
    let runtime = OrtRuntime::from_library(&library).expect("ONNX Runtime is there: run `cargo xtask setup`");
    go(&archive, &runtime, "exceptions.txt")
}

#[cfg(feature = "libtorch")]
fn on_libtorch(archive: &Path) -> ExitCode {
    let runtime = whyglass_libtorch::TorchRuntime::on(None).expect("libtorch has a processor");
    go(archive, &runtime, "exceptions-libtorch.txt")
}

#[cfg(not(feature = "libtorch"))]
fn on_libtorch(_archive: &Path) -> ExitCode {
    eprintln!("built without libtorch: --features libtorch");
    ExitCode::FAILURE
}

fn go<R: Runtime>(archive: &Path, runtime: &R, list: &str) -> ExitCode {
    let exceptions = exceptions(list);
    let excused: BTreeSet<&str> = exceptions.keys().map(String::as_str).collect();

    let (mut passed, mut refused, mut failed) = (0, 0, BTreeMap::new());
    let (mut others, mut others_passed) = (0, 0);
    let mut gradients: BTreeMap<&str, usize> = BTreeMap::new();
    let mut stale = excused.clone();
    for case in cases(archive) {
        let unlisted = case.unlisted();
        let (outcome, gradient) = case.run(runtime);
        let went = match &outcome {
            Outcome::Passed => "passed".to_owned(),
            Outcome::Failed(why) => format!("FAILED: {}", why.replace('\n', " ")),
        };
        if !unlisted.is_empty() {
            others += 1;
            others_passed += usize::from(outcome == Outcome::Passed);
            println!("{}: not listed ({}): {went}", case.name, unlisted.join(", "));
            continue;
        }
        let (kind, detail) = match gradient {
            Gradient::Agrees => ("agrees", String::new()),
            Gradient::Differs(how) => ("differs", how),
            Gradient::None(why) => ("refused", why),
            Gradient::Fails(why) => ("does not run", why.replace('\n', " ")),
            Gradient::NoFloats => ("nothing to differentiate", String::new()),
        };
        *gradients.entry(kind).or_default() += 1;
        println!("{}: {went}; gradient {kind} {detail}", case.name);
        match outcome {
            Outcome::Passed => passed += 1,
            Outcome::Failed(why) if why.contains("libtorch's executor does not run") => refused += 1,
            Outcome::Failed(why) => {
                stale.remove(&*case.name);
                failed.insert(case.name, why);
            }
        }
    }
    let all = passed + refused + failed.len();
    println!("{passed} of {all} cases of listed operators pass, {} do not, {refused} are refused", failed.len());
    println!("gradients of these: {gradients:?}");
    println!("{others_passed} of {others} cases with operators that are not listed pass");
    let unnamed: Vec<&String> = failed.keys().filter(|name| !excused.contains(&***name)).collect();
    for name in &unnamed {
        println!("not named in tests/onnx/{list}: {name}");
    }
    for name in &stale {
        println!("named in tests/onnx/{list}, and passes or is not there: {name}");
    }
    if unnamed.is_empty() && stale.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
