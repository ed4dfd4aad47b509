//! Windows over pictures, and pictures of another size.

use crate::case::{Case, case};
use crate::values::{In, any, fixed, float, floats, int, ints, list, text};
use whyglass_graph::{Attribute, Tensor};

pub(crate) fn cases() -> Vec<Case> {
    [convolutions(), pools(), resized()].concat()
}

fn map() -> In {
    any(&[2, 4, 6, 6])
}

fn convolutions() -> Vec<Case> {
    let weight = |shape: &[i64]| fixed(floats(shape, 5));
    let pads = || ints(&[1, 1, 1, 1]);
    let transposed = || case("ConvTranspose", 17, [map(), weight(&[4, 3, 3, 3])]).with("strides", ints(&[2, 2]));
    vec![
        case("Conv", 17, [map(), weight(&[6, 4, 3, 3]), weight(&[6])])
            .with("pads", pads())
            .with("strides", ints(&[2, 2])),
        case("Conv", 17, [map(), weight(&[4, 1, 3, 3])]).with("pads", ints(&[0, 1, 2, 1])).with("group", int(4)),
        case("Conv", 17, [map(), weight(&[2, 4, 2, 3])]).with("auto_pad", text("SAME_LOWER")),
        transposed().with("pads", pads()),
        transposed().with("pads", ints(&[0, 1, 1, 0])).with("output_padding", ints(&[1, 0])),
        transposed().with("output_shape", ints(&[12, 11])),
        transposed().with("auto_pad", text("SAME_UPPER")),
    ]
}

fn pools() -> Vec<Case> {
    let mut cases = Vec::new();
    for op in ["MaxPool", "AveragePool", "LpPool"] {
        let pool = || case(op, 22, [map()]).with("kernel_shape", ints(&[3, 3])).with("strides", ints(&[2, 2]));
        cases.extend([
            pool().with("pads", ints(&[1, 1, 1, 1])),
            pool().with("ceil_mode", int(1)),
            pool().with("auto_pad", text("SAME_UPPER")),
            pool().with("dilations", ints(&[2, 1])).with("pads", ints(&[1, 0, 0, 1])),
        ]);
    }
    let average = || case("AveragePool", 22, [map()]).with("strides", ints(&[2, 2])).with("count_include_pad", int(1));
    let lp = |p: i64| case("LpPool", 22, [map()]).with("kernel_shape", ints(&[2, 3])).with("p", int(p));
    cases.extend([
        average().with("kernel_shape", ints(&[3, 3])).with("ceil_mode", int(1)),
        average()
            .with("kernel_shape", ints(&[2, 3]))
            .with("dilations", ints(&[2, 2]))
            .with("pads", ints(&[1, 1, 0, 1])),
        lp(1),
        lp(3).with("pads", ints(&[1, 1, 0, 1])),
        case("GlobalAveragePool", 17, [map()]),
        case("GlobalMaxPool", 17, [map()]),
        case("GlobalLpPool", 17, [map()]),
        case("GlobalLpPool", 17, [map()]).with("p", int(3)),
    ]);
    cases
}

fn resized() -> Vec<Case> {
    let picture = || any(&[1, 2, 5, 4]);
    let scales = |height: f32, width: f32| fixed(Tensor::f32(&[4], &[1.0, 1.0, height, width]));
    let scaled = |height: f32, width: f32| case("Resize", 19, [picture(), In::Missing, scales(height, width)]);
    let mut cases = vec![
        case("Upsample", 9, [picture(), scales(2.0, 1.5)]),
        case("Upsample", 9, [picture(), scales(2.0, 1.5)]).with("mode", text("linear")),
        case("Upsample", 7, [picture()]).with("scales", Attribute::Floats(vec![1.0, 1.0, 2.0, 3.0])),
        case("Resize", 10, [picture(), scales(0.6, 1.5)]),
        case("Resize", 10, [picture(), scales(0.6, 1.5)]).with("mode", text("linear")),
        scaled(2.0, 0.6).with("mode", text("cubic")).with("exclude_outside", int(1)).with("cubic_coeff_a", float(-0.5)),
        case("Resize", 18, [picture(), In::Missing, In::Missing, list(&[7, 3])])
            .with("axes", ints(&[2, -1]))
            .with("mode", text("linear")),
    ];
    for mode in ["linear", "cubic"] {
        cases.push(scaled(0.6, 0.4).with("mode", text(mode)).with("antialias", int(1)));
        cases.push(scaled(0.5, 1.5).with("mode", text(mode)).with("antialias", int(1)));
    }
    for rounding in ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"] {
        cases.push(scaled(1.5, 0.6).with("nearest_mode", text(rounding)));
    }
    for policy in ["stretch", "not_larger", "not_smaller"] {
        let sizes = case("Resize", 18, [picture(), In::Missing, In::Missing, list(&[1, 2, 8, 9])]);
        cases.push(sizes.with("keep_aspect_ratio_policy", text(policy)).with("mode", text("linear")));
    }
    for coordinates in [
        "half_pixel",
        "half_pixel_symmetric",
        "pytorch_half_pixel",
        "align_corners",
        "asymmetric",
        "tf_crop_and_resize",
    ] {
        for mode in ["nearest", "linear", "cubic"] {
            let region = fixed(Tensor::f32(&[8], &[0.0, 0.0, 0.1, 0.2, 1.0, 1.0, 0.9, 1.3]));
            let resized = case("Resize", 19, [picture(), region, scales(1.5, 0.6)]).with("mode", text(mode));
            cases.push(resized.with("coordinate_transformation_mode", text(coordinates)));
        }
    }
    cases
}
