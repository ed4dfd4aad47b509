//! How time and memory grow with what is asked for: windows, picture size, runs at once, pictures of a dataset; the laws that
//! they follow, and what these say for a service. Our side alone: there is no peer here.
//!
//! `scaling` writes docs/scaling.md, its drawings and its numbers; `scaling redraw` the page and the drawings from the numbers.

mod chart;
mod confusion;
mod curve;
mod dataset;
mod drawings;
mod estimate;
mod fit;
mod numbers;
mod page;
mod point;
mod processor;
mod runs;
mod service;
mod service_page;
mod settled;
mod size;
mod table;
mod tsne;
mod windows;

use anyhow::{Context, Result};
use curve::Curve;
use dataset::Digits;
use point::Point;
use serde::{Deserialize, Serialize};
use service::Service;
use size::Work;
use std::path::Path;

const PAGE: &str = "docs/scaling.md";
const FOLDER: &str = "docs/benchmarks";

/// All that was measured.
#[derive(Serialize, Deserialize)]
struct Scaling {
    machine: String,
    windows: Curve,
    forward: Curve,
    gradient: Curve,
    sweep: Curve,
    runs: Curve,
    confusion: Curve,
    tsne: Curve,
    service: Service,
}

/// Measures all and writes it down; a quick run has shorter curves, and only prints its page. Where `point` is given this process
/// was started for one point, and prints what it measures.
pub(crate) fn measure(plugins: &Path, quick: bool, point: Option<&str>) -> Result<()> {
    if let Some(point) = point {
        let point: Point = serde_json::from_str(point).context("no point of a curve")?;
        println!("{}", point.here(plugins)?);
        return Ok(());
    }
    let scaling = Scaling::measured(plugins, quick)?;
    if quick {
        println!("{}", page::text(&scaling)?);
        return Ok(());
    }
    std::fs::create_dir_all(FOLDER)?;
    std::fs::write(format!("{FOLDER}/scaling.json"), serde_json::to_string_pretty(&scaling)?)?;
    scaling.write()
}

/// Writes the page and the drawings of what was measured before.
pub(crate) fn redraw() -> Result<()> {
    let path = format!("{FOLDER}/scaling.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    serde_json::from_str::<Scaling>(&text).with_context(|| format!("{path} is none of ours"))?.write()
}

impl Scaling {
    fn measured(plugins: &Path, quick: bool) -> Result<Self> {
        let curve = |counts: &str, points: Vec<Point>| -> Result<Curve> {
            let samples = points.iter().map(|point| point.apart(plugins)).collect::<Result<_>>()?;
            Ok(Curve::new(counts, samples))
        };
        let by_size = |work| curve("pixels", size::points(work, quick));
        let digits = Digits::make(confusion::most(quick))?;
        Ok(Self {
            machine: crate::report::machine(),
            windows: curve("windows", windows::points(quick))?,
            forward: by_size(Work::Forward)?,
            gradient: by_size(Work::Gradient)?,
            sweep: by_size(Work::Sweep)?,
            runs: curve("runs", runs::points(quick))?,
            confusion: curve("pictures", confusion::points(&digits, quick)?)?,
            tsne: curve("points", tsne::points(&digits, quick)?)?,
            service: Point::Service { quick }.apart(plugins)?,
        })
    }

    fn write(&self) -> Result<()> {
        for (name, chart) in drawings::all(self) {
            std::fs::write(format!("{FOLDER}/scaling-{name}.svg"), chart.draw())?;
        }
        std::fs::write(PAGE, page::text(self)?)?;
        println!("{PAGE}");
        Ok(())
    }
}
