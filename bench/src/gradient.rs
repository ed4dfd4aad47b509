//! The input gradient of EfficientNet-Lite0, beside PyTorch's autograd without weight gradients.

use crate::measure::interleave;
use crate::peer::Peer;
use crate::report::Report;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::path::Path;
use std::time::Instant;
use whyglass_onnxruntime::OnnxRuntime;
use whyglass_sdk::testing::Recorder;
use whyglass_sdk::{Backend, Call, Cotangent, INPUT, LOGITS, Model, Rule, TensorView, Vjp, json as options};

/// L2-relative: units that sit on a bound of ReLU6 flip between two correct engines.
const TOLERANCE: f64 = 1e-2;

pub(crate) fn measure(plugins: &Path, peer: &mut Peer, rounds: usize, report: &mut Report) -> Result<()> {
    let backend = OnnxRuntime::from_library(plugins.join("onnxruntime/libonnxruntime.so.1.32.0"));
    let normalize = options::Normalization { scale: 255.0, mean: [127.0; 3], std: [128.0; 3], bgr: false };
    let options = options::LoadOptions { normalize: Some(normalize), ..Default::default() };
    let threads = u32::try_from(std::thread::available_parallelism()?.get())?;
    let recorder = Recorder::new().with_threads(threads);
    let call = recorder.call();
    let model = backend.load(&call, Path::new("models/efficientnet-lite0/model.onnx"), options)?;
    let case = Beside { name: "input gradient", tolerance: TOLERANCE, model: &*model, call: &call };
    [1, 8].into_iter().try_for_each(|batch| case.measure(batch, peer, rounds, report))
}

/// A model's input gradient that is measured beside the peer's, after both were found to agree.
pub(crate) struct Beside<'a> {
    /// The row's name in the report.
    pub(crate) name: &'a str,
    /// How far both may be apart, L2-relative.
    pub(crate) tolerance: f64,
    pub(crate) model: &'a dyn Model,
    pub(crate) call: &'a Call<'a>,
}

impl Beside<'_> {
    pub(crate) fn measure(&self, batch: usize, peer: &mut Peer, rounds: usize, report: &mut Report) -> Result<()> {
        let rows = i64::try_from(batch)?;
        let pictures = crate::ours::pixels()?.repeat(batch);
        let classes = self.model.descriptor().classes as usize;
        let mut one_hot = vec![0.0f32; batch * classes];
        (0..batch).for_each(|row| one_hot[row * classes + peer.target as usize] = 1.0);
        let (shape, row) = ([rows, 3, 224, 224], [rows, i64::try_from(classes)?]);
        let feeds = [(INPUT, TensorView::new(&shape, &pictures))];
        let cotangents = [(LOGITS, Cotangent::Tensor(TensorView::new(&row, &one_hot)))];
        let question =
            Vjp { feeds: &feeds, cotangents: &cotangents, wrt: &[INPUT], fetches: &[], rule: Rule::Standard };
        let gradient = || self.model.vjp(self.call, &question);
        let request = json!({"op": "gradient", "batch": batch});
        let wanted = peer.answer(request.clone())?;
        let found = gradient()?.wrt.pop().context("a gradient was asked for")?;
        let apart = relative(found.data(), &wanted);
        let name = format!("{}, batch {batch}", self.name);
        ensure!(apart <= self.tolerance, "{name}: {apart:.1e} apart from PyTorch");
        let ours = || {
            let start = Instant::now();
            gradient()?;
            Ok(start.elapsed().as_secs_f64())
        };
        let pair = interleave(rounds * 3, ours, || peer.seconds(&request))?;
        report.pair(&name, "PyTorch autograd", &pair, apart);
        Ok(())
    }
}

fn relative(found: &[f32], wanted: &[f32]) -> f64 {
    let square = |value: f32| f64::from(value) * f64::from(value);
    let apart: f64 = found.iter().zip(wanted).map(|(found, wanted)| square(found - wanted)).sum();
    let length: f64 = wanted.iter().map(|value| square(*value)).sum();
    (apart / length).sqrt()
}
