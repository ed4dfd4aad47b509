//! `whyglass layers`: what a network is made of, and what inside it can be looked at.

mod graph;

use super::failure::{Exit, Failure};
use super::places::Places;
use super::table::{Table, print_json};
use std::path::PathBuf;
use whyglass_engine::LoadedModel;
use whyglass_engine::json::{Block, Layer, ModelDescriptor};

/// Show what a model is made of: its blocks as a paper would name them, or all of its layers.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A name from `whyglass models`, or the path of a model file.
    model: String,
    /// Every value of the graph instead of the blocks.
    #[arg(long)]
    all: bool,
    /// All layers as JSON on standard output.
    #[arg(long, conflicts_with = "all")]
    json: bool,
    /// How an occlusion sweep would recompute only what changes, step by step; or why it cannot.
    #[arg(long, value_name = "WINDOW/STRIDE", num_args = 0..=1, require_equals = true, default_missing_value = "45/22", value_parser = sweep, conflicts_with_all = ["all", "json"])]
    plan: Option<(usize, usize)>,
    /// Write a picture of the network, block by block, to FILE.
    #[arg(long, value_name = "FILE.svg")]
    graph: Option<PathBuf>,
}

pub(crate) fn run(places: &Places, args: &Args) -> Result<Exit, Failure> {
    if let Some(path) = args.graph.as_ref().filter(|path| path.extension().is_none_or(|extension| extension != "svg")) {
        return Err(Failure::refused(format!(
            "--graph writes SVG: give a name that ends with .svg, not {}",
            path.display()
        )));
    }
    let engine = places.engine()?;
    let model = engine.model(&args.model)?;
    let descriptor = model.descriptor();
    if let Some(path) = &args.graph {
        if descriptor.blocks.is_empty() {
            return Err(Failure::refused(format!("the model '{}' does not say what blocks it has", model.name())));
        }
        let svg = graph::draw(model.name(), descriptor);
        std::fs::write(path, svg)
            .map_err(|error| Failure::refused(format!("cannot write {}: {error}", path.display())))?;
    }
    if let Some((window, stride)) = args.plan {
        return plan(&model, window, stride);
    }
    if args.json {
        print_json(&descriptor.layers)?;
    } else if args.all || descriptor.blocks.is_empty() {
        out!("{}", all(descriptor));
    } else {
        out!("{}", blocks(descriptor));
        outln!(
            "LAYER is what --layer wants. `whyglass layers {} --all` lists {} more.",
            args.model,
            descriptor.layers.len()
        );
    }
    Ok(Exit::Done)
}

/// `45/22`: windows of 45 pixels every 22.
fn sweep(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(window, stride)| Some((window.parse().ok()?, stride.parse().ok()?)));
    parts.ok_or_else(|| "give window and stride in pixels, for example 45/22".to_owned())
}

fn plan(model: &LoadedModel, window: usize, stride: usize) -> Result<Exit, Failure> {
    match model.occlusion_plan(window, stride) {
        Ok(lines) => lines.iter().for_each(|line| outln!("{line}")),
        Err(error) if error.reason == "COMPUTED_WHOLE" => outln!("every window is computed whole: {}", error.message),
        Err(error) => return Err(error.into()),
    }
    Ok(Exit::Done)
}

fn blocks(descriptor: &ModelDescriptor) -> Table {
    let mut table = Table::default();
    table.row(["BLOCK", "WHAT", "LAYER", "SHAPE", "SEES", "PARAMETERS", ""]);
    let none = Layer::default();
    for block in &descriptor.blocks {
        let layer = descriptor.layer(&block.output).unwrap_or(&none);
        table.row([
            &block.name,
            &block.kind,
            &block.output,
            &shape(layer),
            &sees(layer),
            &parameters(block.parameters),
            &remarks(descriptor, layer, Some(block)),
        ]);
    }
    table
}

