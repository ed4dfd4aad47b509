//! The input gradient, beside PyTorch's autograd without weight gradients.

use crate::agreement::relative;
use crate::floor::Floor;
use crate::measure::interleave;
use crate::network::Network;
use crate::peer::Peer;
use crate::report::Report;
use crate::sides::Sides;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::path::Path;
use std::time::Instant;
use whyglass_onnxruntime::OnnxRuntime;
use whyglass_sdk::testing::Recorder;
use whyglass_sdk::{Backend, Call, Cotangent, INPUT, LOGITS, Model, Rule, TensorView, Vjp};

/// L2-relative: units that sit on a rectifier's bound flip between two correct engines.
pub(crate) const TOLERANCE: f64 = 1e-2;

/// `folder` is where the peer has written its networks.
pub(crate) fn measure(
    sides: &mut Sides,
    plugins: &Path,
    folder: &Path,
    rounds: usize,
    report: &mut Report,
) -> Result<()> {
    let network = sides.network;
    let backend = OnnxRuntime::from_library(plugins.join("onnxruntime/libonnxruntime.so.1.32.0"));
    let (file, options) = network.source(folder)?;
    let threads = u32::try_from(std::thread::available_parallelism()?.get())?;
    let recorder = Recorder::new().with_threads(threads);
    let call = recorder.call();
    let model = backend.load(&call, &file, options)?;
    let floor = Some(&sides.floor);
    let case = Beside { network, name: "input gradient", tolerance: TOLERANCE, model: &*model, call: &call, floor };
    // One picture is soon explained, and its times scatter the most.
    let rounds = |batch| if batch == 1 { 3 * network.rounds(rounds) } else { rounds };
    network.batches.iter().try_for_each(|&batch| case.measure(batch, &mut sides.peer, rounds(batch), report))
}

/// A model's input gradient that is measured beside the peer's, after both were found to agree.
pub(crate) struct Beside<'a> {
    pub(crate) network: &'a Network,
    /// The row's name in the report.
    pub(crate) name: &'a str,
    /// How far both may be apart, L2-relative.
    pub(crate) tolerance: f64,
    pub(crate) model: &'a dyn Model,
    pub(crate) call: &'a Call<'a>,
    /// Of our side, where it runs on ONNX Runtime.
    pub(crate) floor: Option<&'a Floor>,
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
        let apart = relative(found.data(), &wanted)?;
        let name = format!("{}, batch {batch}", self.name);
        ensure!(apart <= self.tolerance, "{name}: {apart:.1e} apart from PyTorch");
        let ours = || {
            let start = Instant::now();
            gradient()?;
            Ok(start.elapsed().as_secs_f64())
        };
        let pair = interleave(rounds, ours, || peer.seconds(&request))?;
        let row = report.pair(self.network, &name, "PyTorch autograd", &pair, apart);
        row.floor = self.floor.map(|floor| floor.gradients(batch));
        Ok(())
    }
}
