//! `whyglass layers`: what inside a model can be looked at.

use super::failure::{Exit, Failure};
use super::places::Places;
use super::table::{Table, print_json};

/// List the layers of a model.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A name from `whyglass models`, or the path of a model file.
    model: String,
    /// As JSON on standard output.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(places: &Places, args: &Args) -> Result<Exit, Failure> {
    let engine = places.engine()?;
    let model = engine.model(&args.model)?;
    let descriptor = model.descriptor();
    if args.json {
        print_json(&descriptor.layers)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::default();
    table.row(["LAYER", "OPERATOR", "SHAPE", "SEES", "PARAMETERS", ""]);
    for layer in &descriptor.layers {
        let shape = layer.shape.iter().map(i64::to_string).collect::<Vec<_>>().join("×");
        let sees =
            layer.receptive_field.map_or_else(String::new, |field| format!("{}×{} px", field.size[0], field.size[1]));
        let parameters = if layer.parameters == 0 { String::new() } else { layer.parameters.to_string() };
        let mut remarks = Vec::new();
        if descriptor.feature_layer.as_deref() == Some(&layer.id) {
            remarks.push("features".to_owned());
        }
        if let Some(reason) = &layer.reason {
            remarks.push(format!("no gradient: {reason}"));
        }
        table.row([&layer.id, &layer.op, &shape, &sees, &parameters, &remarks.join(", ")]);
    }
    print!("{table}");
    Ok(Exit::Done)
}
