//! What was measured, as JSON and as a Markdown table, with machine and versions.

use crate::measure::{Pair, median, spread};
use anyhow::Result;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;

const FOLDER: &str = "docs/benchmarks";

#[derive(Default, Serialize)]
pub(crate) struct Report {
    pub(crate) peer: Value,
    pairs: Vec<Row>,
    figures: Vec<(String, f64)>,
}

#[derive(Serialize)]
struct Row {
    work: String,
    beside: String,
    seconds: Pair,
    /// theirs / ours, per round.
    ratios: Vec<f64>,
    /// How far the two answers lie apart.
    apart: f64,
}

impl Report {
    pub(crate) fn pair(&mut self, work: &str, beside: &str, pair: &Pair, apart: f64) {
        let ratios = pair.ratios();
        eprintln!("{work}: {:.2}× of {beside}", median(&ratios));
        let seconds = Pair { ours: pair.ours.clone(), theirs: pair.theirs.clone() };
        self.pairs.push(Row { work: work.into(), beside: beside.into(), seconds, ratios, apart });
    }

    pub(crate) fn figure(&mut self, name: &str, value: f64) {
        eprintln!("{name}: {value:.2}");
        self.figures.push((name.into(), value));
    }

    /// Writes `docs/benchmarks/{name}.{json,md}` and prints the table.
    pub(crate) fn write(&self, name: &str) -> Result<()> {
        std::fs::create_dir_all(FOLDER)?;
        std::fs::write(format!("{FOLDER}/{name}.json"), serde_json::to_string_pretty(self)?)?;
        let table = self.table()?;
        std::fs::write(format!("{FOLDER}/{name}.md"), &table)?;
        println!("{table}");
        Ok(())
    }

    fn table(&self) -> Result<String> {
        let mut text =
            String::from("# Side by side\n\nEfficientNet-Lite0, 224×224, one machine, one run, both sides in turn. ");
        writeln!(text, "Medians with the spread in brackets; a ratio above 1 says that Whyglass is faster.\n")?;
        writeln!(text, "{}; peers: {}\n", machine(), self.peer)?;
        writeln!(
            text,
            "| work | beside | ours (ms) | theirs (ms) | ratio | answers apart |\n|---|---|---|---|---|---|"
        )?;
        for row in &self.pairs {
            let (low, high) = spread(&row.ratios);
            let (ours, theirs) = (median(&row.seconds.ours) * 1e3, median(&row.seconds.theirs) * 1e3);
            let ratio = median(&row.ratios);
            let (work, beside, apart) = (&row.work, &row.beside, row.apart);
            writeln!(
                text,
                "| {work} | {beside} | {ours:.1} | {theirs:.1} | {ratio:.2} [{low:.2}–{high:.2}] | {apart:.1e} |"
            )?;
        }
        if !self.figures.is_empty() {
            writeln!(text, "\n| figure | |\n|---|---|")?;
            for (name, value) in &self.figures {
                writeln!(text, "| {name} | {value:.2} |")?;
            }
        }
        Ok(text)
    }
}

/// The processor and the number of cores.
pub(crate) fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("a processor", |pair| pair.1);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{name}, {cores} cores")
}
