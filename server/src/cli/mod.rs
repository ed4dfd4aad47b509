//! The command line: what can be asked for, where plugins and models are looked for, and the exit status.

#[macro_use]
mod out;

mod classify;
mod explain;
mod failure;
mod layers;
mod models;
mod normalize;
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
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    log_to_stderr(cli.verbose);
    match run(cli) {
        Ok(exit) => out::end(exit).into(),
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

/// Help and version go where clap sends them; what is wrong is said in one line, as every other error.
fn refuse(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    if matches!(error.kind(), DisplayHelp | DisplayHelpOnMissingArgumentOrSubcommand | DisplayVersion) {
        error.exit();
    }
    one_line(&error.to_string()).report()
}

/// What comes before the usage.
fn one_line(text: &str) -> Failure {
    let text = text.split("\nUsage:").next().unwrap_or_default();
    let text = text.split("\nFor more information").next().unwrap_or_default();
    let text = text.strip_prefix("error: ").unwrap_or(text).split_whitespace().collect::<Vec<_>>().join(" ");
    Failure::refused(text)
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
    fn what_is_wrong_with_the_line_is_said_in_one_line() {
        let error = |line: &str| one_line(&Cli::try_parse_from(line.split(' ')).unwrap_err().to_string()).to_string();
        let missing = error("whyglass explain lime");
        assert_eq!(missing, "error: the following required arguments were not provided: <MODEL[,…]> <IMAGE>...");
        let misspelt = error("whyglass classify m a.png --topp 3");
        assert!(
            misspelt.contains("'--topp'") && misspelt.contains("'--top'") && !misspelt.contains('\n'),
            "{misspelt}"
        );
        assert!(error("whyglass explain lime,, m a.png").contains("comma too many"));
    }

    #[test]
    fn techniques_and_models_are_lists_and_pictures_follow() {
        let line = "whyglass explain occlusion,grad-cam a,b x.png y.png -p size=0.1 --target ox --max-duration 30s";
        let Command::Explain(args) = Cli::try_parse_from(line.split(' ')).unwrap().command else { panic!("another") };
        let text = format!("{args:?}");
        for part in [r#"["occlusion", "grad-cam"]"#, r#"["a", "b"]"#, r#"["x.png", "y.png"]"#, "30s"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn places_may_stand_before_or_after_the_command() {
        for line in ["whyglass --models a models", "whyglass models --models a"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.places.engine.models, [std::path::PathBuf::from("a")]);
        }
    }
}
