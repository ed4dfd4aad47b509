//! Convolutions in the hands of the kernel, on numbers that are computed exactly: filters are multiples of 36, which are
//! divided by that on the way, and no sum needs more than 24 bits.

use super::{NAME, replace};
use crate::OrtRuntime;
use crate::blocked::are_known;
use crate::blocked::testing::{Optimised, numbers, runtime};
use crate::weights::Weights;
use whyglass_graph::builder::Window;
use whyglass_graph::{Builder, DerivedConstants, Graph, Tensor};

/// What stands after the convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Nothing,
    Relu,
    Clip,
    /// The sum with another feature map, which nobody else needs or somebody does, and a rectifier.
    Residual {
        kept: bool,
    },
}

/// A convolution that the engine keeps in its blocked layout, and the nature of what is around it.
#[derive(Clone, Debug)]
struct Case {
    /// Of the filters, and how they move.
    filter: i64,
    stride: i64,
    /// How many different numbers there are in filters, and of what they are multiples.
    taps: (i64, f32),
    images: i64,
    inputs: i64,
    outputs: i64,
    size: [i64; 2],
    /// Above, left, below, right.
    pads: [i64; 4],
    bias: bool,
    then: Then,
    threads: usize,
}

const PLAIN: Case = Case {
    filter: 3,
    stride: 1,
    taps: (5, 36.0),
    images: 1,
    inputs: 32,
    outputs: 32,
    size: [6, 6],
    pads: [1; 4],
    bias: true,
    then: Then::Relu,
    threads: 2,
};

impl Case {
    fn graph(&self) -> Graph {
        let mut graph = Graph { opset: 17, ..Default::default() };
        graph.inputs = vec![graph.add_value("x", Some(vec![self.images, self.inputs, self.size[0], self.size[1]]))];
        let (x, derived) = (graph.inputs[0], DerivedConstants::default());
        let mut b = Builder::new(graph, &derived);
        // In front of it one of 1×1, so that it is given blocks.
        let mix = b.floats(&[self.inputs, self.inputs, 1, 1], &numbers(self.inputs * self.inputs, 3, 1.0));
        let x = b.conv(x, mix, &Window::dense(&[1, 1]), 1).unwrap();
        let numbers_of_filters = numbers(self.outputs * self.inputs * self.filter.pow(2), self.taps.0, self.taps.1);
        let filters = b.floats(&[self.outputs, self.inputs, self.filter, self.filter], &numbers_of_filters);
        let [top, left, bottom, right] = self.pads;
        let window = Window {
            before: vec![top, left],
            after: vec![bottom, right],
            strides: vec![self.stride; 2],
            ..Window::dense(&[self.filter; 2])
        };
        let convolved = if self.bias {
            let bias = b.floats(&[self.outputs], &numbers(self.outputs, 11, 1.0));
            b.conv_with_bias(x, filters, bias, &window, 1).unwrap()
        } else {
            b.conv(x, filters, &window, 1).unwrap()
        };
        let shape = b.shape(convolved).unwrap();
        let mut outputs = vec![match self.then {
            Then::Nothing => convolved,
            Then::Relu => b.unary("Relu", convolved).unwrap(),
            Then::Clip => {
                let (lower, upper) = (b.scalar(-50.0), b.scalar(100.0));
                b.node("Clip", &[convolved, lower, upper], [], shape)
            }
            Then::Residual { kept } => {
                let mix = b.floats(&[self.outputs, self.inputs, 1, 1], &numbers(self.outputs * self.inputs, 5, 1.0));
                let other = b.conv(x, mix, &Window::dense(&[1, 1]), 1).unwrap();
                let sum = b.add(convolved, other).unwrap();
                let rectified = b.unary("Relu", sum).unwrap();
                if kept { b.add(rectified, other).unwrap() } else { rectified }
            }
        }];
        // Behind it another, so that it is asked for blocks.
        let mix = b.floats(&[16, self.outputs, 1, 1], &numbers(self.outputs * 16, 3, 1.0));
        outputs[0] = b.conv(outputs[0], mix, &Window::dense(&[1, 1]), 1).unwrap();
        Graph { outputs, ..b.finish() }
    }

    /// How many convolutions the kernel gets.
    fn replaced(&self, runtime: &OrtRuntime) -> usize {
        let nodes = Optimised::new(runtime, self.graph()).changed(|file, _| {
            replace(&Weights::new(), file, self.threads).unwrap();
        });
        nodes.iter().filter(|node| node.op_type == NAME).count()
    }

    fn check(&self, runtime: &OrtRuntime) {
        assert!(!are_known() || self.replaced(runtime) == 1, "{self:?}");
        Optimised::new(runtime, self.graph()).check(runtime, self.threads, &format!("{self:?}"));
    }
}

#[test]
fn a_convolution_by_tiles_is_the_convolution() {
    let runtime = runtime();
    for then in [Then::Nothing, Then::Relu, Then::Clip, Then::Residual { kept: true }, Then::Residual { kept: false }] {
        for bias in [false, true] {
            Case { then, bias, ..PLAIN }.check(&runtime);
        }
    }
}

