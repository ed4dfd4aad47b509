//! `confusion-matrix`: how often a model takes pictures of one class for another.
//!
//! Row i, column j counts the pictures of class i that the model takes for class j. From it, per class: precision
//! TP / (TP + FP), recall TP / (TP + FN), F1 = 2 PR / (P + R), each 0 where nothing is counted; accuracy is the share on
//! the diagonal, and the macro values are means over the classes that occur. Pictures without a class are passed over.
//!
//! # How to read it
//!
//! Rows are the true classes, columns what the model says. The diagonal is right; a bright cell off it is a pair that
//! it confuses, and `items` names the pictures behind every cell: look at those. `normalise = row` puts recall on the
//! diagonal, `column` precision.
//!
//! # How it misleads
//!
//! - Accuracy alone hides a class: with 95 % of one class, always saying it is 95 % right. Read the rows.
//! - It can only be as right as the labels. Look at the pictures of a surprising cell before blaming the model.
//! - A model may be right for the wrong reason: the matrix of a net that looks at a corner is perfect as long as the
//!   corner gives the class away ([the planted truth](../planted-truth.md)).
//! - Small counts are noise: one picture of four is "25 %".
//! - Where the model knows more classes than the dataset, `other` puts together whatever it says besides.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use whyglass_sdk::json::{ArtifactDescriptor, ArtifactKind, ExplainerDescriptor, ModelDescriptor, Need, TableMeta};
use whyglass_sdk::{Call, Error, Explainer, Model, Request, Result, TensorView};

use crate::names::{all_or_none, label};
use crate::walk::{best, walk};

/// What a row or a column adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Normalise {
    /// Pictures are counted.
    #[default]
    None,
    /// Each true class adds up to 1: its share that is taken for each class.
    Row,
    /// Each predicted class adds up to 1: what it is made of.
    Column,
}

/// Which classes have a row and a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Classes {
    /// All of a model with few classes, else those that the dataset has.
    #[default]
    Auto,
    /// Every class of the model.
    All,
    /// The dataset's classes, and `other` for what the model takes for none of them.
    Present,
}

/// Parameters of `confusion-matrix`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConfusionMatrixParams {
    /// Show counts, or shares of each row (recall on the diagonal) or of each column (precision on the diagonal).
    pub normalise: Normalise,
    /// Which classes have a row and a column: `auto` takes all of a model with at most 64, else the dataset's own.
    pub classes: Classes,
}

/// More classes than this cannot be told apart in a figure.
const FEW: usize = 64;
/// Tables and large matrices are not sent more often than this while the run goes on.
const PAUSE: Duration = Duration::from_millis(150);

/// The pictures behind the cells are sent while the run goes on, as long as they are no more than these.
const LIVE: usize = 2000;

/// The technique.
pub struct ConfusionMatrix;

impl Explainer for ConfusionMatrix {
    type Params = ConfusionMatrixParams;
    const ID: &'static str = "confusion-matrix";

    fn descriptor(&self) -> ExplainerDescriptor {
        let artifact = |id: &str, title: &str, kind, auxiliary| ArtifactDescriptor {
            id: id.into(),
            title: title.into(),
            kind,
            auxiliary,
            signed: false,
        };
        ExplainerDescriptor {
            title: "Confusion matrix".into(),
            description: "Counts how often the model takes pictures of one class for another, with the pictures behind each count."
                .into(),
            family: "dataset".into(),
            paper: String::new(),
            needs: vec![Need::Dataset],
            artifacts: vec![
                artifact("matrix", "True class by predicted class", ArtifactKind::Matrix, false),
                artifact("classes", "Precision, recall and F1 of each class", ArtifactKind::Table, false),
                artifact("items", "What each picture was taken for", ArtifactKind::Table, true),
            ],
            progressive: true,
            deterministic: true,
            ..Default::default()
        }
    }

