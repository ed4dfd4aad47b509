//! Files that lie: each is one clear error that names the thing, never a panic, a hang or a giant allocation.

mod support;

use std::time::{Duration, Instant};
use support::{Network, convolutional};
use whyglass_graph::proto::{AttributeProto, AttributeType, EXTERNAL, StringStringEntryProto, ValueInfoProto};
use whyglass_graph::{Attribute, read, read_bytes, write, write_whole};

fn error_of(network: &Network) -> String {
    read_bytes(network.bytes().into(), None).expect_err("this file is wrong").to_string()
}

#[track_caller]
fn refused(network: &Network, words: &[&str]) {
    let error = error_of(network);
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
}

#[test]
fn no_flipped_byte_of_a_model_makes_reading_it_panic_or_hang() {
    let bytes = convolutional().bytes();
    let start = Instant::now();
    let mut refused = 0;
    for index in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut wrong = bytes.clone();
            wrong[index] ^= flip;
            if let Err(error) = read_bytes(wrong.into(), None) {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
        }
    }
    assert!(refused > bytes.len() / 10, "only {refused} of {} were noticed", 3 * bytes.len());
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_model_cut_short_anywhere_is_refused() {
    let bytes = convolutional().bytes();
    for length in 0..bytes.len() {
        // What is cut off at a field's end may only lack its operator sets, which is refused as well.
        assert!(read_bytes(bytes[..length].to_vec().into(), None).is_err(), "{length} of {} bytes", bytes.len());
    }
}

#[test]
fn operators_of_our_own_are_not_a_files_to_use() {
    let mut graph = read_bytes(convolutional().bytes().into(), None).unwrap();
    graph.nodes[0].domain = "whyglass".into();
    graph.domains.insert("whyglass".into(), 1);
    let error = read_bytes(write_whole(&graph).unwrap().into(), None).unwrap_err().to_string();
    assert!(error.contains("whyglass") && error.contains(&graph.nodes[0].op), "{error}");
}

#[test]
fn attributes_by_which_we_mark_nodes_are_not_taken_from_a_file() {
    let mut graph = read_bytes(convolutional().bytes().into(), None).unwrap();
    let before = graph.nodes[0].attributes.clone();
    graph.nodes[0].attributes.insert("__phase".into(), 0.into());
    let graph = read_bytes(write_whole(&graph).unwrap().into(), None).unwrap();
    assert_eq!(graph.nodes[0].attributes, before);
}

#[test]
fn a_cycle_is_refused_by_the_name_of_a_node_in_it() {
    let network = Network::new("data", &[1, 3, 8, 8])
        .node("a = Add(data, b)", &[])
        .node("b = Relu(a)", &[])
        .node("c = Relu(b)", &[])
        .output("c");
    refused(&network, &["Add", "\"Add of a\"", "depends on itself"]);
}

#[test]
fn nodes_in_the_wrong_order_are_sorted() {
    let graph =
        Network::new("data", &[1, 3, 8, 8]).node("b = Relu(a)", &[]).node("a = Sigmoid(data)", &[]).output("b").read();
    assert_eq!(graph.nodes.iter().map(|node| node.op.as_str()).collect::<Vec<_>>(), ["Sigmoid", "Relu"]);
}

#[test]
fn names_that_nothing_makes_and_names_made_twice_are_refused() {
    let network = Network::new("data", &[1, 3, 8, 8]).node("a = Add(data, nowhere)", &[]).output("a");
    refused(&network, &["\"nowhere\"", "Add"]);
    refused(&Network::new("data", &[1, 3, 8, 8]).output("nowhere"), &["\"nowhere\"", "output"]);
    let twice = Network::new("data", &[1, 3, 8, 8]).node("a = Relu(data)", &[]).node("a = Abs(data)", &[]).output("a");
    refused(&twice, &["\"a\"", "twice"]);
    let twice = Network::new("data", &[1, 3, 8, 8]).weight("w", &[1]).weight("w", &[1]).output("w");
    refused(&twice, &["\"w\"", "two initialisers"]);
}

#[test]
fn operator_sets_that_are_too_old_or_too_new_are_refused_with_the_range() {
    for version in [i64::MIN, 0, 6, 24, i64::MAX] {
        refused(&convolutional().opset(version), &[&version.to_string(), "7 to 23"]);
    }
}

