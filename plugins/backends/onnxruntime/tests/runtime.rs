//! The runtime on graphs that are small enough to be worked out by hand. Needs ONNX Runtime: `cargo xtask setup`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use whyglass_graph::builder::Window;
use whyglass_graph::own::Mask;
use whyglass_graph::{
    Attribute, Builder, CompileOptions, Cotangent, DerivedConstants, Dtype, Graph, GraphModel, Node, Options,
    ReferenceRuntime, Rule, Runtime, Tensor, ValueId, Vjp,
};
use whyglass_onnxruntime::{OrtError, OrtRuntime};

const OPTIMISED: CompileOptions = CompileOptions { optimise: true, threads: 0 };
const ONCE: CompileOptions = CompileOptions { optimise: false, threads: 1 };

fn runtime() -> OrtRuntime {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../third_party/onnxruntime/libonnxruntime.so.1.32.0");
    OrtRuntime::from_library(Path::new(path)).expect("ONNX Runtime is there: run `cargo xtask setup`")
}

fn node(op: &str, inputs: &[ValueId], output: ValueId, attributes: &[(&str, Attribute)]) -> Node {
    Node {
        name: format!("{op}-{}", output.0),
        domain: String::new(),
        op: op.to_owned(),
        inputs: inputs.iter().copied().map(Some).collect(),
        outputs: vec![Some(output)],
        attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
    }
}

/// Conv (3×3, padded) and Relu of `batch`×`channels`×4×4 with `weight`.
fn convolution(batch: i64, channels: i64, weight: &Arc<Tensor>) -> Graph {
    let mut graph = Graph { opset: 17, ..Default::default() };
    let x = graph.add_value("x", Some(vec![batch, channels, 4, 4]));
    let w = graph.add_value("w", Some(weight.shape().to_vec()));
    let y = graph.add_value("y", None);
    let z = graph.add_value("z", None);
    graph.constants = BTreeMap::from([(w, Arc::clone(weight))]);
    graph.nodes =
        vec![node("Conv", &[x, w], y, &[("pads", Attribute::Ints(vec![1, 1, 1, 1]))]), node("Relu", &[y], z, &[])];
    (graph.inputs, graph.outputs) = (vec![x], vec![z, y]);
    graph
}

/// Sums 3×3 neighbourhoods over all channels into each of `channels` outputs, negated in the odd ones.
fn neighbourhood_sums(channels: usize) -> Arc<Tensor> {
    let sign = |output: usize| if output.is_multiple_of(2) { 1.0 } else { -1.0 };
    let values: Vec<f32> = (0..channels).flat_map(|output| vec![sign(output); channels * 9]).collect();
    Arc::new(Tensor::f32(&[channels as i64, channels as i64, 3, 3], &values))
}

#[test]
fn a_convolution_gives_what_arithmetic_gives() {
    let runtime = runtime();
    // 16 channels: a weight of 9 kB, which is lent and not written into the model.
    for (channels, options) in [(16, OPTIMISED), (16, ONCE), (2, OPTIMISED)] {
        let graph = convolution(1, channels as i64, &neighbourhood_sums(channels));
        let program = runtime.compile(&graph, options).unwrap();
        let input = Tensor::f32(&[1, channels as i64, 4, 4], &vec![1.0; channels * 16]);
        let outputs = runtime.execute(&program, &[input]).unwrap();
        let (relu, conv) = (outputs[0].to_f32().unwrap(), outputs[1].to_f32().unwrap());
        assert_eq!(outputs[0].shape(), [1, channels as i64, 4, 4]);
        let corner = 4.0 * channels as f32;
        let edge = 6.0 * channels as f32;
        assert_eq!(relu[..4], [corner, edge, edge, corner]);
        assert_eq!(relu[16..32], [0.0; 16], "an odd channel is negative, and off");
        assert_eq!(conv[16..18], [-corner, -edge]);
    }
}