    fn explain(
        &self,
        call: &Call<'_>,
        model: &dyn Model,
        request: &Request<'_>,
        params: &ConfusionMatrixParams,
    ) -> Result<()> {
        let images = request.images();
        let items = images.descriptor()?.items;
        let truth: Vec<Option<usize>> = (0..images.count()).map(|index| images.label(index)).collect();
        let wanted: Vec<usize> = (0..images.count()).filter(|&index| truth[index].is_some()).collect();
        if wanted.is_empty() {
            return Err(Error::invalid_argument(
                "dataset",
                "no picture of the dataset has a class: there is nothing to compare with",
            ));
        }
        if wanted.len() < truth.len() {
            let without = truth.len() - wanted.len();
            call.notice("WITHOUT_CLASS", &format!("{without} pictures have no class and are passed over"))?;
        }
        let mut counts = Counts::new(model.descriptor(), params, truth.iter().flatten().copied());
        let mut behind = Behind::default();
        let mut last: Option<Instant> = None;
        walk(call, model, images, &wanted, &["probabilities"], |answers| {
            let probabilities = &answers.outputs[0];
            let classes = probabilities.data().len() / answers.pictures.len();
            for (&picture, row) in answers.pictures.iter().zip(probabilities.data().chunks_exact(classes)) {
                let (predicted, truth) = (best(row), truth[picture].unwrap_or_default());
                counts.add(truth, predicted);
                behind.add(
                    items.get(picture).cloned().unwrap_or_else(|| picture.to_string()),
                    truth,
                    predicted,
                    row[predicted],
                );
            }
            call.progress(answers.done as u64, wanted.len() as u64)?;
            if last.is_none_or(|last| last.elapsed() >= PAUSE) {
                counts.emit(call, params.normalise)?;
                if behind.items.len() <= LIVE {
                    behind.emit(call)?;
                }
                last = Some(Instant::now());
            }
            Ok(())
        })?;
        if behind.items.is_empty() {
            return Err(Error::failed_precondition("UNREADABLE_DATASET", "no picture of the dataset could be read"));
        }
        counts.emit(call, params.normalise)?;
        counts.emit_classes(call)?;
        behind.emit(call)
    }
}

/// The matrix as it stands.
struct Counts {
    names: Vec<String>,
    /// Row and column of each class that has one; any other is the last, `other`.
    places: BTreeMap<usize, usize>,
    cells: Vec<f64>,
}

impl Counts {
    fn new(model: &ModelDescriptor, params: &ConfusionMatrixParams, present: impl Iterator<Item = usize>) -> Self {
        let all = model.classes as usize;
        let every = match params.classes {
            Classes::All => true,
            Classes::Present => false,
            Classes::Auto => all <= FEW,
        };
        let mut shown: Vec<usize> = if every { (0..all).collect() } else { present.collect() };
        shown.sort_unstable();
        shown.dedup();
        let mut names: Vec<String> = shown.iter().map(|&class| label(model, class)).collect();
        if shown.len() < all {
            names.push(if names.iter().any(|name| name == "other") { "(other)".into() } else { "other".into() });
        }
        let places = shown.into_iter().enumerate().map(|(place, class)| (class, place)).collect();
        let cells = vec![0.0; names.len() * names.len()];
        Self { names, places, cells }
    }

    fn place(&self, class: usize) -> usize {
        self.places.get(&class).copied().unwrap_or(self.names.len() - 1)
    }

    fn add(&mut self, truth: usize, predicted: usize) {
        let at = self.place(truth) * self.names.len() + self.place(predicted);
        self.cells[at] += 1.0;
    }

    fn row(&self, row: usize) -> f64 {
        self.cells.chunks_exact(self.names.len()).nth(row).unwrap_or_default().iter().sum()
    }

    fn column(&self, column: usize) -> f64 {
        self.cells.chunks_exact(self.names.len()).map(|row| row[column]).sum()
    }

    fn hits(&self, class: usize) -> f64 {
        self.cells[class * self.names.len() + class]
    }

    fn normalised(&self, normalise: Normalise) -> Vec<f32> {
        let side = self.names.len();
        let sums: Vec<f64> = match normalise {
            Normalise::None => vec![1.0; side],
            Normalise::Row => (0..side).map(|index| self.row(index)).collect(),
            Normalise::Column => (0..side).map(|index| self.column(index)).collect(),
        };
        let each = self.cells.iter().enumerate().map(|(at, count)| {
            let sum = if normalise == Normalise::Column { sums[at % side] } else { sums[at / side] };
            share(*count, sum) as f32
        });
        each.collect()
    }

