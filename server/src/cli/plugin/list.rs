//! `whyglass plugin list`: every plugin that was found, refused ones with the reason.

use serde_json::json;
use whyglass_engine::{Engine, PluginInfo, PluginState};
use whyglass_server::config::ServeOptions;

use super::super::failure::{Exit, Failure};
use super::super::places::Places;
use super::super::table::{Table, print_json};

/// List the plugins that were found, refused ones too, with the reason.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// As JSON on standard output.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(places: &Places, args: &Args) -> Result<Exit, Failure> {
    let config = places.config(ServeOptions::default())?.engine;
    let folders = config.plugins.clone();
    let engine = Engine::start(config)?;
    let plugins = engine.plugins();
    if args.json {
        print_json(&plugins.iter().map(document).collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    let mut table = Table::default();
    for plugin in &plugins {
        let brings =
            plugin.techniques.iter().chain(&plugin.backends).map(String::as_str).collect::<Vec<_>>().join(", ");
        let rest = if plugin.state == PluginState::Ready { &brings } else { &plugin.state_reason };
        table.row([&plugin.id, &plugin.version, state(plugin.state), rest]);
    }
    if table.is_empty() {
        let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        eprintln!("no plugins were found in {}; `cargo xtask build` puts them beside the program", folders.join(", "));
    }
    out!("{table}");
    Ok(Exit::Done)
}

pub(super) fn state(state: PluginState) -> &'static str {
    match state {
        PluginState::Ready => "ready",
        PluginState::Disabled => "disabled",
        PluginState::Refused => "refused",
        PluginState::Absent => "absent",
    }
}

fn document(plugin: &PluginInfo) -> serde_json::Value {
    json!({
        "id": plugin.id,
        "version": plugin.version,
        "state": state(plugin.state),
        "reason": plugin.state_reason,
        "techniques": plugin.techniques,
        "backends": plugin.backends,
        "sha256": plugin.sha256,
        "folder": plugin.folder,
    })
}
