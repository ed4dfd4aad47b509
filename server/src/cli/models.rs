//! `whyglass models`: what can be explained.

use serde_json::json;
use whyglass_engine::ModelInfo;

use super::failure::{Exit, Failure};
use super::places::Places;
use super::table::{Table, print_json};

/// List the models that were found.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// As JSON on standard output.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(places: &Places, args: &Args) -> Result<Exit, Failure> {
    let engine = places.engine()?;
    let models = engine.models();
    if args.json {
        print_json(&models.iter().map(document).collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    let mut table = Table::default();
    for model in &models {
        table.row([&model.name, &model.title, &model.licence]);
        if !model.state_reason.is_empty() {
            table.row(["", &model.state_reason]);
        }
    }
    if table.is_empty() {
        eprintln!(
            "no models were found; put a folder with model.onnx and model.toml into ./models, or use --models DIR"
        );
    }
    out!("{table}");
    Ok(Exit::Done)
}

fn document(model: &ModelInfo) -> serde_json::Value {
    json!({
        "name": model.name,
        "title": model.title,
        "licence": model.licence,
        "source": model.source,
        "file": model.file,
        "problem": model.state_reason,
    })
}