    /// Precision, recall, F1 and number of pictures of a class.
    fn of_class(&self, class: usize) -> [f64; 4] {
        let (precision, recall) =
            (share(self.hits(class), self.column(class)), share(self.hits(class), self.row(class)));
        [precision, recall, share(2.0 * precision * recall, precision + recall), self.row(class)]
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        let total: f64 = self.cells.iter().sum();
        let right: f64 = (0..self.names.len()).map(|class| self.hits(class)).sum();
        let seen: Vec<[f64; 4]> =
            (0..self.names.len()).filter(|&c| self.row(c) + self.column(c) > 0.0).map(|c| self.of_class(c)).collect();
        let mean = |index: usize| share(seen.iter().map(|of| of[index]).sum(), seen.len() as f64);
        vec![
            ("accuracy", share(right, total)),
            ("macro-precision", mean(0)),
            ("macro-recall", mean(1)),
            ("macro-f1", mean(2)),
            ("pictures", total),
        ]
    }

    fn emit(&self, call: &Call<'_>, normalise: Normalise) -> Result<()> {
        let side = self.names.len() as i64;
        let unit = match normalise {
            Normalise::None => "pictures",
            Normalise::Row => "share of the true class",
            Normalise::Column => "share of the predicted class",
        };
        let meta = TableMeta {
            rows: self.names.clone(),
            columns: self.names.clone(),
            unit: Some(unit.into()),
            ..Default::default()
        };
        call.matrix("matrix").keyframe(TensorView::new(&[side, side], &self.normalised(normalise)), &meta)?;
        call.metrics(&self.metrics())
    }

    fn emit_classes(&self, call: &Call<'_>) -> Result<()> {
        let values: Vec<f32> = (0..self.names.len()).flat_map(|class| self.of_class(class)).map(|v| v as f32).collect();
        let columns = ["precision", "recall", "f1", "pictures"].map(str::to_owned).to_vec();
        let meta = TableMeta { rows: self.names.clone(), columns, ..Default::default() };
        call.table("classes").keyframe(TensorView::new(&[self.names.len() as i64, 4], &values), &meta)
    }
}

/// A share of nothing is nothing.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// The pictures behind the cells.
#[derive(Default)]
struct Behind {
    items: Vec<String>,
    /// True class, predicted class, probability of that.
    values: Vec<f32>,
}

impl Behind {
    fn add(&mut self, item: String, truth: usize, predicted: usize, probability: f32) {
        self.items.push(item);
        self.values.extend([truth as f32, predicted as f32, probability]);
    }

