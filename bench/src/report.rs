//! What was measured, as JSON, as a Markdown table per network and as a plot, with machine and versions.

use crate::measure::{Pair, median, spread};
use crate::network::Network;
use crate::plot::{Bar, Plot};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::Write as _;

const FOLDER: &str = "docs/benchmarks";

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) peer: Value,
    machine: String,
    pairs: Vec<Row>,
    figures: Vec<(String, f64)>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Row {
    network: String,
    work: String,
    beside: String,
    seconds: Pair,
    /// theirs / ours, per round.
    ratios: Vec<f64>,
    /// How far the two answers lie apart.
    apart: f64,
    /// Seconds that our side would take if only the multiplications of the work took time, where that is known.
    #[serde(default)]
    pub(crate) floor: Option<f64>,
}

impl Report {
    /// Of this machine.
    pub(crate) fn new() -> Self {
        Self { machine: machine(), ..Self::default() }
    }

    /// As an earlier run has written it.
    pub(crate) fn read(name: &str) -> Result<Self> {
        let path = format!("{FOLDER}/{name}.json");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        serde_json::from_str(&text).with_context(|| format!("{path} is none of ours"))
    }

    pub(crate) fn pair(&mut self, network: &Network, work: &str, beside: &str, pair: &Pair, apart: f64) -> &mut Row {
        let ratios = pair.ratios();
        eprintln!("{}, {work}: {:.2}× of {beside}", network.title, median(&ratios));
        let seconds = Pair { ours: pair.ours.clone(), theirs: pair.theirs.clone() };
        let (network, work, beside) = (network.title.into(), work.into(), beside.into());
        self.pairs.push(Row { network, work, beside, seconds, ratios, apart, floor: None });
        let last = self.pairs.len() - 1;
        &mut self.pairs[last]
    }

    pub(crate) fn figure(&mut self, name: &str, value: f64) {
        eprintln!("{name}: {value:.2}");
        self.figures.push((name.into(), value));
    }

    /// Writes `docs/benchmarks/{name}.{json,md,svg}` and prints the tables.
    pub(crate) fn write(&self, name: &str) -> Result<()> {
        std::fs::create_dir_all(FOLDER)?;
        std::fs::write(format!("{FOLDER}/{name}.json"), serde_json::to_string_pretty(self)?)?;
        let text = self.text(name)?;
        std::fs::write(format!("{FOLDER}/{name}.md"), &text)?;
        if !self.pairs.is_empty() {
            std::fs::write(format!("{FOLDER}/{name}.svg"), self.plot().draw())?;
        }
        println!("{text}");
        Ok(())
    }

    fn text(&self, name: &str) -> Result<String> {
        let mut text = String::from("# Side by side\n\n224×224, one machine, one run, both sides in turn. ");
        writeln!(
            text,
            "Medians with the spread in brackets; a ratio above 1 says that Whyglass is faster. *At most* is the"
        )?;
        writeln!(
            text,
            "ratio if only the multiplications that the work cannot do without took time, at the rate of plain"
        )?;
        writeln!(
            text,
            "forward passes in batches of 8: what is between it and the ratio is ours to win, what is above it is not.\n"
        )?;
        writeln!(text, "{}; peers: {}", self.machine, self.peer)?;
        if !self.pairs.is_empty() {
            writeln!(text, "\n![How many times faster each row is]({name}.svg)")?;
        }
        for network in self.networks() {
            writeln!(
                text,
                "\n## {network}\n\n| work | beside | ours (ms) | theirs (ms) | ratio | at most | answers apart |"
            )?;
            writeln!(text, "|---|---|---|---|---|---|---|")?;
            for row in self.pairs.iter().filter(|row| row.network == network) {
                let (low, high) = spread(&row.ratios);
                let (ours, theirs) = (median(&row.seconds.ours) * 1e3, median(&row.seconds.theirs) * 1e3);
                let ratio = median(&row.ratios);
                let (work, beside, apart) = (&row.work, &row.beside, row.apart);
                let most = row.floor.map_or(String::new(), |floor| format!("{:.1}", theirs / 1e3 / floor));
                writeln!(
                    text,
                    "| {work} | {beside} | {ours:.1} | {theirs:.1} | {ratio:.2} [{low:.2}–{high:.2}] | {most} | {apart:.1e} |"
                )?;
            }
        }
        if !self.figures.is_empty() {
            writeln!(text, "\n## Figures\n\n| figure | |\n|---|---|")?;
            for (name, value) in &self.figures {
                writeln!(text, "| {name} | {value:.2} |")?;
            }
        }
        Ok(text)
    }

    /// In the order in which they were measured first.
    fn networks(&self) -> Vec<&str> {
        let mut networks: Vec<&str> = Vec::new();
        for row in &self.pairs {
            if !networks.contains(&row.network.as_str()) {
                networks.push(&row.network);
            }
        }
        networks
    }

    fn plot(&self) -> Plot {
        let bar = |row: &Row| {
            let (low, high) = spread(&row.ratios);
            Bar { label: format!("{} · {}", row.work, row.beside), low, ratio: median(&row.ratios), high }
        };
        let rows = |network: &str| self.pairs.iter().filter(|row| row.network == network).map(bar).collect();
        let groups = self.networks().into_iter().map(|network| (network.to_owned(), rows(network)));
        Plot { title: "Whyglass beside its peers".into(), about: self.machine.clone(), groups: groups.collect() }
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
