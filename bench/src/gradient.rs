//! The input gradient of EfficientNet-Lite0, beside PyTorch's autograd without weight gradients.

use crate::measure::interleave;
use crate::peer::Peer;
use crate::report::Report;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use whyglass_graph::{Cotangent, GraphModel, Normalization, Options, Rule, Tensor, Vjp};
use whyglass_onnxruntime::OrtRuntime;

/// L2-relative: units that sit on a bound of ReLU6 flip between two correct engines.
const TOLERANCE: f64 = 1e-2;

pub(crate) fn measure(plugins: &Path, peer: &mut Peer, rounds: usize, report: &mut Report) -> Result<()> {
    let runtime = Arc::new(OrtRuntime::from_library(&plugins.join("onnxruntime/libonnxruntime.so.1.32.0"))?);
    let normalization = Normalization { scale: 255.0, mean: [127.0; 3], std: [128.0; 3], bgr: false };
    let options = Options { normalization: Some(normalization), ..Options::default() };
    let model = GraphModel::load(Path::new("models/efficientnet-lite0/model.onnx"), &options, runtime)?;
    let pixels = crate::ours::pixels()?;
    for batch in [1usize, 8] {
        let rows = i64::try_from(batch)?;
        let input = Tensor::from_f32(vec![rows, 3, 224, 224], pixels.repeat(batch));
        let classes = model.classes();
        let mut one_hot = vec![0.0f32; batch * classes];
        for row in 0..batch {
            one_hot[row * classes + peer.target as usize] = 1.0;
        }
        let cotangent = Tensor::from_f32(vec![rows, i64::try_from(classes)?], one_hot);
        let gradient = || {
            let feeds = [("input", input.clone())];
            let cotangents = [("logits", Cotangent::Tensor(cotangent.clone()))];
            let question =
                Vjp { feeds: &feeds, cotangents: &cotangents, wrt: &["input"], fetches: &[], rule: Rule::Standard };
            model.vjp(&question, 0)
        };
        let request = json!({"op": "gradient", "batch": batch});
        let wanted = peer.answer(request.clone())?;
        let found = gradient()?.wrt.remove(0).to_f32().context("a gradient is float32")?;
        let apart = relative(&found, &wanted);
        ensure!(apart <= TOLERANCE, "input gradient, batch {batch}: {apart:.1e} apart from PyTorch");
        let ours = || {
            let start = Instant::now();
            gradient()?;
            Ok(start.elapsed().as_secs_f64())
        };
        let pair = interleave(rounds * 3, ours, || peer.seconds(&request))?;
        report.pair(&format!("input gradient, batch {batch}"), "PyTorch autograd", &pair, apart);
    }
    Ok(())
}

fn relative(found: &[f32], wanted: &[f32]) -> f64 {
    let square = |value: f32| f64::from(value) * f64::from(value);
    let apart: f64 = found.iter().zip(wanted).map(|(found, wanted)| square(found - wanted)).sum();
    let length: f64 = wanted.iter().map(|value| square(*value)).sum();
    (apart / length).sqrt()
}
