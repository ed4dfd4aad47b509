//! The size of the picture: EfficientNet-Lite0 takes any, and is asked for its logits, its input gradient and a sweep with windows
//! that grow with it.

use super::point::{Point, Sample};
use super::settled::settled;
use crate::network::LITE0;
use crate::ours::{SIDE, pixels};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Instant;
use whyglass_onnxruntime::OnnxRuntime;
use whyglass_sdk::testing::Recorder;
use whyglass_sdk::{Backend, Cotangent, INPUT, LOGITS, Occlusion, Rect, Rule, TensorView, Vjp, json as options};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Work {
    /// The logits of one picture.
    Forward,
    /// The gradient of a logit with respect to the picture.
    Gradient,
    /// 81 windows of 0.2 of the side every 0.1 of it.
    Sweep,
}

const SIDES: [u32; 6] = [224, 320, 448, 640, 800, 1024];

pub(crate) fn points(work: Work, quick: bool) -> Vec<Point> {
    let sides = if quick { &[224, 448, 640] } else { &SIDES[..] };
    sides.iter().map(|&side| Point::Size { work, side }).collect()
}

/// Windows along one side of a sweep.
const ALONG: u32 = 9;

/// Of the model alone, without an engine: the file says 224, and its graph takes any.
pub(crate) fn at(plugins: &Path, work: Work, side: u32) -> Result<Sample> {
    let backend = OnnxRuntime::from_library(plugins.join("onnxruntime/libonnxruntime.so.1.32.0"));
    let normalize = options::Normalization { scale: 255.0, mean: [127.0; 3], std: [128.0; 3], bgr: false };
    let options = options::LoadOptions { normalize: Some(normalize), ..Default::default() };
    let recorder = Recorder::new().with_threads(u32::try_from(std::thread::available_parallelism()?.get())?);
    let call = recorder.call();
    let model = backend.load(&call, &Path::new("models").join(LITE0.id).join("model.onnx"), options)?;
    let (picture, grey) = (enlarged(side)?, vec![0.5; 3 * usize::try_from(side * side)?]);
    let shape = [1, 3, i64::from(side), i64::from(side)];
    let view = TensorView::new(&shape, &picture);
    let mut one_hot = vec![0.0; model.descriptor().classes as usize];
    *one_hot.first_mut().context("a model without classes")? = 1.0;
    let row = [1, i64::try_from(one_hot.len())?];
    let cotangents = [(LOGITS, Cotangent::Tensor(TensorView::new(&row, &one_hot)))];
    let feeds = [(INPUT, view)];
    let question = Vjp { feeds: &feeds, cotangents: &cotangents, wrt: &[INPUT], fetches: &[], rule: Rule::Standard };
    let rects = windows(side);
    let fill = TensorView::new(&shape, &grey);
    let occlusion = Occlusion { picture: view, fill, rects: &rects, fetch: LOGITS };
    let seconds = settled(|| {
        let start = Instant::now();
        match work {
            Work::Forward => drop(model.run(&call, &feeds, &[LOGITS])?),
            Work::Gradient => drop(model.vjp(&call, &question)?),
            Work::Sweep => model.occlude(&call, &occlusion, &mut |_, _| Ok(()))?,
        }
        Ok(start.elapsed().as_secs_f64())
    })?;
    Ok(Sample::new(usize::try_from(side * side)?, seconds, &[("side", f64::from(side))]))
}

/// From one border to the other, as many at each size.
fn windows(side: u32) -> Vec<Rect> {
    let length = side / 5;
    let start = |index: u32| index * (side - length) / (ALONG - 1);
    let at = |top: u32, left: u32| [top, left, top + length, left + length].map(|edge| edge as usize);
    let all = (0..ALONG).flat_map(|row| (0..ALONG).map(move |column| at(start(row), start(column))));
    all.map(|[top, left, bottom, right]| Rect { top, left, bottom, right }).collect()
}

/// The picture of the other measurements at another size, each pixel the nearest one.
fn enlarged(side: u32) -> Result<Vec<f32>> {
    let (picture, side) = (pixels()?, usize::try_from(side)?);
    let at = |index: usize| {
        let (channel, y, x) = (index / (side * side), index / side % side, index % side);
        picture[(channel * SIDE + y * SIDE / side) * SIDE + x * SIDE / side]
    };
    Ok((0..3 * side * side).map(at).collect())
}