    fn emit(&self, call: &Call<'_>) -> Result<()> {
        let columns = ["true", "predicted", "probability"].map(str::to_owned).to_vec();
        let shape = [self.items.len() as i64, 3];
        let meta = TableMeta { rows: all_or_none(call, &self.items)?, columns, ..Default::default() };
        call.table("items").keyframe(TensorView::new(&shape, &self.values), &meta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whyglass_sdk::testing::{Event, Pictures, Recorder, linear};
    use whyglass_sdk::{Status, Tensor};

    /// Pictures of one pixel: the model says 0 where red is largest, 1 for green, 2 for blue.
    fn pictures(of: &[([f32; 3], usize)]) -> Pictures {
        Pictures::labelled(of.iter().map(|(rgb, label)| (Tensor::new(vec![1, 3, 1, 1], rgb.to_vec()), *label)))
    }

    const RED: [f32; 3] = [1.0, 0.0, 0.0];
    const GREEN: [f32; 3] = [0.0, 1.0, 0.0];
    const BLUE: [f32; 3] = [0.0, 0.0, 1.0];

    fn run(set: &Pictures, params: &ConfusionMatrixParams) -> Result<Recorder> {
        let model = linear(1, 1, &[RED.to_vec(), GREEN.to_vec(), BLUE.to_vec()]);
        let recorder = Recorder::new();
        ConfusionMatrix.explain(&recorder.call(), &model, &Request::new(set, None, 0), params)?;
        assert!(recorder.refused().is_empty(), "{:?}", recorder.refused());
        Ok(recorder)
    }

    fn example() -> Pictures {
        pictures(&[(RED, 0), (RED, 0), (GREEN, 0), (GREEN, 1), (RED, 1), (GREEN, 1), (GREEN, 1)])
    }

    #[test]
    fn pictures_are_counted_by_true_and_predicted_class() {
        let recorder = run(&example(), &ConfusionMatrixParams::default()).unwrap();
        assert_eq!(recorder.artifact("matrix").unwrap().data(), [2.0, 1.0, 0.0, 1.0, 3.0, 0.0, 0.0, 0.0, 0.0]);
        // Class 0: 2 of 3 found, 2 of 3 named right; class 1: 3 of 4 both ways.
        let third = 2.0_f32 / 3.0;
        let expected = [third, third, third, 3.0, 0.75, 0.75, 0.75, 4.0, 0.0, 0.0, 0.0, 0.0];
        let classes = recorder.artifact("classes").unwrap();
        assert!(classes.data().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{classes:?}");
        assert!((recorder.metric("accuracy").unwrap() - 5.0 / 7.0).abs() < 1e-12);
        assert!((recorder.metric("macro-recall").unwrap() - (2.0 / 3.0 + 0.75) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn the_pictures_behind_each_cell_are_named() {
        let recorder = run(&example(), &ConfusionMatrixParams::default()).unwrap();
        let events = recorder.events();
        let items = events.iter().rev().find_map(|event| match event {
            Event::Keyframe { artifact, tensor, meta, .. } if artifact == "items" => Some((tensor, meta)),
            _ => None,
        });
        let (tensor, meta) = items.unwrap();
        assert_eq!(meta["rows"][4], "picture-4");
        assert_eq!(tensor.data()[4 * 3..4 * 3 + 2], [1.0, 0.0]);
        let softmax = 1.0_f32.exp() / (1.0_f32.exp() + 2.0);
        assert!((tensor.data()[4 * 3 + 2] - softmax).abs() < 1e-6);
    }

    #[test]
    fn shares_add_up_to_one_along_what_is_normalised() {
        let matrix = |normalise| {
            let params = ConfusionMatrixParams { normalise, ..Default::default() };
            run(&example(), &params).unwrap().artifact("matrix").unwrap().data().to_vec()
        };
        assert_eq!(matrix(Normalise::Row)[3..6], [0.25, 0.75, 0.0]);
        assert_eq!(matrix(Normalise::Column)[1], 0.25);
        assert!(matrix(Normalise::Row)[6..].iter().all(|share| *share == 0.0), "a class without pictures");
    }

    #[test]
    fn a_model_with_many_classes_shows_those_of_the_dataset_and_other() {
        let params = ConfusionMatrixParams { classes: Classes::Present, ..Default::default() };
        let recorder = run(&pictures(&[(RED, 0), (BLUE, 0), (GREEN, 2)]), &params).unwrap();
        let Event::Keyframe { meta, .. } = &recorder.events()[1] else { panic!("{:?}", recorder.events()[1]) };
        assert_eq!(meta["rows"], serde_json::json!(["0", "2", "other"]));
        assert_eq!(recorder.artifact("matrix").unwrap().data(), [1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn without_a_single_class_there_is_nothing_to_compare() {
        let error =
            run(&Pictures::single(Tensor::zeros(vec![1, 3, 1, 1])), &ConfusionMatrixParams::default()).err().unwrap();
        assert_eq!((error.status, error.field.as_str()), (Status::InvalidArgument, "dataset"));
    }

    #[test]
    fn a_stop_ends_the_walk() {
        let model = linear(1, 1, &[RED.to_vec(), GREEN.to_vec()]);
        let recorder = Recorder::new().cancel_after(1);
        let set = pictures(&[(RED, 0); 50]);
        let error =
            ConfusionMatrix.explain(&recorder.call(), &model, &Request::new(&set, None, 0), &Default::default());
        assert!(error.unwrap_err().is_cancelled());
    }
}
