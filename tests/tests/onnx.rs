//! ONNX's own conformance tests, the smallest for each operator, through the graph crate on the engines that run its graphs.
//! The rest is run by the example `conformance`; see `tests/onnx/README.md`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use whyglass_graph::Runtime;
use whyglass_onnxruntime::OrtRuntime;
use whyglass_tests::build::root;
use whyglass_tests::onnx::{Gradient, Outcome, cases, exceptions};

#[test]
fn the_smallest_conformance_test_of_each_operator_passes() {
    let library = root().join("third_party/onnxruntime/libonnxruntime.so.1.32.0");
    check(&OrtRuntime::from_library(&library).unwrap(), "exceptions.txt", |_| false);
}

#[cfg(feature = "libtorch")]
#[test]
fn the_smallest_conformance_test_of_each_operator_passes_on_libtorch() {
    let runtime = whyglass_libtorch::TorchRuntime::on(None).unwrap();
    check(&runtime, "exceptions-libtorch.txt", |why| why.contains("libtorch's executor does not run"));
}

/// Runs the cases but those that `list` names, and those that are refused by name.
fn check<R: Runtime>(runtime: &R, list: &str, refuses: impl Fn(&str) -> bool) {
    let excused = exceptions(list);
    let (mut passed, mut differentiated, mut wrong) = (0, 0, Vec::new());
    for case in cases(&root().join("tests/onnx/small.zip")) {
        if !case.unlisted().is_empty() || excused.contains_key(&case.name) {
            continue;
        }
        let (outcome, gradient) = case.run(runtime);
        match outcome {
            Outcome::Passed => passed += 1,
            Outcome::Failed(why) if refuses(&why) => println!("{}: {why}", case.name),
            Outcome::Failed(why) => wrong.push(format!("{}: {why}", case.name)),
        }
        match gradient {
            Gradient::Agrees => differentiated += 1,
            Gradient::Fails(why) => wrong.push(format!("{}: its gradient: {why}", case.name)),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{passed} cases, {differentiated} of them differentiated");
    assert!(passed >= 100 && differentiated >= 60, "{passed} cases, {differentiated} of them differentiated");
}
