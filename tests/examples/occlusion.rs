//! Whether recomputing only what changes gives the same answers, for `tests/networks/occlusion.py`: every logit of every window
//! of a sweep, with and without.
//!
//! `occlusion MODEL.onnx`: for windows of 45 pixels every 22 and of 16 every 8, at the file's own size and at 256×320 where the
//! network takes that, prints one JSON object a line: how many windows, in how many stages, the largest difference of a
//! logit, the largest logit, and how long both took; or why every window is computed whole.

use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use whyglass_graph::{Error, GraphModel, Normalization, Occlusion, Options, Rect, Tensor};
use whyglass_onnxruntime::OrtRuntime;
use whyglass_tests::build::root;

const IMAGENET: Normalization =
    Normalization { scale: 1.0, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], bgr: false };
/// Pictures that are evaluated at a time, where each is computed whole.
const ROWS: usize = 8;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path] = &arguments[..] else { return Err("usage: occlusion MODEL.onnx".to_owned()) };
    check(Path::new(path)).map_err(|error| error.to_string())
}

fn check(path: &Path) -> Result<(), Failure> {
    let library = root().join("third_party/onnxruntime/libonnxruntime.so.1.32.0");
    let runtime = Arc::new(OrtRuntime::from_library(&library)?);
    let options = Options { normalization: Some(IMAGENET), ..Options::default() };
    let model = GraphModel::load(path, &options, runtime)?;
    let (height, width) = model.input_size();
    let other = model.capabilities().free_size.then_some((256, 320));
    for size in [(height, width)].into_iter().chain(other) {
        for (window, stride) in [(45, 22), (16, 8)] {
            println!("{}", sweep(&model, size, window, stride)?);
        }
    }
    Ok(())
}

fn sweep(model: &GraphModel<OrtRuntime>, size: (usize, usize), window: usize, stride: usize) -> Result<Value, Failure> {
    let (height, width) = size;
    let picture = picture(height, width);
    let fill = Tensor::filled(picture.shape(), 0.5);
    let rects = windows(size, window, stride);
    let occlusion = Occlusion { picture: &picture, fill: &fill, rects: &rects, fetch: "logits" };
    let mut report = json!({"size": [height, width], "window": window, "stride": stride, "windows": rects.len()});
    let mut few = vec![0.0_f32; rects.len() * model.classes()];
    let mut put = |first: usize, rows: &Tensor| {
        let rows = rows.as_f32().unwrap_or_default();
        few[first * model.classes()..][..rows.len()].copy_from_slice(rows);
        ControlFlow::Continue(())
    };
    // Once for the programs, once for the time.
    let mut took = 0.0;
    for _ in 0..2 {
        let start = Instant::now();
        match model.occlude(&occlusion, 0, &|| false, &mut put) {
            Ok(()) => took = start.elapsed().as_secs_f64(),
            Err(Error::NotIncremental { why }) => {
                report["whole"] = why.into();
                return Ok(report);
            }
            Err(error) => return Err(error.into()),
        }
    }
    report["stages"] = (model.occlusion_plan(size, &rects, "logits")?.len() - 1).into();
    let (mut apart, mut largest, mut whole) = (0.0_f32, 0.0_f32, 0.0);
    let same = picture.as_f32().unwrap_or_default().repeat(ROWS);
    let same = Tensor::f32(&[ROWS as i64, 3, height as i64, width as i64], &same);
    model.run(&[("input", same)], &["logits"], 0)?;
    for (batch, few) in rects.chunks(ROWS).zip(few.chunks(ROWS * model.classes())) {
        let pictures: Vec<f32> = (0..ROWS).flat_map(|n| hidden(&picture, batch[n.min(batch.len() - 1)])).collect();
        let pictures = Tensor::f32(&[ROWS as i64, 3, height as i64, width as i64], &pictures);
        let start = Instant::now();
        let rows = model.run(&[("input", pictures)], &["logits"], 0)?.remove(0);
        whole += start.elapsed().as_secs_f64();
        for (a, b) in few.iter().zip(rows.as_f32().ok_or("logits that are no float32")?) {
            // What is no number is as far apart as can be.
            let distance = (a - b).abs();
            apart = apart.max(if distance.is_nan() { f32::MAX } else { distance });
            largest = largest.max(b.abs());
        }
    }
    report["apart"] = apart.into();
    report["largest"] = largest.into();
    report["seconds"] = json!({"incremental": took, "whole": whole});
    Ok(report)
}

/// Waves of three colours with noise on them.
fn picture(height: usize, width: usize) -> Tensor {
    let value = |index: usize| {
        let (channel, y, x) = (index / (height * width), index / width % height, index % width);
        let wave = ((y * (channel + 2)) as f32 / 17.0).sin() * ((x * (4 - channel)) as f32 / 23.0).cos();
        let noise = (index * 7919 % 1009) as f32 / 1009.0;
        (0.5 + 0.35 * wave + 0.15 * (noise - 0.5)).clamp(0.0, 1.0)
    };
    let data: Vec<f32> = (0..3 * height * width).map(value).collect();
    Tensor::f32(&[1, 3, height as i64, width as i64], &data)
}

/// From one border to the other; the last of a row or column is moved inside.
fn windows((height, width): (usize, usize), window: usize, stride: usize) -> Vec<Rect> {
    let starts = |length: usize| {
        let last = length - window;
        (0..=last.div_ceil(stride)).map(move |n| (n * stride).min(last))
    };
    let at = |top, left| Rect { top, left, bottom: top + window, right: left + window };
    starts(height).flat_map(|top| starts(width).map(move |left| at(top, left))).collect()
}

fn hidden(picture: &Tensor, rect: Rect) -> Vec<f32> {
    let &[_, _, height, width] = picture.shape() else { unreachable!("it was made with four dimensions") };
    let (height, width) = (height as usize, width as usize);
    let mut data = picture.as_f32().unwrap_or_default().to_vec();
    for (index, value) in data.iter_mut().enumerate() {
        let (y, x) = (index / width % height, index % width);
        if (rect.top..rect.bottom).contains(&y) && (rect.left..rect.right).contains(&x) {
            *value = 0.5;
        }
    }
    data
}
