//! The command line: what can be asked for, where plugins and models are looked for, and the exit status.

mod classify;
mod explain;
mod failure;
mod layers;
mod models;
mod picture;
mod places;
mod plugin;
mod serve;
mod table;
mod techniques;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use failure::{Exit, Failure};
use places::Places;

/// Shows why an image classifier decides what it decides.
#[derive(Debug, Parser)]
#[command(name = "whyglass", version, arg_required_else_help = true, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    places: Places,
    /// More of what happens inside, on standard error; twice for everything.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Techniques(techniques::Args),
    Models(models::Args),
    Layers(layers::Args),
    Classify(classify::Args),
    Explain(explain::Args),
    #[command(subcommand)]
    Plugin(plugin::Command),
}

/// Runs the command line of this process.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| error.exit());
    log_to_stderr(cli.verbose);
    match run(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(),
    }
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    match cli.command {
        Command::Serve(args) => serve::run(&cli.places, args),
        Command::Techniques(args) => techniques::run(&cli.places, &args),
        Command::Models(args) => models::run(&cli.places, &args),
        Command::Layers(args) => layers::run(&cli.places, &args),
        Command::Classify(args) => classify::run(&cli.places, &args),
        Command::Explain(args) => explain::run(&cli.places, &args),
        Command::Plugin(command) => plugin::run(&cli.places, &command),
    }
}

/// The whole definition, for tests that look at it.
#[allow(dead_code, reason = "tests walk through it")]
fn definition() -> clap::Command {
    Cli::command()
}

fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => tracing::Level::WARN,
        1 => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_holds_together() {
        definition().debug_assert();
    }

    #[test]
    fn places_may_stand_before_or_after_the_command() {
        for line in ["whyglass --models a models", "whyglass models --models a"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.places.engine.models, [std::path::PathBuf::from("a")]);
        }
    }
}
