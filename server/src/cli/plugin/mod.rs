//! `whyglass plugin`: what is there, whether one is sound, and the beginning of a new one.

mod check;
mod list;
mod new;

use clap::Subcommand;

use super::failure::{Exit, Failure};
use super::places::Places;

/// List plugins, check one, begin one.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Args),
    Check(check::Args),
    New(new::Args),
}

pub(crate) fn run(places: &Places, command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::List(args) => list::run(places, args),
        Command::Check(args) => check::run(args),
        Command::New(args) => new::run(args),
    }
}
