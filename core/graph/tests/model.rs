//! [`GraphModel`] on the reference runtime: roles, shapes, batches, errors, and that each question is compiled once.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{Network, assert_close, convolutional, pictures, single};
use whyglass_graph::{
    CompileOptions, Cotangent, Error, Graph, GraphModel, Normalization, Options, ReferenceRuntime, Rule, Runtime,
    Tensor, Vjp,
};

fn load(network: &Network) -> GraphModel<ReferenceRuntime> {
    load_with(network, &Options::default()).unwrap()
}

fn load_with(network: &Network, options: &Options) -> Result<GraphModel<ReferenceRuntime>, Error> {
    GraphModel::from_graph(network.read(), options, Arc::new(ReferenceRuntime))
}

fn run(model: &GraphModel<ReferenceRuntime>, feeds: &[(&str, Tensor)], fetch: &str) -> Tensor {
    model.run(feeds, &[fetch], 0).unwrap().remove(0)
}

#[test]
fn the_roles_of_a_classifier_are_found() {
    let model = load(&convolutional());
    assert_eq!((model.input_size(), model.classes(), model.feature_layer()), ((8, 8), 3, Some("last")));
    let capabilities = model.capabilities();
    assert!(capabilities.gradients && capabilities.guided_rules && capabilities.free_size && capabilities.free_batch);
    let ids: Vec<&str> = model.layers().iter().map(|layer| layer.id.as_str()).collect();
    assert_eq!(
        ids,
        ["input", "c1", "r1", "p1", "c2", "last", "features", "pooled", "flat", "scores", "logits", "probabilities"]
    );
    // 4·8·8·27 + 4·2·2·36 + 3·4
    assert_eq!(model.macs(), 7500);
    let sum: f64 = run(&model, &[("input", pictures(1, 8, 8))], "probabilities").to_f64().iter().sum();
    assert!((sum - 1.0).abs() < 1e-9);
}

#[test]
fn layers_say_where_they_look_and_what_they_hold() {
    let model = load(&convolutional());
    let field = |id: &str| model.layer(id).unwrap().receptive_field.unwrap();
    let of = |id: &str| (field(id).size[0], field(id).stride[0], field(id).start[0]);
    assert_eq!(of("input"), (1.0, 1.0, 0.0));
    assert_eq!(of("r1"), (3.0, 1.0, -1.0));
    assert_eq!(of("p1"), (4.0, 2.0, -1.0));
    assert_eq!(of("features"), (8.0, 4.0, -3.0));
    let features = model.layer("features").unwrap();
    assert_eq!((features.spatial, features.differentiable, features.shape.as_slice()), (true, true, &[4, 2, 2][..]));
    assert_eq!(model.layer("c1").unwrap().parameters, 4 * 27 + 4);
    let flat = model.layer("flat").unwrap();
    assert!(!flat.spatial && flat.receptive_field.is_none());
    assert_eq!(model.layer("probabilities").unwrap().reason.as_deref(), Some("the logits do not depend on it"));
}

#[test]
fn an_operator_without_derivative_stops_gradients_where_it_stands_and_nowhere_else() {
    let network = Network::new("data", &[1, 3, 4, 4])
        .weight("w", &[3, 2])
        .integers("lengths", &[3])
        .integers("row", &[1, 3])
        .node("turned = ReverseSequence(data, lengths)", &[("time_axis!", &[1]), ("batch_axis!", &[0])])
        .node("last = Relu(turned)", &[])
        .node("pooled = GlobalAveragePool(last)", &[])
        .node("flat = Reshape(pooled, row)", &[])
        .node("y = MatMul(flat, w)", &[])
        .output("y");
    let model = load(&network);
    let capabilities = model.capabilities();
    assert!(capabilities.gradients && capabilities.guided_rules && !capabilities.input_gradients);
    let layer = |id: &str| {
        let layer = model.layer(id).unwrap();
        (layer.differentiable, layer.reaches_input, layer.reason.as_deref().unwrap_or_default())
    };
    assert_eq!((layer("features").0, layer("features").1), (true, false));
    assert!(layer("features").2.contains("ReverseSequence of turned"), "{:?}", layer("features"));
    assert_eq!((layer("input").0, layer("input").1), (false, true));
    let feeds = [("input", pictures(1, 4, 4))];
    let ones = [("logits", Cotangent::Tensor(Tensor::filled(&[1, 2], 1.0)))];
    let ask =
        |wrt: &[&str]| model.vjp(&Vjp { feeds: &feeds, cotangents: &ones, wrt, fetches: &[], rule: Rule::Standard }, 0);
    assert_eq!(ask(&["features"]).unwrap().wrt[0].shape(), [1, 3, 4, 4]);
    assert!(matches!(ask(&["input"]).unwrap_err(), Error::NoDerivative { op, .. } if op == "ReverseSequence"));
}

