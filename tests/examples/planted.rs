//! The tables of the planted truth as Markdown: what hiding the blob does, and what the maps say, for every technique that
//! gives a map and every pair of nets in a folder: `digits-cheat` and `digits-honest`, `digits-cheat-1` and
//! `digits-honest-1`, …, as `tests/models/digits.py` writes them.
//!
//! `cargo run --release --package whyglass-tests --example planted -- FOLDER`, after `cargo xtask build`.

use std::path::PathBuf;
use whyglass_tests::planted::{Cover, Verdict, flips, judge, map_techniques};
use whyglass_tests::staged::{engine, plugins};

fn main() {
    let folder =
        std::env::args().nth(1).map_or_else(|| whyglass_tests::build::root().join("tests/models"), PathBuf::from);
    let engine = engine(&[&plugins()], &folder);
    let names = engine.models().into_iter().map(|model| model.name);
    let pairs: Vec<[String; 2]> = names
        .filter(|name| name.starts_with("digits-cheat"))
        .map(|cheat| [cheat.clone(), cheat.replace("cheat", "honest")])
        .collect();
    let percent = |value: f64| format!("{:.0} %", value * 100.0);
    println!("| the blob hidden in | pair | label flips: cheat | honest |\n|---|---|---|---|");
    for cover in [Cover::Black, Cover::MeanColour] {
        for (index, pair) in pairs.iter().enumerate() {
            let [cheat, honest] = pair.each_ref().map(|model| percent(flips(&engine, model, cover)));
            println!("| {cover:?} | {} | {cheat} | {honest} |", index + 1);
        }
    }
    println!();
    println!(
        "| technique | pair | maximum in the region: cheat | honest | share in the region: cheat | honest | ratio |"
    );
    println!("|---|---|---|---|---|---|---|");
    for technique in map_techniques(&engine) {
        for (index, [cheat, honest]) in pairs.iter().enumerate() {
            let Some(Verdict { technique, peak, share }) = judge(&engine, [cheat, honest], &technique) else {
                continue;
            };
            let ratio = share[0] / share[1].max(1e-6);
            let ratio = if ratio > 999.0 { "> 999".to_owned() } else { format!("{ratio:.1}") };
            println!(
                "| {technique} | {} | {} | {} | {} | {} | {ratio} |",
                index + 1,
                percent(peak[0]),
                percent(peak[1]),
                percent(share[0]),
                percent(share[1]),
            );
        }
    }
}