#[test]
fn integers_and_doubles_go_in_and_out() {
    let mut graph = Graph { opset: 17, ..Default::default() };
    let x = graph.add_value("x", Some(vec![2, 3]));
    let shape = graph.add_value("shape", None);
    let double = graph.add_value("double", None);
    graph.nodes = vec![node("Shape", &[x], shape, &[]), node("Cast", &[x], double, &[("to", Attribute::Int(11))])];
    (graph.inputs, graph.outputs) = (vec![x], vec![shape, double]);
    let runtime = runtime();
    let program = runtime.compile(&graph, ONCE).unwrap();
    let outputs = runtime.execute(&program, &[Tensor::f32(&[2, 3], &[0.5; 6])]).unwrap();
    assert_eq!(outputs[0].to_i64().unwrap(), [2, 3]);
    assert_eq!(outputs[1], Tensor::f64(&[2, 3], &[0.5; 6]));
}

#[test]
fn an_input_that_is_not_aligned_is_read_all_the_same() {
    let graph = convolution(1, 2, &neighbourhood_sums(2));
    let runtime = runtime();
    let program = runtime.compile(&graph, OPTIMISED).unwrap();
    let floats: Vec<u8> = std::iter::repeat_n(1.0_f32.to_le_bytes(), 32).flatten().collect();
    let shifted = bytes::Bytes::from([&[0_u8][..], &floats].concat()).slice(1..);
    let input = Tensor::new(whyglass_graph::Dtype::F32, vec![1, 2, 4, 4], shifted);
    assert_eq!(runtime.execute(&program, &[input]).unwrap()[0].to_f32().unwrap()[0], 8.0);
}

#[test]
fn one_program_runs_in_several_threads_at_once() {
    let runtime = runtime();
    let program = runtime.compile(&convolution(2, 16, &neighbourhood_sums(16)), OPTIMISED).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (runtime, program) = (&runtime, &program);
            scope.spawn(move || {
                let level = thread as f32 + 1.0;
                let input = Tensor::f32(&[2, 16, 4, 4], &vec![level; 2 * 16 * 16]);
                for _ in 0..200 {
                    let output = runtime.execute(program, std::slice::from_ref(&input)).unwrap();
                    assert_eq!(output[0].to_f32().unwrap()[0], 64.0 * level);
                }
            });
        }
    });
}

#[test]
fn an_output_outlives_its_program() {
    let runtime = runtime();
    let program = runtime.compile(&convolution(1, 16, &neighbourhood_sums(16)), OPTIMISED).unwrap();
    let output = runtime.execute(&program, &[Tensor::f32(&[1, 16, 4, 4], &[1.0; 256])]).unwrap().remove(0);
    drop(program);
    drop(runtime);
    assert_eq!(output.to_f32().unwrap()[0], 64.0);
}

#[test]
fn programs_over_one_weight_share_it_and_keep_it_alive() {
    let runtime = runtime();
    let weight = neighbourhood_sums(16);
    let programs: Vec<_> =
        (1..=3).map(|batch| runtime.compile(&convolution(batch, 16, &weight), ONCE).unwrap()).collect();
    // This one, the one that is lent to all three.
    assert_eq!(Arc::strong_count(&weight), 2);
    drop(weight);
    let output = runtime.execute(&programs[2], &[Tensor::f32(&[3, 16, 4, 4], &[1.0; 768])]).unwrap();
    assert_eq!(output[0].to_f32().unwrap()[0], 64.0);
}

#[test]
#[cfg(target_os = "linux")]
fn weights_that_the_engine_packs_are_packed_once_for_all_programs() {
    let (runtime, weight) = (runtime(), neighbourhood_sums(64));
    let programs: Vec<_> =
        (1..=4).map(|batch| runtime.compile(&convolution(batch, 64, &weight), OPTIMISED).unwrap()).collect();
    let of = |program: &whyglass_onnxruntime::Program| -> Vec<usize> { program.weight_addresses().collect() };
    assert_eq!(of(&programs[0]).len(), 1);
    for (program, batch) in programs.iter().zip(1..) {
        assert_eq!(of(program), of(&programs[0]));
        let input = Tensor::f32(&[batch, 64, 4, 4], &vec![1.0; batch as usize * 1024]);
        assert_eq!(runtime.execute(program, &[input]).unwrap()[0].to_f32().unwrap()[0], 256.0);
    }
    // Packed, it is no longer what it was: nobody holds that any more but this test.
    assert_eq!(Arc::strong_count(&weight), 1);
}

