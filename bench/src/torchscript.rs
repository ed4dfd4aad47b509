//! The input gradient through TorchScript on libtorch, beside PyTorch itself: the same network, traced by the peer.

use crate::gradient::relative;
use crate::measure::interleave;
use crate::peer::Peer;
use crate::report::Report;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::time::Instant;
use whyglass_libtorch::Libtorch;
use whyglass_sdk::testing::Recorder;
use whyglass_sdk::{Backend, Cotangent, INPUT, LOGITS, Rule, TensorView, Vjp, json as options};

/// L2-relative: the same kernels on the same numbers.
const TOLERANCE: f64 = 1e-4;

pub(crate) fn measure(peer: &mut Peer, rounds: usize, report: &mut Report) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("whyglass-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("model.pt");
    peer.ask(&json!({"op": "export", "path": file}))?;
    let input = Some(options::InputSize { height: 224, width: 224 });
    let options = options::LoadOptions { input, ..Default::default() };
    let threads = u32::try_from(std::thread::available_parallelism()?.get())?;
    let recorder = Recorder::new().with_threads(threads);
    let call = recorder.call();
    let loaded = Libtorch.load(&call, &file, options);
    std::fs::remove_dir_all(&folder)?;
    let model = loaded?;
    let pixels = crate::ours::pixels()?;
    for batch in [1usize, 16] {
        let rows = i64::try_from(batch)?;
        let pictures = pixels.repeat(batch);
        let classes = model.descriptor().classes as usize;
        let mut one_hot = vec![0.0f32; batch * classes];
        (0..batch).for_each(|row| one_hot[row * classes + peer.target as usize] = 1.0);
        let (shape, row) = ([rows, 3, 224, 224], [rows, i64::try_from(classes)?]);
        let feeds = [(INPUT, TensorView::new(&shape, &pictures))];
        let cotangents = [(LOGITS, Cotangent::Tensor(TensorView::new(&row, &one_hot)))];
        let question =
            Vjp { feeds: &feeds, cotangents: &cotangents, wrt: &[INPUT], fetches: &[], rule: Rule::Standard };
        let gradient = || model.vjp(&call, &question);
        let request = json!({"op": "gradient", "batch": batch});
        let wanted = peer.answer(request.clone())?;
        let found = gradient()?.wrt.pop().context("a gradient was asked for")?;
        let apart = relative(found.data(), &wanted);
        ensure!(apart <= TOLERANCE, "input gradient by TorchScript, batch {batch}: {apart:.1e} apart from PyTorch");
        let ours = || {
            let start = Instant::now();
            gradient()?;
            Ok(start.elapsed().as_secs_f64())
        };
        let pair = interleave(rounds * 3, ours, || peer.seconds(&request))?;
        report.pair(&format!("input gradient by TorchScript, batch {batch}"), "PyTorch autograd", &pair, apart);
    }
    Ok(())
}
