//! The Python package as it is installed: its own tests, against servers that they start; its notebook; its types.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;
use whyglass_tests::build::root;
use whyglass_tests::staged::{binary, models, plugins};

/// Runs the tests that `arguments` choose; returns how many passed.
fn pytest(arguments: &[&str]) -> usize {
    let python = root().join("third_party/python/package/bin/python");
    assert!(python.exists(), "{} is missing: run `cargo xtask test`, which sets it up", python.display());
    let all_models = std::env::join_paths([models(), root().join("tests/models")]).unwrap();
    let output = Command::new(python)
        .args(["-m", "pytest", "-p", "no:cacheprovider", "--color=no"])
        .args(arguments)
        .current_dir(root().join("clients/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("WHYGLASS_BINARY", binary())
        .env("WHYGLASS_PLUGINS", plugins())
        .env("WHYGLASS_MODELS", all_models)
        .env("WHYGLASS_DATASETS", root().join("datasets"))
        .env("WHYGLASS_PICTURES", root().join("third_party/pictures"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let last = text.lines().next_back().unwrap_or_default();
    last.split(" passed").next().and_then(|count| count.trim().parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

const DOCUMENTS: &str = "tests/test_documents.py";

#[test]
fn the_package_explains_resumes_and_says_what_is_wrong_against_a_real_server() {
    let passed = pytest(&["--ignore", DOCUMENTS]);
    assert!(passed >= 30, "{passed} tests");
}

#[test]
fn the_lines_of_its_readme_and_its_notebook_work() {
    assert_eq!(pytest(&[DOCUMENTS, "-k", "readme or notebook"]), 2);
}

#[test]
fn its_types_hold_strictly() {
    assert_eq!(pytest(&[DOCUMENTS, "-k", "types"]), 1);
}
