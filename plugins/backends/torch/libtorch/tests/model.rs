//! The back end through the interface that a host uses, on a network of a few weights (`tools/torchscript/tiny.py`): a
//! convolution with ReLU (both are layers), pooling by the mean, three classes.

#![cfg(feature = "libtorch")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use whyglass_libtorch::Libtorch;
use whyglass_sdk::testing::Recorder;
use whyglass_sdk::{Backend, Cotangent, Error, Model, Rule, Status, Tensor, TensorView, Vjp, json};

const SIDE: usize = 16;
const CLASSES: usize = 3;
const LEN: usize = 3 * SIDE * SIDE;

fn file(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../tests/models/tiny-torch")).join(name)
}

fn options() -> json::LoadOptions {
    let normalize = json::Normalization { scale: 2.0, mean: [1.0; 3], std: [0.5; 3], bgr: false };
    let input = Some(json::InputSize { height: SIDE as u32, width: SIDE as u32 });
    json::LoadOptions { input, normalize: Some(normalize), ..Default::default() }
}

fn load(path: &Path, options: json::LoadOptions) -> Result<Box<dyn Model>, Error> {
    Libtorch.load(&Recorder::new().call(), path, options)
}

fn model() -> Box<dyn Model> {
    load(&file("model.pt"), options()).unwrap()
}

fn pictures(rows: usize) -> Tensor {
    let data = (0..rows * LEN).map(|i| ((i + 3) * 7919 % 1009) as f32 / 1009.0).collect();
    Tensor::new(vec![rows as i64, 3, SIDE as i64, SIDE as i64], data)
}

fn close(found: &[f32], wanted: &[f32]) {
    assert_eq!(found.len(), wanted.len());
    let largest = wanted.iter().fold(1e-6_f32, |largest, value| largest.max(value.abs()));
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() <= 1e-5 * largest, "{found} instead of {wanted}, the largest is {largest}");
    }
}

#[test]
fn a_module_says_what_it_is_and_what_it_cannot_do() {
    let model = model();
    let descriptor = model.descriptor();
    assert_eq!((descriptor.classes, descriptor.mean_colour), (3, Some([0.5; 3])));
    let ids: Vec<&str> = descriptor.layers.iter().map(|layer| layer.id.as_str()).collect();
    assert_eq!(ids, ["input", "conv", "relu", "features", "logits", "probabilities"]);
    let relu = descriptor.layer("features").unwrap();
    assert_eq!((relu.id.as_str(), &*relu.shape, relu.spatial), ("relu", &[4, 16, 16][..], true));
    assert!(descriptor.layers[..5].iter().all(|layer| layer.differentiable && layer.reaches_input));
    assert!(descriptor.has(json::Capability::Gradients) && descriptor.has(json::Capability::InputGradients));
    assert!(descriptor.has(json::Capability::FreeSize), "a mean takes any size");
    assert!(!descriptor.has(json::Capability::GuidedRules) && !descriptor.has(json::Capability::InnerFeeds));
    assert_eq!((descriptor.backend.as_str(), descriptor.device.as_str()), ("torch", "cpu"));
}

#[test]
fn a_layer_that_the_network_writes_over_is_returned_as_it_was() {
    let (model, recorder) = (model(), Recorder::new());
    let values = model.run(&recorder.call(), &[("input", pictures(1).view())], &["conv", "relu"]).unwrap();
    let (conv, relu) = (values[0].data(), values[1].data());
    assert!(conv.iter().any(|value| *value < 0.0), "the ReLU is in place, and comes after");
    close(relu, &conv.iter().map(|value| value.max(0.0)).collect::<Vec<_>>());
}

#[test]
fn rows_give_what_they_give_alone() {
    let recorder = Recorder::new().with_threads(2);
    let call = recorder.call();
    for name in ["model.pt", "one-row.pt"] {
        let model = load(&file(name), options()).unwrap();
        let batch = pictures(3);
        let together = model.run(&call, &[("input", batch.view())], &["logits", "features"]).unwrap();
        assert_eq!((together[0].shape(), together[1].shape()), (&[3_i64, 3][..], &[3_i64, 4, 16, 16][..]), "{name}");
        for row in 0..3 {
            let one = Tensor::new(vec![1, 3, 16, 16], batch.data()[row * LEN..(row + 1) * LEN].to_vec());
            let own = model.run(&call, &[("input", one.view())], &["logits"]).unwrap();
            close(own[0].data(), &together[0].data()[row * CLASSES..][..CLASSES]);
        }
    }
}