#[test]
fn a_batch_that_was_baked_in_is_freed() {
    let model = load(&convolutional());
    for rows in [2, 3, 5] {
        let batch = pictures(rows, 8, 8);
        let logits = run(&model, &[("input", batch.clone())], "logits");
        assert_eq!(logits.shape(), [rows, 3]);
        for row in 0..rows {
            let alone = run(&model, &[("input", batch.rows(row, 1))], "logits");
            assert_close(&logits.rows(row, 1), &alone, 1e-9);
        }
    }
}

#[test]
fn a_class_token_of_one_row_is_repeated_for_every_row() {
    let network = Network::new("data", &[1, 3, 4, 4])
        .weight("token", &[1, 3, 1])
        .weight("w", &[51, 3])
        .integers("tokens", &[1, 3, 16])
        .integers("row", &[1, 51])
        .node("patches = Reshape(data, tokens)", &[])
        .node("all = Concat(token, patches)", &[("axis!", &[2])])
        .node("flat = Reshape(all, row)", &[])
        .node("y = MatMul(flat, w)", &[])
        .output("y");
    let model = load(&network);
    assert!(model.capabilities().free_batch);
    assert_eq!(model.gradients_together(), 2);
    let batch = pictures(4, 4, 4);
    let logits = run(&model, &[("input", batch.clone())], "logits");
    assert_close(&logits.rows(3, 1), &run(&model, &[("input", batch.rows(3, 1))], "logits"), 1e-9);
}

#[test]
fn it_is_known_of_which_values_the_pictures_do_not_come_first() {
    let network = Network::new("data", &[-1, 3, 4, 4])
        .weight("w", &[3, 5])
        .integers("tokens", &[0, 3, 16])
        .node("patches = Reshape(data, tokens)", &[])
        .node("sequence = Transpose(patches)", &[("perm", &[2, 0, 1])])
        .node("scores = MatMul(sequence, w)", &[])
        .node("y = ReduceMean(scores)", &[("axes", &[0]), ("keepdims!", &[0])])
        .output("y");
    let model = load(&network);
    assert!(model.capabilities().free_batch);
    assert!(model.rows_come_first(&["input", "patches", "logits"]).unwrap());
    assert!(!model.rows_come_first(&["input", "sequence"]).unwrap());
    assert!(model.rows_come_first(&["nothing"]).is_err());
}

/// Gradients are taken of two pictures together, and of the last one alone if they are odd.
#[test]
fn each_picture_of_a_batch_has_the_gradient_that_it_has_alone() {
    let network = Network::new("data", &[-1, 3, 8, 8])
        .weight("w", &[4, 3, 3, 3])
        .weight("scores", &[4, 5])
        .node("maps = Conv(data, w)", &[("strides", &[2, 2]), ("pads", &[1, 1, 1, 1])])
        .node("on = Relu(maps)", &[])
        .node("mean = GlobalAveragePool(on)", &[])
        .node("flat = Flatten(mean)", &[])
        .node("y = MatMul(flat, scores)", &[])
        .output("y");
    let model = load(&network);
    assert!(model.capabilities().free_batch);
    for rows in [2, 3, 5] {
        let (batch, weights) = (pictures(rows, 8, 8), pictures(rows, 1, 5));
        let weights = weights.rows(0, rows).to_f32().unwrap()[..5 * rows as usize].to_vec();
        let gradients = |start: i64, count: i64| {
            let cotangent = &weights[start as usize * 5..(start + count) as usize * 5];
            let cotangents = [("logits", Cotangent::Tensor(Tensor::f32(&[count, 5], cotangent)))];
            let feeds = [("input", batch.rows(start, count))];
            let (wrt, fetches) = (&["input", "maps"][..], &["logits"][..]);
            let vjp = Vjp { feeds: &feeds, cotangents: &cotangents, wrt, fetches, rule: Rule::Standard };
            let result = model.vjp(&vjp, 0).unwrap();
            [result.wrt, result.fetches].concat()
        };
        let together = gradients(0, rows);
        assert_eq!(together[0].shape(), [rows, 3, 8, 8]);
        for row in 0..rows {
            for (together, alone) in together.iter().zip(gradients(row, 1)) {
                assert!(alone.to_f64().iter().any(|number| *number != 0.0));
                assert_close(&together.rows(row, 1), &alone, 1e-12);
            }
        }
    }
}

