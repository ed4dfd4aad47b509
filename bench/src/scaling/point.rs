//! One point of a curve. It is measured in a process of its own: what a process has once taken it keeps, so that only the peak of
//! a fresh one is what this point needs.

use super::{confusion, runs, service, size, tsne, windows};
use crate::memory;
use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What to measure.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Point {
    /// A sweep with windows so many pixels apart.
    Windows {
        stride: u32,
    },
    /// Pictures of so many pixels a side.
    Size {
        work: size::Work,
        side: u32,
    },
    /// So many sweeps at once.
    Runs {
        count: usize,
    },
    /// The dataset that a manifest lists.
    Confusion {
        manifest: PathBuf,
    },
    Tsne {
        manifest: PathBuf,
    },
    /// What a service is asked for.
    Service {
        quick: bool,
    },
}

/// What was measured at one n.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) n: f64,
    pub(crate) seconds: f64,
    /// Resident memory at its peak, in MiB.
    #[serde(default)]
    pub(crate) peak: f64,
    /// What only this curve has.
    #[serde(default)]
    pub(crate) more: BTreeMap<String, f64>,
}

impl Sample {
    pub(crate) fn new(n: usize, seconds: f64, more: &[(&str, f64)]) -> Self {
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Self { n: n as f64, seconds, peak: f64::NAN, more }
    }

    /// NaN where this curve has none of that name.
    pub(crate) fn figure(&self, name: &str) -> f64 {
        self.more.get(name).copied().unwrap_or(f64::NAN)
    }
}

impl Point {
    /// Measures it in this process.
    pub(crate) fn here(&self, plugins: &Path) -> Result<Value> {
        let sample = match self {
            Self::Windows { stride } => windows::at(plugins, *stride)?,
            Self::Size { work, side } => size::at(plugins, *work, *side)?,
            Self::Runs { count } => runs::at(plugins, *count)?,
            Self::Confusion { manifest } => confusion::at(plugins, manifest)?,
            Self::Tsne { manifest } => tsne::at(plugins, manifest)?,
            Self::Service { quick } => return Ok(serde_json::to_value(service::at(plugins, *quick)?)?),
        };
        Ok(serde_json::to_value(Sample { peak: memory::peak()?, ..sample })?)
    }

    /// Measures it in a process of its own, whose answer is its last line.
    pub(crate) fn apart<T: DeserializeOwned>(&self, plugins: &Path) -> Result<T> {
        let name = serde_json::to_string(self)?;
        eprintln!("{name}");
        let mut child = Command::new(std::env::current_exe()?);
        child
            .args(["--python", "none", "--binary", "none", "--plugins"])
            .arg(plugins)
            .args(["scaling", "--point", &name]);
        let done = child.stderr(Stdio::inherit()).output()?;
        ensure!(done.status.success(), "{name} has failed");
        let said = String::from_utf8(done.stdout)?;
        let answer = said.lines().last().with_context(|| format!("{name} has said nothing"))?;
        eprintln!("  {answer}");
        serde_json::from_str(answer).with_context(|| format!("{name} has said {answer}"))
    }
}
