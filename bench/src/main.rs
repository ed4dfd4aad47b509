//! Measures Whyglass beside its peers: both sides in one run, interleaved (A B A B …), after both have been shown to
//! give the same answer. Only ratios are worth reporting; medians and spreads are printed beside them.
//!
//! Started by `cargo xtask bench`, which sets up the peers' packages and the release build.

mod crowd;
mod gradient;
mod latency;
mod lime;
mod limit;
mod measure;
mod memory;
mod occlusion;
mod ours;
mod peer;
mod report;
mod scaling;
mod server;
mod settling;
mod svg;
#[cfg(feature = "libtorch")]
mod torchscript;

use anyhow::{Result, bail};
use clap::Parser;
use ours::Ours;
use peer::Peer;
use report::Report;
use std::path::PathBuf;

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
    /// Fewer rounds, and not the slower setting of the longest sweep
    #[arg(long)]
    quick: bool,
    /// Only these: occlusion, gradient, lime, limit, settling, torchscript, server, latency, crowd, memory, mixed. Or, by
    /// itself, scaling: it writes a page of its own, which `scaling redraw` writes from its numbers
    names: Vec<String>,
    /// Of scaling: measures one point of a curve in this process
    #[arg(long, hide = true)]
    point: Option<String>,
    /// Photographs on which LIME's stop rule is tried: pictures and folders of them
    #[arg(long, default_value = "third_party/pictures")]
    pictures: Vec<PathBuf>,
}

const NAMES: [&str; 11] = [
    "occlusion",
    "gradient",
    "lime",
    "limit",
    "settling",
    "torchscript",
    "server",
    "latency",
    "crowd",
    "memory",
    "mixed",
];

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match &arguments.names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["scaling"] => return scaling::measure(&arguments.plugins, arguments.quick, arguments.point.as_deref()),
        ["scaling", "redraw"] => return scaling::redraw(),
        _ => {}
    }
    if let Some(name) = arguments.names.iter().find(|name| !NAMES.contains(&name.as_str())) {
        bail!("there is no benchmark {name:?}: choose from {}", NAMES.join(", "));
    }
    let wanted = |name: &str| arguments.names.is_empty() || arguments.names.iter().any(|given| given == name);
    // What takes minutes is not what `--quick` is for.
    let is_long_wanted = |name: &str| wanted(name) && !(arguments.quick && arguments.names.is_empty());
    let rounds = if arguments.quick { 5 } else { 9 };
    let ours = Ours::start(&arguments.plugins)?;
    let mut report = Report::default();
    if ["occlusion", "gradient", "lime", "limit", "settling", "torchscript"].into_iter().any(wanted) {
        let mut peer = Peer::start(&arguments.python)?;
        report.peer = peer.versions.clone();
        if wanted("occlusion") {
            occlusion::measure(&ours, &mut peer, rounds, arguments.quick, &mut report)?;
        }
        if wanted("gradient") {
            gradient::measure(&arguments.plugins, &mut peer, rounds, &mut report)?;
        }
        #[cfg(feature = "libtorch")]
        if wanted("torchscript") {
            torchscript::measure(&mut peer, rounds, &mut report)?;
        }
        if wanted("lime") {
            lime::measure(&ours, &mut peer, &arguments.python, rounds.min(3), &mut report)?;
        }
        if is_long_wanted("limit") {
            limit::measure(&ours, &mut peer, &mut report)?;
        }
        if is_long_wanted("settling") {
            settling::measure(&ours, &mut peer, &arguments.pictures, &mut report)?;
        }
    }
    if wanted("server") {
        server::measure(&ours, &arguments, rounds, &mut report)?;
    }
    if wanted("latency") {
        latency::measure(&ours, rounds, &mut report)?;
    }
    if is_long_wanted("crowd") {
        crowd::measure(&ours, rounds, &mut report)?;
    }
    let many = if arguments.quick { 300 } else { 1000 };
    if wanted("memory") {
        memory::measure(&ours, many, &mut report)?;
    }
    if is_long_wanted("mixed") {
        memory::mixed(&Ours::keeping(&arguments.plugins, 50)?, many, &mut report)?;
    }
    // What was measured alone is kept beside the whole, not in its place.
    let name = if arguments.names.is_empty() { "latest".into() } else { arguments.names.join("-") };
    report.write(&name)
}