#[test]
fn a_sub_graph_is_refused_only_where_it_is_needed() {
    let attribute =
        AttributeProto { name: "then_branch".into(), r#type: AttributeType::Graph as i32, ..Default::default() };
    let with_branch = |output: &str| {
        let mut network =
            Network::new("data", &[1, 3, 8, 8]).node("a = Relu(data)", &[]).node("b = If(data)", &[]).output(output);
        network.graph().node[1].attribute.push(attribute.clone());
        network
    };
    refused(&with_branch("b"), &["If", "then_branch", "control flow"]);
    assert_eq!(with_branch("a").read().nodes.len(), 1);
}

#[test]
fn impossible_dimensions_are_refused_before_anything_is_allocated() {
    for dims in [[i64::MAX, 1], [-1, -1], [1 << 62, 1 << 62], [1 << 40, 1 << 20], [i64::MIN, 0]] {
        let network = Network::new("data", &[1, 3, 8, 8])
            .tensor("w", 1, &dims, |tensor| tensor.float_data = vec![1.0])
            .node("a = Add(data, w)", &[])
            .output("a");
        refused(&network, &["\"w\""]);
    }
}

#[test]
fn external_data_is_only_taken_from_beside_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("inner");
    std::fs::create_dir(&model).unwrap();
    std::fs::write(folder.path().join("secret"), [0; 16]).unwrap();
    std::fs::write(model.join("weights"), 1.5_f32.to_le_bytes()).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("../secret", model.join("link")).unwrap();
    let with = |location: &str| {
        let network = Network::new("data", &[1, 3, 8, 8])
            .tensor("w", 1, &[1], |tensor| {
                tensor.data_location = EXTERNAL;
                let entry = StringStringEntryProto { key: "location".into(), value: location.into() };
                tensor.external_data.push(entry);
            })
            .node("a = Add(data, w)", &[])
            .output("a");
        std::fs::write(model.join("model.onnx"), network.bytes()).unwrap();
        read(&model.join("model.onnx"))
    };
    let graph = with("weights").unwrap();
    assert_eq!(graph.constants.values().next().unwrap().to_f32(), Some(vec![1.5]));
    for location in ["../secret", "link", "missing", "/etc/hostname"] {
        let error = with(location).unwrap_err().to_string();
        assert!(error.contains("\"w\"") && error.contains("external data"), "{error}");
    }
}

#[test]
fn a_pipe_in_place_of_a_model_is_refused_without_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains("model.onnx") && error.contains("regular file"), "{error}");
}

#[test]
fn initialisers_that_old_files_list_among_the_inputs_stay_constants() {
    let mut network = convolutional();
    let name = network.graph().initializer[0].name.clone();
    network.graph().input.push(ValueInfoProto { name: name.clone(), r#type: None });
    let graph = network.read();
    assert_eq!(graph.inputs.len(), 1);
    assert!(graph.constant(graph.find(&name).unwrap()).is_some());
}

#[test]
fn what_is_written_is_what_was_read() {
    let graph = convolutional().read();
    let again = read_bytes(write_whole(&graph).unwrap().into(), None).unwrap();
    assert_eq!(again.nodes.len(), graph.nodes.len());
    for (a, b) in graph.nodes.iter().zip(&again.nodes) {
        assert_eq!((&a.name, &a.op, &a.attributes), (&b.name, &b.op, &b.attributes));
    }
    for (id, tensor) in &graph.constants {
        let other = again.find(&graph.value(*id).name).unwrap();
        assert_eq!(**tensor, **again.constant(other).unwrap());
    }
    assert!(matches!(again.nodes[0].attributes["pads"], Attribute::Ints(ref pads) if pads == &[1, 1, 1, 1]));
}

#[test]
fn large_weights_are_left_out_of_the_file_and_handed_over_beside_it() {
    let graph = Network::new("data", &[1, 3, 8, 8])
        .weight("large", &[1, 3, 8, 8])
        .weight("small", &[1, 3, 1, 1])
        .node("a = Mul(data, large)", &[])
        .node("b = Mul(a, small)", &[])
        .output("b")
        .read();
    // 768 bytes: below the bound.
    assert!(write(&graph).unwrap().by_reference.is_empty());
    let graph = Network::new("data", &[1, 3, 16, 16])
        .weight("large", &[1, 3, 16, 16])
        .node("a = Mul(data, large)", &[])
        .output("a")
        .read();
    let written = write(&graph).unwrap();
    assert_eq!(written.by_reference.len(), 1);
    assert_eq!(written.by_reference[0].0, "large");
    assert!(std::sync::Arc::ptr_eq(&written.by_reference[0].1, graph.constants.values().next().unwrap()));
    assert!(written.bytes.len() < 1024);
}

#[test]
fn a_million_nodes_and_a_file_of_a_terabyte_are_refused_for_their_number() {
    let mut network = Network::new("data", &[1, 3, 8, 8]).node("link 0 = Relu(data)", &[]).output("link 0");
    let link = network.graph().node[0].clone();
    network.graph().node = vec![link; 1_000_000];
    refused(&network, &["1000000 nodes", "100000"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    // A hole: nothing of it is on the disk.
    std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains("2 GiB"), "{error}");
}