#[test]
fn rows_that_would_mix_are_run_one_by_one() {
    let network = Network::new("data", &[-1, 3, 4, 4])
        .weight("w", &[48, 3])
        .node("flat = Flatten(data)", &[])
        .node("own = MatMul(flat, w)", &[])
        .node("others = ReduceMean(own)", &[("axes", &[0]), ("keepdims!", &[1])])
        .node("y = Add(own, others)", &[])
        .output("y");
    let model = load(&network);
    assert!(!model.capabilities().free_batch);
    assert_eq!(model.gradients_together(), 1);
    let batch = pictures(3, 4, 4);
    let results = model.run(&[("input", batch.clone())], &["logits", "flat"], 0).unwrap();
    assert_eq!((results[0].shape(), results[1].shape()), (&[3, 3][..], &[3, 48][..]));
    let alone = run(&model, &[("input", batch.rows(2, 1))], "logits");
    assert_close(&results[0].rows(2, 1), &alone, 1e-12);
    let ones = [("logits", Cotangent::Tensor(Tensor::filled(&[3, 3], 1.0)))];
    let feeds = [("input", batch)];
    let vjp = Vjp { feeds: &feeds, cotangents: &ones, wrt: &["input"], fetches: &["logits"], rule: Rule::Standard };
    let result = model.vjp(&vjp, 0).unwrap();
    assert_eq!(result.wrt[0].shape(), [3, 3, 4, 4]);
    assert_close(&result.fetches[0], &results[0], 1e-12);
}

#[test]
fn an_inner_node_that_is_fed_replaces_what_comes_before_it() {
    let model = load(&convolutional());
    let results = model.run(&[("input", pictures(2, 8, 8))], &["features", "logits", "features"], 0).unwrap();
    assert_eq!(results[0], results[2]);
    let again = model.run(&[("last", single(&results[0]))], &["logits", "last"], 0).unwrap();
    assert_close(&again[0], &results[1], 1e-5);
    assert_eq!(again[1], single(&results[0]));
    let zero = run(&model, &[("input", pictures(2, 8, 8)), ("last", Tensor::filled(&[2, 4, 2, 2], 0.0))], "logits");
    assert_close(&zero.rows(0, 1), &zero.rows(1, 1), 0.0);
}

