//! The table of operators in docs/operators.md is what the code says. `BLESS=1 cargo test -p whyglass-graph --test operators`
//! writes it anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fmt::Write as _;
use std::path::Path;
use whyglass_graph::ops;
use whyglass_graph::read::OPSETS;

const INTRODUCTION: &str = "# Operators

What is known of ONNX's operators. This page is made from the code: `BLESS=1 cargo test -p whyglass-graph --test operators`
writes it, and a test compares.

- **Forward**, every operator works that the engine underneath (ONNX Runtime) can run, whether it is listed or not.
- **Backward**, a gradient that would have to pass through an operator that is not listed, or that is used in a form that
  the remarks exclude, is refused (`FAILED_PRECONDITION`) with the operator's and the node's name. Choose a layer behind it.
- \"nothing flows\": the derivative is zero or has no meaning, and a gradient ends there. So it does at every integer.
- What depends on shapes and weights alone is folded into constants when a model is loaded, and never differentiated.
- Functions kept in the file are written out. Sub-graphs (`If`, `Loop`, `Scan`), sequences and strings are refused by name.
- Where several inputs of Max, Min, ReduceMax or ReduceMin are equal they share the cotangent; of equal maxima of a pool the
  first takes it. Rectifiers pass nothing at their bounds.
";

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let (first, last) = (OPSETS.start(), OPSETS.end());
    let _ = write!(
        page,
        "\nFiles of the operator sets {first} to {last} are read; {} operators are known.\n\n",
        ops::known().count()
    );
    page.push_str("| operator | operator sets | derivative | remarks |\n|---|---|---|---|\n");
    for (name, since, operator) in ops::known() {
        let derivative = if operator.flows() { "yes" } else { "nothing flows" };
        let until = operator.until(name).unwrap_or(*last);
        let _ = writeln!(page, "| {name} | {since}–{until} | {derivative} | {} |", operator.remark(name));
    }
    page
}

#[test]
fn the_page_of_operators_says_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operators.md");
    let page = page();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/operators.md is not what the code says: run this test with BLESS=1, and look at the change"
    );
}
