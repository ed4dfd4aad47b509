//! What the work cannot do without: the multiplications of forward passes, at the rate at which the runtime does them in
//! batches with all cores, beside the peer's own. No bookkeeping, no copying, no masks, no small windows that run slower.

use crate::measure::{interleave, median};
use crate::network::{LEAST, Network};
use crate::ours::{SIDE, pixels};
use crate::peer::Peer;
use crate::report::Report;
use anyhow::Result;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use whyglass_graph::{Error, GraphModel, Options, Rect};
use whyglass_onnxruntime::{OnnxRuntime, OrtRuntime};
use whyglass_sdk::testing::Recorder;
use whyglass_sdk::{Backend, INPUT, LOGITS, TensorView};

const BATCH: usize = 8;

pub(crate) struct Floor {
    /// Seconds of a picture's forward pass.
    forward: f64,
    /// Sizes and strides of sweeps, how many windows they have, and how many times fewer multiplications these take than
    /// whole pictures.
    sweeps: Vec<((u32, u32), usize, f64)>,
}

impl Floor {
    pub(crate) fn measure(
        network: &Network,
        peer: &mut Peer,
        plugins: &Path,
        folder: &Path,
        report: &mut Report,
    ) -> Result<Self> {
        let library = plugins.join("onnxruntime/libonnxruntime.so.1.32.0");
        let (file, options) = network.source(folder)?;
        let runtime = Arc::new(OrtRuntime::from_library(&library)?);
        let graph = GraphModel::load(&file, &Options::default(), runtime)?;
        let sweeps = network.sweeps.iter().map(|&sweep| {
            let windows = windows(sweep);
            let saving = match graph.occlusion_saving((SIDE, SIDE), &windows, LOGITS) {
                Ok(saving) => saving,
                Err(Error::NotIncremental { .. }) => 1.0,
                Err(error) => return Err(error),
            };
            Ok((sweep, windows.len(), saving))
        });
        let sweeps = sweeps.collect::<Result<Vec<_>, _>>()?;
        drop(graph);

        let threads = u32::try_from(std::thread::available_parallelism()?.get())?;
        let recorder = Recorder::new().with_threads(threads);
        let call = recorder.call();
        let model = OnnxRuntime::from_library(library).load(&call, &file, options)?;
        let (pictures, shape) = (pixels()?.repeat(BATCH), [BATCH as i64, 3, SIDE as i64, SIDE as i64]);
        let feeds = [(INPUT, TensorView::new(&shape, &pictures))];
        let request = json!({"op": "forward", "batch": BATCH});
        let mut apart = 0.0f64;
        let wanted = peer.answer(request.clone())?;
        for (found, wanted) in model.run(&call, &feeds, &[LOGITS])?[0].data().iter().zip(&wanted) {
            apart = apart.max(f64::from((found - wanted).abs()));
        }
        let ours = || {
            let start = Instant::now();
            model.run(&call, &feeds, &[LOGITS])?;
            Ok(start.elapsed().as_secs_f64())
        };
        let pair = interleave(LEAST, ours, || peer.seconds(&request))?;
        report.pair(network, &format!("forward, {BATCH} pictures"), "PyTorch", &pair, apart);
        Ok(Self { forward: median(&pair.ours) / BATCH as f64, sweeps })
    }

    /// Seconds of the input gradient of so many pictures: as much again as the way forward.
    pub(crate) fn gradients(&self, pictures: usize) -> f64 {
        2.0 * self.forward * pictures as f64
    }

    /// Seconds of a sweep of windows of this size and stride.
    pub(crate) fn sweep(&self, sweep: (u32, u32)) -> f64 {
        let known = self.sweeps.iter().find(|(known, ..)| *known == sweep);
        known.map_or(f64::NAN, |(_, windows, saving)| *windows as f64 * self.forward / saving)
    }
}

/// As Captum has them: the last one is cut at the border.
fn windows((size, stride): (u32, u32)) -> Vec<Rect> {
    let (size, stride) = (size as usize, stride as usize);
    let starts = || (0..=(SIDE - size).div_ceil(stride)).map(|place| place * stride);
    let end = |start: usize| (start + size).min(SIDE);
    let row = |top: usize| starts().map(move |left| Rect { top, left, bottom: end(top), right: end(left) });
    starts().flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_as_many_as_captum_has_and_stay_inside() {
        assert_eq!((windows((45, 22)).len(), windows((16, 8)).len()), (100, 729));
        let last = windows((45, 22))[99];
        assert_eq!((last.top, last.bottom), (198, 224));
    }

    #[test]
    fn a_sweep_takes_its_windows_at_the_rate_of_forward_passes_less_what_it_saves() {
        let floor = Floor { forward: 0.01, sweeps: vec![((45, 22), 100, 2.0)] };
        assert!((floor.sweep((45, 22)) - 0.5).abs() < 1e-12);
        assert!((floor.gradients(8) - 0.16).abs() < 1e-12);
    }
}
