//! Measures Whyglass beside its peers: both sides in one run, interleaved (A B A B …), after both have been shown to
//! give the same answer. Only ratios are worth reporting; medians and spreads are printed beside them.
//!
//! Started by `cargo xtask bench`, which sets up the peers' packages and the release build.

mod agreement;
mod averages;
mod crowd;
mod dream;
mod floor;
mod grad_cam;
mod gradient;
mod latency;
mod lime;
mod limit;
mod measure;
mod memory;
mod network;
mod occlusion;
mod ours;
mod peer;
mod plot;
mod report;
mod scaling;
mod server;
mod settling;
mod sides;
mod svg;
#[cfg(feature = "libtorch")]
mod torchscript;
mod wanted;

use anyhow::Result;
use clap::Parser;
use network::Choice;
use ours::Ours;
use report::Report;
use sides::Sides;
use std::path::{Path, PathBuf};
use wanted::Wanted;

#[derive(Parser)]
struct Arguments {
    /// The interpreter that has the peers' packages
    #[arg(long)]
    python: PathBuf,
    /// The staged plugins
    #[arg(long)]
    plugins: PathBuf,
    /// The release binary
    #[arg(long)]
    binary: PathBuf,
    #[command(flatten)]
    wanted: Wanted,
    /// Of scaling: measures one point of a curve in this process
    #[arg(long, hide = true)]
    point: Option<String>,
    /// Photographs on which LIME's stop rule is tried: pictures and folders of them
    #[arg(long, default_value = "third_party/pictures")]
    pictures: Vec<PathBuf>,
    /// Measures nothing: writes the tables and the plot of docs/benchmarks/NAME.json anew
    #[arg(long, value_name = "NAME")]
    redraw: Option<String>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let wanted = &arguments.wanted;
    match &wanted.names()[..] {
        ["scaling"] => return scaling::measure(&arguments.plugins, wanted.quick, arguments.point.as_deref()),
        ["scaling", "redraw"] => return scaling::redraw(),
        _ => wanted.check()?,
    }
    if let Some(name) = &arguments.redraw {
        return Report::read(name)?.write(name);
    }
    // What the peer writes for us: networks of random weights, which go with this folder.
    let folder = tempfile::Builder::new().prefix("whyglass-bench-").tempdir()?;
    let mut report = Report::new();
    for choice in wanted.networks() {
        if wanted.any(&wanted::BESIDE_PEERS) {
            beside_peers(&arguments, choice, folder.path(), &mut report)?;
        }
        if choice == Choice::EfficientnetLite0 {
            alone(&arguments, &mut report)?;
        }
    }
    // What was measured in part is kept beside the whole, not in its place.
    report.write(&wanted.title())
}

/// What is measured on a network, beside its peers.
fn beside_peers(arguments: &Arguments, choice: Choice, folder: &Path, report: &mut Report) -> Result<()> {
    let wanted = &arguments.wanted;
    let rounds = wanted.rounds();
    let network = choice.network();
    let mut sides = Sides::start(network, &arguments.python, &arguments.plugins, folder, report)?;
    report.peer = sides.peer.versions.clone();
    if wanted.is("occlusion") {
        let sweeps = if wanted.is_whole() { network.sweeps } else { &network.sweeps[..1] };
        occlusion::measure(&mut sides, sweeps, rounds, report)?;
    }
    if wanted.is("gradient") {
        gradient::measure(&mut sides, &arguments.plugins, folder, rounds, report)?;
    }
    if network.dreaming.is_some() {
        if wanted.is_long("integrated-gradients") {
            averages::integrated_gradients(&mut sides, rounds, report)?;
        }
        if wanted.is_long("smooth-grad") {
            averages::smooth_grad(&mut sides, rounds, report)?;
        }
        if wanted.is_long("grad-cam") {
            grad_cam::measure(&mut sides, &arguments.plugins, folder, rounds, report)?;
        }
        if wanted.is_long("deep-dream") {
            dream::measure(&mut sides, rounds, report)?;
        }
    }
    if choice == Choice::EfficientnetLite0 {
        let Sides { ours, peer, .. } = &mut sides;
        #[cfg(feature = "libtorch")]
        if wanted.is("torchscript") {
            torchscript::measure(peer, rounds, report)?;
        }
        if wanted.is_long("lime") {
            lime::measure(ours, peer, &arguments.python, rounds.min(3), report)?;
        }
        if wanted.is_named("limit") {
            limit::measure(ours, peer, report)?;
        }
        if wanted.is_named("settling") {
            settling::measure(ours, peer, &arguments.pictures, report)?;
        }
    }
    Ok(())
}

/// What is measured of our side alone, on EfficientNet-Lite0.
fn alone(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let wanted = &arguments.wanted;
    if !wanted.any(&wanted::ALONE) {
        return Ok(());
    }
    let rounds = wanted.rounds();
    let ours = Ours::start(&arguments.plugins)?;
    if wanted.is("server") {
        server::measure(&ours, arguments, rounds, report)?;
    }
    if wanted.is("latency") {
        latency::measure(&ours, rounds, report)?;
    }
    if wanted.is_long("crowd") {
        crowd::measure(&ours, rounds, report)?;
    }
    let many = if wanted.quick { 300 } else { 1000 };
    if wanted.is("memory") {
        memory::measure(&ours, many, report)?;
    }
    if wanted.is_long("mixed") {
        memory::mixed(&Ours::keeping(&arguments.plugins, 50)?, many, report)?;
    }
    Ok(())
}
