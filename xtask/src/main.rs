//! `cargo xtask`: everything that builds, fetches, tests and measures, so that a fresh clone needs no other command.
//! This file parses and calls; each command has a file of its own.

mod bench;
mod ci;
mod conformance;
mod dashboard;
mod demo;
mod deny;
mod docs;
mod setup;
mod stage;
mod test;
mod torch;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};
use stage::Profile;
use torch::Torch;
use workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, fetches, tests and measures Whyglass")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set everything up, start the server and explain a photograph by three techniques
    Demo,
    /// Set up what tests need and run them all
    Test {
        /// Only tests whose name contains this
        filter: Option<String>,
        /// Leave libtorch out (half a gigabyte), and with it the back end `torch`
        #[arg(long)]
        without_torch: bool,
    },
    /// What continuous integration runs: formatting, lints and all tests
    Ci,
    /// Fetch the runtime, a model and pictures
    Setup {
        /// Fetch libtorch, too (half a gigabyte): the back end `torch` is built where it is there
        #[arg(long)]
        torch: bool,
    },
    /// Build the release binary and stage every plugin beside it
    Build {
        /// Build without optimisation
        #[arg(long)]
        debug: bool,
        /// Leave libtorch out even where it was set up
        #[arg(long)]
        without_torch: bool,
    },
    /// Build the page that the server shows; needs Node.js
    Dashboard {
        /// Then check its types and run its tests in Chromium, against a server of its own
        #[arg(long)]
        test: bool,
        /// Then take its timings, with an optimised server
        #[arg(long)]
        measure: bool,
    },
    /// Write the pages of the techniques into docs/techniques, from what the techniques say of themselves
    Docs {
        /// Make their pictures anew, too
        #[arg(long)]
        pictures: bool,
    },
    /// Make one set of calls with four clients, and compare what they get; needs Node.js and Chromium
    Conformance,
    /// Check licences, sources and advisories of the workspace's crates against deny.toml; builds cargo-deny first
    Deny {
        /// Leave the advisories out, whose list is fetched from GitHub
        #[arg(long)]
        without_advisories: bool,
    },
    /// Measure against the peers, side by side
    Bench {
        /// Under five minutes: five rounds of what is short, on EfficientNet-Lite0 and ResNet-50; what is slow and VGG-16
        /// and ViT-B/16 are left out
        #[arg(long)]
        quick: bool,
        /// Only on these networks: efficientnet-lite0, resnet50, vgg16, vit-b-16
        #[arg(long)]
        network: Vec<String>,
        /// Only the benchmarks with these names
        names: Vec<String>,
    },
}

fn main() -> Result<()> {
    let workspace = Workspace::find()?;
    match Arguments::parse().command {
        Command::Demo => demo::demo(&workspace),
        Command::Test { filter, without_torch } => test::run(&workspace, filter.as_deref(), without_torch),
        Command::Ci => ci::run_all(&workspace),
        Command::Setup { torch } => {
            setup::all(&workspace)?;
            if torch {
                println!("{}", setup::libtorch::libtorch(&workspace)?.display());
            }
            Ok(())
        }
        Command::Build { debug, without_torch } => {
            let profile = if debug { Profile::Debug } else { Profile::Release };
            let staged = stage::build(&workspace, profile, &Torch::found(&workspace, without_torch))?;
            println!("{}", staged.binary.display());
            Ok(())
        }
        Command::Docs { pictures } => docs::write(&workspace, pictures),
        Command::Dashboard { test, measure } => dashboard::run_all(&workspace, test, measure),
        Command::Deny { without_advisories } => deny::check(&workspace, without_advisories),
        Command::Conformance => conformance::run_all(&workspace),
        Command::Bench { quick, network, names } => bench::run_all(&workspace, quick, &network, &names),
    }
}