fn all(descriptor: &ModelDescriptor) -> Table {
    let mut table = Table::default();
    table.row(["LAYER", "OPERATOR", "SHAPE", "SEES", "PARAMETERS", ""]);
    for layer in &descriptor.layers {
        let remarks = remarks(descriptor, layer, None);
        table.row([&layer.id, &layer.op, &shape(layer), &sees(layer), &parameters(layer.parameters), &remarks]);
    }
    table
}

fn shape(layer: &Layer) -> String {
    layer.shape.iter().map(i64::to_string).collect::<Vec<_>>().join("×")
}

fn sees(layer: &Layer) -> String {
    layer.receptive_field.map_or_else(String::new, |field| format!("{}×{} px", field.size[0], field.size[1]))
}

fn parameters(count: u64) -> String {
    if count == 0 { String::new() } else { count.to_string() }
}

/// What is to be said of a layer, and of a block that `features` lies inside of.
fn remarks(descriptor: &ModelDescriptor, layer: &Layer, block: Option<&Block>) -> String {
    let mut remarks = Vec::new();
    let features = descriptor.feature_layer.as_deref();
    if features == Some(&layer.id) {
        remarks.push("features".to_owned());
    } else if let (Some(features), Some(block)) = (features, block)
        && lies_in(descriptor, features, block)
    {
        remarks.push(format!("features inside: {features}"));
    }
    if let Some(grid) = layer.tokens {
        let prefix = if grid.prefix > 0 { format!("{} + ", grid.prefix) } else { String::new() };
        remarks.push(format!("tokens {prefix}{}×{}", grid.height, grid.width));
    }
    if let Some(reason) = &layer.reason {
        remarks.push(format!("no gradient: {reason}"));
    }
    remarks.join(", ")
}

/// Whether layer `id` comes after the block before `block` and before the end of `block`.
fn lies_in(descriptor: &ModelDescriptor, id: &str, block: &Block) -> bool {
    let place = |id: &str| descriptor.layers.iter().position(|layer| layer.id == id);
    let index = descriptor.blocks.iter().position(|other| other == block).unwrap_or(0);
    let start = index.checked_sub(1).and_then(|index| place(&descriptor.blocks[index].output));
    let (Some(here), Some(end)) = (place(id), place(&block.output)) else { return false };
    start.is_none_or(|start| here > start) && here < end
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_engine::json::TokenGrid;

    pub(super) fn descriptor() -> ModelDescriptor {
        let layer = |id: &str, shape: &[i64]| Layer { id: id.into(), shape: shape.to_vec(), ..Default::default() };
        let block = |name: &str, kind: &str, output: &str, paths: &[&[&str]]| Block {
            name: name.into(),
            kind: kind.into(),
            output: output.into(),
            paths: paths.iter().map(|path| path.iter().map(|step| (*step).to_owned()).collect()).collect(),
            parameters: 7,
            macs: 1,
        };
        let grid = TokenGrid { prefix: 1, height: 4, width: 4 };
        ModelDescriptor {
            layers: vec![
                layer("input", &[3, 16, 16]),
                layer("patches", &[8, 4, 4]),
                Layer { tokens: Some(grid), ..layer("norm", &[17, 8]) },
                Layer { reason: Some("Foo has no derivative here".into()), ..layer("sum", &[17, 8]) },
            ],
            blocks: vec![
                block("stem", "convolution 4×4, stride 4", "patches", &[&["conv 4×4"]]),
                block("block & <1>", "residual attention", "sum", &[&[], &["norm", "linear", "softmax"]]),
            ],
            feature_layer: Some("norm".into()),
            ..Default::default()
        }
    }

    #[test]
    fn a_block_says_what_it_is_what_lies_in_it_and_what_stands_in_the_way() {
        let text = blocks(&descriptor()).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].contains("convolution 4×4") && !lines[1].contains("features"), "{text}");
        assert!(lines[2].contains("features inside: norm") && lines[2].contains("no gradient: Foo"), "{text}");
        assert!(all(&descriptor()).to_string().contains("features, tokens 1 + 4×4"));
    }
}