#[test]
fn pictures_of_another_size_run_where_the_network_allows_it() {
    let model = load(&convolutional());
    let results = model.run(&[("input", pictures(1, 12, 20))], &["logits", "features"], 0).unwrap();
    assert_eq!((results[0].shape(), results[1].shape()), (&[1, 3][..], &[1, 4, 3, 5][..]));
    let fixed = Network::new("data", &[1, 3, 4, 4])
        .weight("w", &[48, 3])
        .node("flat = Flatten(data)", &[])
        .node("y = MatMul(flat, w)", &[])
        .output("y");
    let model = load(&fixed);
    assert!(!model.capabilities().free_size);
    let error = model.run(&[("input", pictures(1, 8, 8))], &["logits"], 0).unwrap_err().to_string();
    assert_eq!(error, r#""input" has shape [1, 3, 4, 4], given [1, 3, 8, 8]"#);
}

#[test]
fn wrong_questions_are_answered_with_what_is_wrong() {
    let model = load(&convolutional());
    let error = |feeds: &[(&str, Tensor)], fetch: &str| model.run(feeds, &[fetch], 0).unwrap_err().to_string();
    let picture = || ("input", pictures(1, 8, 8));
    assert_eq!(error(&[picture()], "pooledd"), r#"the model has no value "pooledd"; did you mean "pooled"?"#);
    assert!(error(&[("last", Tensor::filled(&[1, 4, 2, 2], 0.0))], "c1").starts_with(r#""input" is needed"#));
    assert!(error(&[picture(), ("last", Tensor::filled(&[2, 4, 2, 2], 0.0))], "logits").contains("[1, 4, 2, 2]"));
    assert!(error(&[("last", Tensor::filled(&[1, 4, 3, 2], 0.0))], "logits").contains("given [1, 4, 3, 2]"));
    let twice = Tensor::filled(&[1, 4, 2, 2], 0.0);
    assert!(error(&[("last", twice.clone()), ("features", twice)], "logits").contains("twice"));
    assert!(error(&[("input", Tensor::f64(&[1, 3, 8, 8], &[0.0; 192]))], "logits").contains("float32"));
    assert!(error(&[("input", Tensor::filled(&[0, 3, 8, 8], 0.0))], "logits").contains("given [0, 3, 8, 8]"));
    let feeds = [picture()];
    let cotangents = [("logits", Cotangent::Tensor(Tensor::filled(&[1, 4], 1.0)))];
    let vjp = Vjp { feeds: &feeds, cotangents: &cotangents, wrt: &["input"], fetches: &[], rule: Rule::Standard };
    assert_eq!(model.vjp(&vjp, 0).unwrap_err().to_string(), r#""logits" has shape [1, 3], given [1, 4]"#);
}

#[test]
fn the_gradient_agrees_with_differences_and_is_zero_where_nothing_flows() {
    let model = load(&convolutional());
    let picture = pictures(1, 8, 8);
    let feeds = [("input", picture.clone())];
    let hot = [("logits", Cotangent::Tensor(Tensor::f32(&[1, 3], &[0.0, 1.0, 0.0])))];
    let wrt = ["input", "features", "probabilities"];
    let vjp = Vjp { feeds: &feeds, cotangents: &hot, wrt: &wrt, fetches: &["logits"], rule: Rule::Standard };
    let result = model.vjp(&vjp, 0).unwrap();
    assert_eq!(result.wrt[1].shape(), [1, 4, 2, 2]);
    assert_eq!(result.wrt[2].to_f64(), [0.0; 3]);
    let gradient = result.wrt[0].to_f64();
    let logit = |index: usize, step: f32| {
        let mut moved = picture.to_f32().unwrap();
        moved[index] += step;
        run(&model, &[("input", Tensor::from_f32(vec![1, 3, 8, 8], moved))], "logits").to_f64()[1]
    };
    for index in [0, 17, 63, 100, 191] {
        let difference = (logit(index, 1.0 / 1024.0) - logit(index, -1.0 / 1024.0)) * 512.0;
        assert!((gradient[index] - difference).abs() < 1e-4, "{index}: {} and {difference}", gradient[index]);
    }
}

#[test]
fn pixels_are_normalised_in_the_graph() {
    let normalization = Normalization { scale: 255.0, mean: [10.0, 20.0, 30.0], std: [2.0, 4.0, 5.0], bgr: false };
    let options = Options { normalization: Some(normalization), ..Options::default() };
    let model = load_with(&convolutional(), &options).unwrap();
    assert_eq!(model.mean_colour(), Some([10.0 / 255.0, 20.0 / 255.0, 30.0 / 255.0]));
    let picture = pictures(1, 8, 8);
    let pixels = picture.to_f64();
    let expected = |channel: usize, cell: usize| {
        (pixels[channel * 64 + cell] * 255.0 - f64::from(normalization.mean[channel]))
            / f64::from(normalization.std[channel])
    };
    let data = run(&model, &[("input", picture.clone())], "data").to_f64();
    assert!((data[64 + 5] - expected(1, 5)).abs() < 1e-4 && (data[5] - expected(0, 5)).abs() < 1e-4);
    let options = Options { normalization: Some(Normalization { bgr: true, ..normalization }), ..Options::default() };
    let flipped = load_with(&convolutional(), &options).unwrap();
    let data = run(&flipped, &[("input", picture)], "data").to_f64();
    assert!((data[5] - expected(2, 5)).abs() < 1e-4 && (data[128 + 5] - expected(0, 5)).abs() < 1e-4);
    assert!(flipped.capabilities().gradients);
}

#[test]
fn channels_last_are_transposed_and_open_sizes_are_asked_for() {
    let network = Network::new("data", &[-1, -1, -1, 3])
        .weight("w", &[3, 5])
        .node("mean = ReduceMean(data)", &[("axes", &[1, 2]), ("keepdims!", &[0])])
        .node("y = MatMul(mean, w)", &[])
        .output("y");
    let error = load_with(&network, &Options::default()).unwrap_err().to_string();
    assert!(
        error.contains("height") && error.contains("\"data\"") && error.contains("give the input's size"),
        "{error}"
    );
    let options = Options { input_size: Some((6, 4)), ..Options::default() };
    let model = load_with(&network, &options).unwrap();
    assert_eq!((model.input_size(), model.classes()), ((6, 4), 5));
    assert_eq!(run(&model, &[("input", pictures(2, 6, 4))], "data").shape(), [2, 6, 4, 3]);
    let options = Options { input_size: Some((9, 8)), ..Options::default() };
    let error = load_with(&convolutional(), &options).unwrap_err().to_string();
    assert!(error.contains("height") && error.contains('9') && error.contains('8'), "{error}");
}

/// Pooling and a convolution to `classes` maps of one cell, called `y`.
fn pooled(classes: i64) -> Network {
    Network::new("data", &[1, 3, 4, 4])
        .weight("w", &[classes, 3, 1, 1])
        .node("pool = GlobalAveragePool(data)", &[])
        .node("y = Conv(pool, w)", &[])
}

#[test]
fn logits_are_before_the_softmax_and_trailing_ones_are_squeezed() {
    let model = load(&pooled(5).node("z = Flatten(y)", &[]).node("s = Softmax(z)", &[("axis!", &[1])]).output("s"));
    let results = model.run(&[("input", pictures(2, 4, 4))], &["logits", "z", "probabilities", "s"], 0).unwrap();
    assert_eq!((&results[0], &results[2]), (&results[1], &results[3]));
    let model = load(&pooled(5).output("y"));
    let results = model.run(&[("input", pictures(2, 4, 4))], &["logits", "y", "probabilities"], 0).unwrap();
    assert_eq!((results[0].shape(), results[1].shape()), (&[2, 5][..], &[2, 5, 1, 1][..]));
    assert_eq!((results[0].to_f64(), results[2].shape()), (results[1].to_f64(), &[2, 5][..]));
}

#[test]
fn outputs_that_are_no_classes_are_refused_by_shape() {
    let refused = |network: &Network, words: &[&str]| {
        let error = load_with(network, &Options::default()).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    };
    refused(&pooled(1).output("y"), &["\"y\"", "[1, 1, 1, 1]"]);
    refused(&Network::new("data", &[1, 3, 4, 4]).node("y = Relu(data)", &[]).output("y"), &["\"y\"", "[1, 3, 4, 4]"]);
    refused(&pooled(4).node("s = Sigmoid(y)", &[]).output("s"), &["\"s\"", "Sigmoid"]);
    refused(&Network::new("data", &[1, 3]).node("y = Relu(data)", &[]).output("y"), &["\"data\"", "[1, 3]"]);
}

#[test]
fn reserved_names_mean_the_same_whatever_the_file_calls_its_values() {
    let network = Network::new("logits", &[1, 3, 4, 4])
        .weight("w", &[5, 3, 1, 1])
        .node("input = Relu(logits)", &[])
        .node("features = GlobalAveragePool(input)", &[])
        .node("y = Conv(features, w)", &[])
        .node("out = Identity(y)", &[])
        .output("out");
    let model = load(&network);
    assert_eq!(model.feature_layer(), Some("input.file"));
    let results =
        model.run(&[("input", pictures(1, 4, 4))], &["logits", "features", "out", "features.file"], 0).unwrap();
    let shapes: Vec<&[i64]> = results.iter().map(Tensor::shape).collect();
    assert_eq!(shapes, [&[1, 5][..], &[1, 3, 4, 4], &[1, 5, 1, 1], &[1, 3, 1, 1]]);
    assert_eq!(model.layer("out").unwrap().id, "y");
}

#[test]
fn features_and_logits_can_be_chosen() {
    let chosen = Options { feature_layer: Some("r1".into()), logits: Some("flat".into()), ..Options::default() };
    let model = load_with(&convolutional(), &chosen).unwrap();
    assert_eq!((model.feature_layer(), model.classes()), (Some("r1"), 4));
    let wrong = Options { feature_layer: Some("r11".into()), ..Options::default() };
    assert!(load_with(&convolutional(), &wrong).unwrap_err().to_string().contains("did you mean \"r1\""));
    let flat = Options { feature_layer: Some("flat".into()), ..Options::default() };
    assert!(load_with(&convolutional(), &flat).unwrap_err().to_string().contains("N×C×H×W"));
}

#[test]
fn shape_arithmetic_disappears() {
    let network = Network::new("data", &[-1, 3, 4, 4])
        .weight("w", &[48, 3])
        .integers("first", &[0])
        .integers("rest", &[-1])
        .node("shape = Shape(data)", &[])
        .node("rows = Gather(shape, first)", &[])
        .node("target = Concat(rows, rest)", &[("axis!", &[0])])
        .node("flat = Reshape(data, target)", &[])
        .node("dropped = Dropout(flat)", &[])
        .node("y = MatMul(dropped, w)", &[])
        .output("y");
    let model = load(&network);
    let ops: Vec<&str> = model.graph().nodes.iter().map(|node| node.op.as_str()).collect();
    assert_eq!(ops, ["Reshape", "MatMul", "Softmax"]);
    assert!(model.capabilities().free_batch);
    let results = model.run(&[("input", pictures(4, 4, 4))], &["logits", "dropped"], 0).unwrap();
    assert_eq!((results[0].shape(), results[1].shape()), (&[4, 3][..], &[4, 48][..]));
}

/// The reference, counting: programs made to stay, addresses of the weight `w1`, and what was looked at once: pictures, and their height.
#[derive(Default)]
struct Counting {
    compiled: AtomicUsize,
    addresses: parking_lot::Mutex<std::collections::HashSet<usize>>,
    looked_at: parking_lot::Mutex<Vec<[i64; 2]>>,
}

impl Runtime for Counting {
    type Program = Graph;
    type Error = <ReferenceRuntime as Runtime>::Error;

    fn name(&self) -> String {
        "counting".into()
    }

    fn compile(&self, graph: &Graph, options: CompileOptions) -> Result<Graph, Self::Error> {
        self.compiled.fetch_add(usize::from(options.optimise), Ordering::SeqCst);
        if let (false, Some(&[rows, _, height, _])) = (options.optimise, graph.shape(graph.inputs[0])) {
            self.looked_at.lock().push([rows, height]);
        }
        let weight = graph.constants.iter().find(|(id, _)| graph.value(**id).name == "w1");
        self.addresses.lock().extend(weight.map(|(_, tensor)| Arc::as_ptr(tensor) as usize));
        std::thread::sleep(std::time::Duration::from_millis(10));
        ReferenceRuntime.compile(graph, options)
    }

    fn execute(&self, program: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, Self::Error> {
        ReferenceRuntime.execute(program, inputs)
    }
}

#[test]
fn each_question_is_compiled_once_and_all_share_the_weights() {
    let runtime = Arc::new(Counting::default());
    let model = GraphModel::from_graph(convolutional().read(), &Options::default(), Arc::clone(&runtime)).unwrap();
    let ask = |rows: i64| model.run(&[("input", pictures(rows, 8, 8))], &["logits"], 0).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| ask(1));
        }
    });
    assert_eq!(runtime.compiled.load(Ordering::SeqCst), 1);
    ask(2);
    ask(2);
    assert_eq!(runtime.compiled.load(Ordering::SeqCst), 2);
    let feeds = [("input", pictures(1, 8, 8))];
    let itself = [("features", Cotangent::Itself)];
    let vjp = Vjp { feeds: &feeds, cotangents: &itself, wrt: &["input"], fetches: &[], rule: Rule::Guided };
    model.vjp(&vjp, 0).unwrap();
    model.vjp(&vjp, 0).unwrap();
    assert_eq!(runtime.compiled.load(Ordering::SeqCst), 3);
    assert_eq!(runtime.addresses.lock().len(), 1);
}

#[test]
fn of_pictures_of_another_size_one_and_two_tell_what_more_of_them_would() {
    let runtime = Arc::new(Counting::default());
    let model = GraphModel::from_graph(convolutional().read(), &Options::default(), Arc::clone(&runtime)).unwrap();
    let before = runtime.looked_at.lock().len();
    let batch = pictures(6, 16, 12);
    for rows in [6, 4] {
        let logits = model.run(&[("input", batch.rows(0, rows))], &["logits"], 0).unwrap().remove(0);
        assert_eq!(logits.shape(), [rows, 3]);
        let alone = model.run(&[("input", batch.rows(3, 1))], &["logits"], 0).unwrap().remove(0);
        assert_close(&logits.rows(3, 1), &alone, 1e-9);
    }
    let looked_at = runtime.looked_at.lock()[before..].to_vec();
    assert_eq!(looked_at, [[1, 16], [2, 16]], "for batches of any size, and for a picture alone");
}
