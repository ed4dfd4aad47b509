//! Gradients of random small graphs against PyTorch's autograd: a line per graph that disagrees, then the count.
//!
//! `cargo run --release --package whyglass-tests --example gradients -- GRAPHS.zip`, after `cargo xtask setup`; the
//! archive is `tests/onnx/random_graphs.py`'s. PyTorch's numbers are float64, ours float32.

use std::path::PathBuf;
use std::process::ExitCode;
use whyglass_onnxruntime::OrtRuntime;
use whyglass_tests::build::root;
use whyglass_tests::onnx::{Agreement, cases};

fn main() -> ExitCode {
    let archive = std::env::args().nth(1).map(PathBuf::from);
    let archive = archive.expect("the archive of graphs as an argument: see tests/onnx/random_graphs.py");
    let library = root().join("third_party/onnxruntime/libonnxruntime.so.1.32.0");
    let runtime = OrtRuntime::from_library(&library).expect("ONNX Runtime is there: run `cargo xtask setup`");
    let (mut agree, mut forward, mut others, mut nodes) = (0, 0, 0, 0);
    let mut errors = Vec::new();
    for case in cases(&archive) {
        nodes += case.nodes();
        match case.against_autograd(&runtime) {
            Ok(Agreement { value, gradient }) if value > 1e-3 => {
                forward += 1;
                println!(
                    "{}: the value itself is off by {value:.1e} (the gradient by {gradient:.1e}) of the largest",
                    case.name
                );
            }
            Ok(Agreement { gradient, .. }) if gradient <= 1e-3 => {
                agree += 1;
                errors.push(gradient);
            }
            Ok(Agreement { gradient, .. }) => {
                others += 1;
                println!("{}: the gradient is off by {gradient:.1e} of the largest", case.name);
            }
            Err(why) => {
                others += 1;
                println!("{}: {}", case.name, why.replace('\n', " "));
            }
        }
    }
    errors.sort_by(f64::total_cmp);
    let all = agree + forward + others;
    let median = errors.get(errors.len() / 2).copied().unwrap_or_default();
    println!(
        "{agree} of {all} graphs ({nodes} nodes) have PyTorch's gradient within 1e-3 of its largest element, half of them within {median:.1e}"
    );
    println!("of the others {forward} already differ in the value itself");
    if others + forward == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