#[test]
fn every_kind_of_filter_has_its_tiles() {
    let runtime = runtime();
    for (filter, stride) in [(2, 1), (3, 1), (4, 1), (3, 2)] {
        let kind = Case { filter, stride, ..PLAIN };
        for size in [[4, 4], [5, 9], [8, 7], [30, 13]] {
            for pads in [[0; 4], [1; 4], [0, 1, 2, 0]] {
                Case { size, pads, ..kind.clone() }.check(&runtime);
            }
        }
        let wide = Case { images: 3, inputs: 48, outputs: 80, ..kind.clone() };
        wide.check(&runtime);
        if stride == 1 {
            // As large as what is added.
            let pads = [(filter - 1) / 2, (filter - 1) / 2, filter / 2, filter / 2];
            Case { pads, then: Then::Residual { kept: false }, ..wide }.check(&runtime);
        }
        // Fewer outputs than a panel has.
        Case { outputs: 16, bias: false, then: Then::Clip, ..kind }.check(&runtime);
    }
}

#[test]
fn answers_are_about_as_near_to_float64_as_the_engine_s_own() {
    let runtime = runtime();
    // The larger the tile, the larger the numbers that are added up in it.
    for (filter, stride, most) in [(2, 1, 1.5), (3, 1, 1.0), (4, 1, 8.0), (3, 2, 1.5)] {
        let wide =
            Case { inputs: 256, size: [11, 12], taps: (65_521, 0.001), bias: false, then: Then::Nothing, ..PLAIN };
        let case = Case { filter, stride, ..wide };
        // Of so few bits that the convolution in front of it is exact; products are not.
        let inputs = [Tensor::f32(&[1, 256, 11, 12], &numbers(256 * 11 * 12, 4093, 1.0 / 1024.0))];
        assert!(!are_known() || case.replaced(&runtime) == 1);
        let [found, plain, wanted] = Optimised::new(&runtime, case.graph()).outputs(&runtime, &inputs);
        let off = |made: &[f64]| made.iter().zip(&wanted).map(|(made, wanted)| (made - wanted).powi(2)).sum::<f64>();
        let ratio = (off(&found) / off(&plain)).sqrt();
        assert!(ratio < most, "filters of {filter}, by {stride}: {ratio:.2} times as far off");
    }
}

#[test]
fn tiles_at_the_edges_see_zeros_and_leave_out_what_is_outside() {
    let runtime = runtime();
    for size in [[3, 3], [4, 7], [5, 4], [9, 10]] {
        for pads in [[0; 4], [1; 4], [0, 1, 2, 0], [2, 0, 1, 3]] {
            Case { size, pads, ..PLAIN }.check(&runtime);
        }
    }
}

/// 1 to 50 tiles of an image, in groups of up to 14, an odd number of blocks, and more threads than there is to divide.
#[test]
fn every_division_of_the_work_gives_the_same() {
    let runtime = runtime();
    for tiles in 1..=50 {
        Case { size: [2, 2 * tiles], ..PLAIN }.check(&runtime);
    }
    for (images, outputs, threads) in [(3, 48, 1), (5, 48, 3), (1, 80, 4), (9, 32, 8), (1, 32, 8)] {
        Case { images, inputs: 48, outputs, threads, size: [7, 7], ..PLAIN }.check(&runtime);
    }
}

#[test]
fn filters_that_are_moved_by_one_and_by_two_are_kept_apart() {
    let runtime = runtime();
    let mut graph = Graph { opset: 17, ..Default::default() };
    graph.inputs = vec![graph.add_value("x", Some(vec![1, 32, 8, 8]))];
    let (x, derived) = (graph.inputs[0], DerivedConstants::default());
    let mut b = Builder::new(graph, &derived);
    let filters = b.floats(&[32, 32, 3, 3], &numbers(32 * 32 * 9, 5, 36.0));
    let window = Window { before: vec![1; 2], after: vec![1; 2], ..Window::dense(&[3, 3]) };
    let mut y = b.conv(x, filters, &window, 1).unwrap();
    y = b.unary("Relu", y).unwrap();
    let half = b.scalar(1.0 / 4096.0);
    y = b.mul(y, half).unwrap();
    y = b.conv(y, filters, &Window { strides: vec![2; 2], ..window }, 1).unwrap();
    Optimised::new(&runtime, Graph { outputs: vec![y], ..b.finish() }).check(&runtime, 1, "by one and by two");
}

#[test]
fn what_the_kernel_cannot_do_is_left_alone() {
    let runtime = runtime();
    assert_eq!(PLAIN.replaced(&runtime), 1);
    let by_two = Case { stride: 2, ..PLAIN };
    let large = Case { inputs: 512, outputs: 512, ..by_two };
    let cases = [Case { inputs: 16, ..PLAIN }, Case { filter: 5, ..PLAIN }, Case { filter: 4, ..by_two }, large];
    for case in cases {
        assert_eq!(case.replaced(&runtime), 0, "{case:?}");
    }
}