#[test]
fn the_gradient_is_that_of_the_pixels_before_normalisation_also_row_by_row() {
    let recorder = Recorder::new();
    let call = recorder.call();
    let hot = [0.0, 1.0, 0.0, 1.0, 0.0, 0.0];
    for name in ["model.pt", "one-row.pt"] {
        let model = load(&file(name), options()).unwrap();
        let batch = pictures(2);
        let query = Vjp {
            feeds: &[("input", batch.view())],
            cotangents: &[("logits", Cotangent::Tensor(TensorView::new(&[2, 3], &hot)))],
            wrt: &["input"],
            fetches: &["logits"],
            rule: Rule::Standard,
        };
        let answer = model.vjp(&call, &query).unwrap();
        assert_eq!(answer.fetches[0].shape(), [2, 3]);
        let logits = |batch: &Tensor| model.run(&call, &[("input", batch.view())], &["logits"]).unwrap().remove(0);
        for pixel in [0, 17, 130, 400, LEN - 1, LEN, LEN + 300, 2 * LEN - 1] {
            let moved = |by: f32| {
                let mut moved = batch.clone();
                moved.data_mut()[pixel] += by;
                let logits = logits(&moved);
                if pixel < LEN { logits.data()[1] } else { logits.data()[3] }
            };
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            let gradient = answer.wrt[0].data()[pixel];
            assert!((slope - gradient).abs() < 2e-3, "{name}, pixel {pixel}: {slope} against {gradient}");
        }
        assert!(answer.wrt[0].data().iter().any(|v| v.abs() > 1e-3));
    }
}

