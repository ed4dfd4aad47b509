//! `whyglass classify`: what a model sees in pictures.

use std::path::PathBuf;

use serde_json::json;
use whyglass_engine::{ClassScore, ImageSource};

use super::failure::{Exit, Failure};
use super::normalize::Normalize;
use super::picture;
use super::places::Places;
use super::table::{Table, print_json};

/// Say what a model sees in pictures.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A name from `whyglass models`, or the path of a model file.
    model: String,
    /// PNG, JPEG, WebP, BMP or GIF.
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// How many classes to show; 0: all.
    #[arg(long, value_name = "N", default_value_t = 5)]
    top: usize,
    #[command(flatten)]
    normalize: Normalize,
    /// As JSON on standard output.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(places: &Places, args: &Args) -> Result<Exit, Failure> {
    let limits = places.picture_limits()?;
    let pictures = args.images.iter().map(|path| picture::read(path, &limits)).collect::<Result<Vec<_>, _>>()?;
    let engine = places.engine_with(&args.normalize)?;
    let model = engine.model(&args.model)?;
    for (_, message) in model.notices() {
        eprintln!("note: {message}");
    }
    let mut documents = Vec::new();
    for file in &pictures {
        let scores = engine.classify(&model, &ImageSource::Encoded(file.encoded.clone()), args.top)?;
        if args.json {
            documents.push(json!({ "image": file.name, "model": model.name(), "scores": score_documents(&scores) }));
        } else {
            print_scores(&file.name, &scores, pictures.len() > 1);
        }
    }
    if args.json {
        print_json(&documents)?;
    }
    Ok(Exit::Done)
}

/// Scores as `result.json` and `--json` have them.
pub(crate) fn score_documents(scores: &[ClassScore]) -> Vec<serde_json::Value> {
    let document = |score: &ClassScore| {
        json!({
            "index": score.index,
            "label": score.label,
            "probability": score.probability,
            "logit": score.logit,
        })
    };
    scores.iter().map(document).collect()
}

fn print_scores(name: &str, scores: &[ClassScore], several: bool) {
    if several {
        outln!("{name}");
    }
    let mut table = Table::default();
    for score in scores {
        table.row([
            &percent(score.probability),
            &score.label,
            &format!("(class {}, logit {:.3})", score.index, score.logit),
        ]);
    }
    out!("{table}");
}

/// `89.4 %`, right-aligned; one decimal more where it would read as nothing.
pub(crate) fn percent(probability: f32) -> String {
    let value = f64::from(probability) * 100.0;
    if value < 0.05 { format!("{value:>7.3} %") } else { format!("{value:>7.1} %") }
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn small_probabilities_do_not_read_as_nothing() {
        assert_eq!(percent(0.894_3).trim(), "89.4 %");
        assert_eq!(percent(0.000_12).trim(), "0.012 %");
        assert_eq!(percent(1.0).len(), percent(0.0).len());
    }
}