/// Numbers without any symmetry.
fn numbers(shape: &[i64], seed: u64) -> Tensor {
    let count = shape.iter().product::<i64>() as u64;
    let hash = |index: u64| (index + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let values: Vec<f32> = (0..count).map(|index| hash(index) as f32 / (1 << 23) as f32 - 1.0).collect();
    Tensor::f32(shape, &values)
}

#[test]
fn a_graph_that_was_optimised_gives_what_it_gave_before() {
    let runtime = runtime();
    let graph = convolution(2, 32, &Arc::new(numbers(&[32, 32, 3, 3], 7)));
    let input = [numbers(&[2, 32, 4, 4], 1)];
    let [fast, plain] = [OPTIMISED, ONCE].map(|options| {
        let program = runtime.compile(&graph, options).unwrap();
        runtime.execute(&program, &input).unwrap()
    });
    for (fast, plain) in fast.iter().zip(&plain) {
        let apart = |(a, b): (&f32, &f32)| (a - b).abs();
        let (fast, plain) = (fast.to_f32().unwrap(), plain.to_f32().unwrap());
        let most = fast.iter().zip(&plain[..]).map(apart).fold(0.0, f32::max);
        assert!(most < 1e-4 && plain.iter().any(|value| value.abs() > 1.0), "{most}");
    }
}

/// The engine cancels the two transposes, and transposes the constant under its old name.
#[test]
fn a_constant_that_the_engine_rewrites_is_not_taken_for_the_one_that_it_was_given() {
    let mut graph = Graph { opset: 17, ..Default::default() };
    let shape = vec![1, 16, 16, 16];
    let x = graph.add_value("x", Some(shape.clone()));
    let scale = graph.add_value("scale", Some(shape.clone()));
    let [last, scaled, first] = ["last", "scaled", "first"].map(|name| graph.add_value(name, None));
    graph.constants = BTreeMap::from([(scale, Arc::new(numbers(&shape, 3)))]);
    let order = |axes: [i64; 4]| [("perm", Attribute::Ints(axes.to_vec()))];
    graph.nodes = vec![
        node("Transpose", &[x], last, &order([0, 2, 3, 1])),
        node("Mul", &[last, scale], scaled, &[]),
        node("Transpose", &[scaled], first, &order([0, 3, 1, 2])),
    ];
    (graph.inputs, graph.outputs) = (vec![x], vec![first]);
    let runtime = runtime();
    let answers = [OPTIMISED, ONCE].map(|options| {
        let program = runtime.compile(&graph, options).unwrap();
        runtime.execute(&program, &[numbers(&shape, 5)]).unwrap().remove(0)
    });
    assert!(answers[0] == answers[1], "the constant is that of the other layout");
}

#[test]
fn what_the_engine_refuses_is_said_in_its_words() {
    let mut graph = convolution(1, 2, &neighbourhood_sums(2));
    graph.nodes[1].op = "Reflux".into();
    let Err(error) = runtime().compile(&graph, OPTIMISED) else { panic!("there is no such operator") };
    assert!(error.to_string().contains("Reflux"), "{error}");
    let program = runtime().compile(&convolution(1, 2, &neighbourhood_sums(2)), OPTIMISED).unwrap();
    assert!(matches!(runtime().execute(&program, &[]), Err(OrtError::Inputs { wanted: 1, given: 0 })));
    let wrong = Tensor::f32(&[1, 3, 4, 4], &[0.0; 48]);
    let error = runtime().execute(&program, &[wrong]).unwrap_err();
    assert!(error.to_string().contains('x'), "{error}");
}

/// Eighths, of which sums of products are exact, and fall on bounds.
fn eighths(shape: &[i64], seed: u64) -> Tensor {
    let values = numbers(shape, seed).to_f64();
    Tensor::f32(shape, &values.iter().map(|value| (value * 8.0).round() as f32 / 8.0).collect::<Vec<_>>())
}

/// `g` through the mask of a rectified convolution, and through another convolution: as a network's way back is made.
fn way_back(channels: i64, size: i64, mask: Mask) -> Result<Graph, whyglass_graph::Error> {
    let mut graph = Graph { opset: 17, ..Default::default() };
    let shape = vec![2, channels, size, size];
    graph.inputs = ["x", "g"].map(|name| graph.add_value(name, Some(shape.clone()))).to_vec();
    let (x, g, derived) = (graph.inputs[0], graph.inputs[1], DerivedConstants::default());
    let mut b = Builder::new(graph, &derived);
    let window = Window { before: vec![1; 2], after: vec![1; 2], ..Window::dense(&[3, 3]) };
    let weight = b.tensor(eighths(&[channels, channels, 3, 3], 1));
    let y = b.conv(x, weight, &window, 1)?;
    let bounds = [b.scalar(0.0), b.scalar(6.0)];
    let y = b.node("Clip", &[y, bounds[0], bounds[1]], [], shape);
    let back = b.conv(g, weight, &window, 1)?;
    let masked = b.mask(back, y, mask)?;
    let back = b.conv(masked, weight, &window, 1)?;
    let mut graph = b.finish();
    graph.outputs = vec![back, masked];
    Ok(graph)
}

#[test]
fn a_mask_is_the_same_in_the_layout_of_the_engine_and_outside_of_it() {
    let runtime = runtime();
    let inside = Mask { lower: 0.0, upper: 6.0 };
    let above = Mask { lower: 1.5, upper: f32::INFINITY };
    // In blocks of channels and without, and more numbers than a thread takes at once.
    for (channels, size, mask) in [(32, 6, inside), (3, 6, inside), (16, 40, above)] {
        let graph = way_back(channels, size, mask).unwrap();
        let shape = [2, channels, size, size];
        let inputs = [eighths(&shape, 11), eighths(&shape, 23)];
        let [fast, plain] = [OPTIMISED, ONCE].map(|options| {
            let program = runtime.compile(&graph, options).unwrap();
            runtime.execute(&program, &inputs).unwrap()
        });
        let reference = ReferenceRuntime.compile(&graph, ONCE).unwrap();
        let wanted = ReferenceRuntime.execute(&reference, &inputs).unwrap();
        for (wanted, found) in wanted.iter().zip(&fast).chain(wanted.iter().zip(&plain)) {
            assert!(wanted.to_f64() == found.to_f64(), "{channels} channels");
        }
        let closed = wanted[1].to_f64().iter().filter(|value| **value == 0.0).count();
        assert!(closed > 0 && closed < wanted[1].len());
    }
}

/// Equal nodes are computed once by the engine, and a mask that is shown to it as a product is not equal to the product. One mask
/// only: of two that became one the file would not be used, and the answer be right for another reason.
#[test]
fn a_mask_is_not_taken_for_a_product_of_the_same() {
    let runtime = runtime();
    let shape = [1, 16, 4, 4];
    for mask_first in [true, false] {
        let mut graph = Graph { opset: 17, ..Default::default() };
        graph.inputs = ["g", "x"].map(|name| graph.add_value(name, Some(shape.to_vec()))).to_vec();
        let (g, x, derived) = (graph.inputs[0], graph.inputs[1], DerivedConstants::default());
        let mut b = Builder::new(graph, &derived);
        let mask = Mask { lower: 0.0, upper: 0.5 };
        let (masked, product) = if mask_first {
            let masked = b.mask(g, x, mask).unwrap();
            (masked, b.mul(g, x).unwrap())
        } else {
            let product = b.mul(g, x).unwrap();
            (b.mask(g, x, mask).unwrap(), product)
        };
        let outputs = [masked, product].map(|value| b.unary("Neg", value).unwrap()).to_vec();
        let graph = Graph { outputs, ..b.finish() };
        let inputs = [eighths(&shape, 3), eighths(&shape, 8)];
        let reference = ReferenceRuntime.compile(&graph, ONCE).unwrap();
        let wanted = ReferenceRuntime.execute(&reference, &inputs).unwrap();
        let found = runtime.execute(&runtime.compile(&graph, OPTIMISED).unwrap(), &inputs).unwrap();
        for (wanted, found) in wanted.iter().zip(&found) {
            assert!(wanted.to_f64() == found.to_f64(), "the mask comes first: {mask_first}");
        }
    }
}

/// The way back through a strided convolution is made of phases, of which three are zero here.
#[test]
fn a_strided_convolution_in_half_precision_has_its_gradient() {
    let mut graph = Graph { opset: 17, ..Default::default() };
    let x = graph.add_value("x", Some(vec![1, 3, 4, 4]));
    let [half, weight, convolved, single, mean, scores] =
        ["half", "weight", "convolved", "single", "mean", "scores"].map(|name| graph.add_value(name, None));
    // 1, 2, 4, … in half precision: nothing but exponents. So many that they are handed over beside the file.
    let powers: Vec<u8> = (0..540_u16).flat_map(|power| ((power % 6 + 15) << 10).to_le_bytes()).collect();
    graph.constants.insert(weight, Arc::new(Tensor::new(Dtype::F16, vec![180, 3, 1, 1], powers.into())));
    let to = |kind: i64| [("to", Attribute::Int(kind))];
    graph.nodes = vec![
        node("Cast", &[x], half, &to(10)),
        node("Conv", &[half, weight], convolved, &[("strides", Attribute::Ints(vec![2; 2]))]),
        node("Cast", &[convolved], single, &to(1)),
        node("GlobalAveragePool", &[single], mean, &[]),
        node("Flatten", &[mean], scores, &[]),
    ];
    (graph.inputs, graph.outputs) = (vec![x], vec![scores]);
    let model = GraphModel::from_graph(graph, &Options::default(), Arc::new(runtime())).unwrap();
    let mut second = [0.0; 180];
    second[1] = 4.0;
    let question = Vjp {
        feeds: &[("input", Tensor::filled(&[1, 3, 4, 4], 0.5))],
        cotangents: &[("logits", Cotangent::Tensor(Tensor::f32(&[1, 180], &second)))],
        wrt: &["input"],
        fetches: &[],
        rule: Rule::Standard,
    };
    let gradient = model.vjp(&question, 1).unwrap().wrt.remove(0).to_f32().unwrap();
    // The second output's weights, 8, 16 and 32, at every second row and column.
    let wanted = |index: usize| {
        if index.is_multiple_of(2) && (index / 4).is_multiple_of(2) { (8 << (index / 16)) as f32 } else { 0.0 }
    };
    assert_eq!(gradient[..], (0..48).map(wanted).collect::<Vec<_>>());
}

/// Operators of our own compute in float32. Where a network does not, its gradient is made of ONNX's.
#[test]
fn a_pooling_in_half_precision_has_its_gradient() {
    let mut graph = Graph { opset: 17, ..Default::default() };
    let x = graph.add_value("x", Some(vec![1, 3, 2, 4]));
    let [half, pooled, single, mean, scores] =
        ["half", "pooled", "single", "mean", "scores"].map(|name| graph.add_value(name, None));
    let window = [("kernel_shape", Attribute::Ints(vec![2; 2])), ("strides", Attribute::Ints(vec![2; 2]))];
    graph.nodes = vec![
        node("Cast", &[x], half, &[("to", Attribute::Int(10))]),
        node("MaxPool", &[half], pooled, &window),
        node("Cast", &[pooled], single, &[("to", Attribute::Int(1))]),
        node("GlobalAveragePool", &[single], mean, &[]),
        node("Flatten", &[mean], scores, &[]),
    ];
    (graph.inputs, graph.outputs) = (vec![x], vec![scores]);
    let model = GraphModel::from_graph(graph, &Options::default(), Arc::new(runtime())).unwrap();
    let picture = Tensor::f32(&[1, 3, 2, 4], &(0..24).map(|index| (index * 7 % 24) as f32).collect::<Vec<_>>());
    let question = Vjp {
        feeds: &[("input", picture)],
        cotangents: &[("logits", Cotangent::Tensor(Tensor::f32(&[1, 3], &[2.0, 0.0, 0.0])))],
        wrt: &["input"],
        fetches: &[],
        rule: Rule::Standard,
    };
    let gradient = model.vjp(&question, 1).unwrap().wrt.remove(0).to_f32().unwrap();
    // The first plane is 0 7 14 21, 4 11 18 1: its maxima are 11 and 21.
    assert_eq!(gradient[..8], [0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    assert_eq!(gradient[8..], [0.0; 16]);
}