/// The mean over the map and a linear layer: the gradient of a logit is the layer's weight over the number of cells.
#[test]
fn gradients_flow_from_any_output_to_any_layer() {
    let (model, recorder) = (model(), Recorder::new());
    let call = recorder.call();
    let picture = pictures(1);
    let vjp = |cotangents: &[(&str, Cotangent<'_>)], wrt: &[&str]| {
        let feeds = [("input", picture.view())];
        model.vjp(&call, &Vjp { feeds: &feeds, cotangents, wrt, fetches: &["relu"], rule: Rule::Standard }).unwrap()
    };
    let hot = Cotangent::Tensor(TensorView::new(&[1, 3], &[1.0, 0.0, 0.0]));
    let answer = vjp(&[("logits", hot)], &["features", "conv", "logits", "probabilities"]);
    let weight = |unit: usize| (13.0 + (unit * 3) as f32 * 1.7).sin() * 0.5 / 256.0;
    let wanted: Vec<f32> = (0..4).flat_map(|unit| vec![weight(unit); 256]).collect();
    close(answer.wrt[0].data(), &wanted);
    let relu = answer.fetches[0].data();
    let masked: Vec<f32> = wanted.iter().zip(relu).map(|(w, r)| if *r > 0.0 { *w } else { 0.0 }).collect();
    close(answer.wrt[1].data(), &masked);
    assert_eq!(answer.wrt[2].data(), [1.0, 0.0, 0.0]);
    assert_eq!(answer.wrt[3].data(), [0.0; 3], "nothing flows to what comes after");
    let own = vjp(&[("relu", Cotangent::Itself)], &["relu"]);
    close(own.wrt[0].data(), relu);
}

#[test]
fn groups_of_classes_are_classes() {
    let group = |members: &[u32]| json::ClassGroup { name: "g".into(), members: members.to_vec() };
    let grouped = |groups| load(&file("model.pt"), json::LoadOptions { groups, ..options() });
    let model = grouped(vec![group(&[0, 2])]).unwrap();
    assert_eq!(model.descriptor().classes, 2);
    let recorder = Recorder::new();
    let picture = pictures(1);
    let scores = model.run(&recorder.call(), &[("input", picture.view())], &["logits", "probabilities"]).unwrap();
    let plain = self::model().run(&recorder.call(), &[("input", picture.view())], &["logits"]).unwrap();
    let z: Vec<f64> = plain[0].data().iter().map(|z| f64::from(*z)).collect();
    let odds = ((z[0].exp() + z[2].exp()).ln() - z[1]) as f32;
    close(scores[0].data(), &[odds, -odds]);
    close(scores[1].data(), &[1.0 / (1.0 + (-odds).exp()), 1.0 / (1.0 + odds.exp())]);
    assert!(grouped(vec![group(&[0, 1, 2])]).err().unwrap().message.contains("leave some for `other`"));
    assert!(grouped(vec![group(&[7])]).err().unwrap().message.contains("class 7 of 3"));
}

#[test]
fn what_is_asked_wrongly_is_named() {
    let (model, recorder) = (model(), Recorder::new());
    let call = recorder.call();
    let one = pictures(1);
    let run = |feeds: &[(&str, TensorView<'_>)], fetch: &str| model.run(&call, feeds, &[fetch]).unwrap_err();
    let error = run(&[("input", one.view())], "rely");
    assert_eq!((error.status, error.field.as_str()), (Status::InvalidArgument, "rely"));
    assert_eq!(run(&[], "logits").reason, "NOT_FED");
    let inner = TensorView::new(&[1, 4, 1, 1], &[0.0; 4]);
    assert_eq!(run(&[("relu", inner)], "logits").reason, "NO_INNER_FEEDS");
    let grey = TensorView::new(&[1, 1, 16, 16], &one.data()[..256]);
    assert_eq!(run(&[("input", grey)], "logits").reason, "SHAPE_MISMATCH");
    let hot = Cotangent::Tensor(TensorView::new(&[1, 4], &[1.0, 0.0, 0.0, 0.0]));
    let vjp = |rule| {
        let feeds = [("input", one.view())];
        let asked = Vjp { feeds: &feeds, cotangents: &[("logits", hot)], wrt: &["input"], fetches: &[], rule };
        model.vjp(&call, &asked).unwrap_err()
    };
    assert_eq!(vjp(Rule::Standard).field, "logits", "a cotangent of another shape");
    assert_eq!((vjp(Rule::Guided).status, vjp(Rule::Deconvnet).status), (Status::Unimplemented, Status::Unimplemented));
    recorder.cancel();
    assert!(model.run(&call, &[("input", one.view())], &["logits"]).unwrap_err().is_cancelled());
}

/// The archive `from` with each text of its code replaced.
fn rewritten(from: &str, to: &Path, old: &str, new: &str) {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(file(from)).unwrap()).unwrap();
    let mut writer = zip::ZipWriter::new(std::fs::File::create(to).unwrap());
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut replaced = false;
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).unwrap();
        let mut data = Vec::new();
        member.read_to_end(&mut data).unwrap();
        if let Ok(text) = String::from_utf8(data.clone())
            && text.contains(old)
        {
            (data, replaced) = (text.replace(old, new).into_bytes(), true);
        }
        writer.start_file(member.name().unwrap().into_owned(), stored).unwrap();
        writer.write_all(&data).unwrap();
    }
    writer.finish().unwrap();
    assert!(replaced, "{old:?} is in {from}");
}

#[test]
fn a_file_that_cannot_be_a_model_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &Path, options| load(path, options).err().expect("it is no model");
    let checkpoint = refused(&file("state-dict.pt"), options());
    assert_eq!((checkpoint.status, checkpoint.reason.as_str()), (Status::InvalidArgument, "MODEL_IS_CHECKPOINT"));
    assert!(checkpoint.message.contains("export.py"), "{}", checkpoint.message);
    let old = folder.path().join("old.pth");
    std::fs::write(&old, b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.").unwrap();
    assert_eq!(refused(&old, options()).reason, "MODEL_IS_CHECKPOINT");
    let text = folder.path().join("text.pt");
    for content in ["no model at all", "", "PK\x03\x04 and nothing else"] {
        std::fs::write(&text, content).unwrap();
        assert_eq!(refused(&text, options()).reason, "MODEL_MALFORMED", "{content:?}");
    }
    let pictures = refused(&file("no-classifier.pt"), options());
    assert_eq!(pictures.reason, "NO_CLASSIFIER");
    assert!(
        pictures.message.contains("[1, 3, 16, 16]") && pictures.message.contains("N×classes"),
        "{}",
        pictures.message
    );
    let custom = folder.path().join("custom.pt");
    rewritten("model.pt", &custom, "torch.relu_(", "ops.sharpen.twice(");
    let custom = refused(&custom, options());
    assert_eq!((custom.status, custom.reason.as_str()), (Status::Unimplemented, "MODEL_UNSUPPORTED"));
    assert!(custom.message.contains("'sharpen::twice'"), "{}", custom.message);
    assert_eq!(refused(Path::new("missing.pt"), options()).status, Status::NotFound);
    assert_eq!(refused(&file("model.pt"), json::LoadOptions { input: None, ..options() }).field, "input");
    let layer = json::LoadOptions { feature_layer: Some("layer9".into()), ..options() };
    assert!(refused(&file("model.pt"), layer).message.contains("conv, relu"));
}

#[test]
fn a_device_that_is_not_there_is_named() {
    for (device, reason) in [("cuda:7", "NO_DEVICE"), ("tpu", "INVALID_ARGUMENT")] {
        let options = json::LoadOptions { device: Some(device.into()), ..options() };
        let error = load(&file("model.pt"), options).err().unwrap();
        assert_eq!((error.reason.as_str(), error.field.as_str()), (reason, "device"));
    }
}

#[test]
fn a_precision_is_chosen_by_name_and_bfloat16_is_near_float32() {
    for (precision, what) in [("tf32", "device"), ("fp8", "bf16")] {
        let options = json::LoadOptions { precision: Some(precision.into()), ..options() };
        let error = load(&file("model.pt"), options).err().unwrap();
        assert_eq!(error.field, "precision");
        assert!(error.message.contains(what), "{}", error.message);
    }
    let gradient = |model: &dyn Model| {
        let size = model.descriptor().input.unwrap();
        let shape = vec![2, 3, i64::from(size.height), i64::from(size.width)];
        let data = (0..shape.iter().product()).map(|i: i64| ((i + 3) * 7919 % 1009) as f32 / 1009.0).collect();
        let pictures = Tensor::new(shape, data);
        let (feeds, cotangents) = ([("input", pictures.view())], [("logits", Cotangent::Itself)]);
        let (wrt, fetches) = (&["input", "features"], &["logits"]);
        let query = Vjp { feeds: &feeds, cotangents: &cotangents, wrt, fetches, rule: Rule::Standard };
        let found = model.vjp(&Recorder::new().call(), &query).unwrap();
        [&found.wrt[0], &found.wrt[1], &found.fetches[0]].map(|tensor| tensor.data().to_vec())
    };
    let digits = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../tests/models/digits-honest/model.onnx"));
    for path in [file("model.pt"), digits.to_owned()] {
        let with = |precision: Option<&str>| {
            let options = if path.extension().unwrap() == "onnx" { json::LoadOptions::default() } else { options() };
            load(&path, json::LoadOptions { precision: precision.map(str::to_owned), ..options }).unwrap()
        };
        let (full, half) = (with(None), with(Some("bf16")));
        assert_eq!((full.descriptor().device.as_str(), half.descriptor().device.as_str()), ("cpu", "cpu, bf16"));
        // Noise leaves many units near their bounds, and each on the other side moves some pixels by all they have.
        for ((full, half), bound) in gradient(&*full).iter().zip(gradient(&*half)).zip([0.4, 0.4, 0.02]) {
            let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|value| value * value).sum::<f32>().sqrt();
            let apart = norm(&mut full.iter().zip(&half).map(|(a, b)| a - b)) / norm(&mut full.iter().copied());
            assert!((1e-5..bound).contains(&apart), "{path:?}: {apart} apart");
        }
    }
}

#[test]
fn one_module_runs_in_several_threads_at_once() {
    let model = model();
    let wanted = model.run(&Recorder::new().call(), &[("input", pictures(2).view())], &["logits"]).unwrap();
    std::thread::scope(|scope| {
        for threads in 1..5 {
            let (model, wanted) = (&model, &wanted);
            scope.spawn(move || {
                let recorder = Recorder::new().with_threads(threads);
                let (call, batch) = (recorder.call(), pictures(2));
                for _ in 0..50 {
                    let feeds = [("input", batch.view())];
                    let cotangents = [("logits", Cotangent::Itself)];
                    let wrt = ["input", "relu"];
                    let query = Vjp {
                        feeds: &feeds,
                        cotangents: &cotangents,
                        wrt: &wrt,
                        fetches: &["logits"],
                        rule: Rule::Standard,
                    };
                    close(model.vjp(&call, &query).unwrap().fetches[0].data(), wanted[0].data());
                }
            });
        }
    });
}
