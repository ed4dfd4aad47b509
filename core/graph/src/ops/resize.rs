//! Resize and Upsample: a product with a matrix per axis, whose transpose is the derivative. The matrices' entries are
//! next door, in [`interpolation`](super::interpolation).

use super::interpolation::{Axis, Coordinates, Manner, Mode, Nearest};
use super::{Geometry, Operator, Step};
use crate::builder::Builder;
use crate::{Error, Graph, Node, Tensor, ValueId};

type Made = Result<Vec<Option<ValueId>>, Error>;

/// Both; Upsample is Resize as it was at opset 10.
pub(super) struct Resize;

impl Resize {
    /// The numbers of input `index`; empty where it is missing, `None` where it is computed.
    fn numbers(graph: &Graph, node: &Node, index: usize) -> Option<Vec<f64>> {
        match node.input(index) {
            None => Some(Vec::new()),
            Some(input) => graph.constant(input).map(|tensor| tensor.to_f64()),
        }
    }

    /// How each axis is resized, of an input and an output of these shapes; `None` if that is computed or makes no sense.
    fn axes(graph: &Graph, node: &Node, from: &[i64], to: &[i64]) -> Option<Vec<Axis>> {
        let rank = from.len();
        let (roi, scales, sizes) = if graph.opset >= 11 {
            let numbers = |index| Self::numbers(graph, node, index);
            (numbers(1)?, numbers(2)?, numbers(3)?)
        } else if let Some(crate::Attribute::Floats(scales)) = node.attributes.get("scales") {
            (Vec::new(), scales.iter().map(|scale| f64::from(*scale)).collect(), Vec::new())
        } else {
            (Vec::new(), Self::numbers(graph, node, 1)?, Vec::new())
        };
        let chosen: Vec<usize> = match node.ints("axes") {
            Some(axes) => {
                let wrapped = axes.iter().map(|axis| if *axis < 0 { axis + rank as i64 } else { *axis });
                wrapped.map(|axis| usize::try_from(axis).ok().filter(|axis| *axis < rank)).collect::<Option<_>>()?
            }
            None => (0..rank).collect(),
        };
        let whole = |axis: usize| Axis { from: from[axis], to: to[axis], scale: 1.0, region: (0.0, 1.0) };
        let mut axes: Vec<Axis> = (0..rank).map(whole).collect();
        let ratio = |index: usize, axis: usize| Some(*sizes.get(index)? as f32 / from[axis] as f32);
        let ratios = chosen.iter().enumerate().map(|(index, axis)| ratio(index, *axis)).collect::<Option<Vec<f32>>>();
        // Where the aspect is kept, one scale is for all axes.
        let common = match (node.string("keep_aspect_ratio_policy"), &ratios) {
            (Some("not_larger"), Some(ratios)) => ratios.iter().copied().reduce(f32::min),
            (Some("not_smaller"), Some(ratios)) => ratios.iter().copied().reduce(f32::max),
            _ => None,
        };
        for (index, axis) in chosen.iter().enumerate() {
            axes[*axis].scale = match scales.get(index) {
                Some(scale) => *scale as f32,
                None => common.or(ratio(index, *axis))?,
            };
            if roi.len() == 2 * chosen.len() {
                axes[*axis].region = (roi[index] as f32, roi[index + chosen.len()] as f32);
            }
        }
        Some(axes)
    }

    fn manner(opset: i64, node: &Node) -> Option<Manner> {
        let mode = match node.string("mode").unwrap_or("nearest") {
            "nearest" => Mode::Nearest,
            "linear" | "bilinear" | "trilinear" => Mode::Linear,
            "cubic" => Mode::Cubic { a: node.float("cubic_coeff_a", -0.75) },
            _ => return None,
        };
        if opset < 11 {
            let coordinates = Coordinates::Asymmetric;
            return Some(Manner { mode, coordinates, nearest: Nearest::Outward, exclude: false, antialias: false });
        }
        let coordinates = match node.string("coordinate_transformation_mode").unwrap_or("half_pixel") {
            "half_pixel" => Coordinates::HalfPixel,
            "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
            "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
            "align_corners" => Coordinates::AlignCorners,
            "asymmetric" => Coordinates::Asymmetric,
            "tf_half_pixel_for_nn" => Coordinates::HalfPixelForNearest,
            "tf_crop_and_resize" => Coordinates::CropAndResize,
            _ => return None,
        };
        let nearest = match node.string("nearest_mode").unwrap_or("round_prefer_floor") {
            "round_prefer_floor" => Nearest::PreferFloor,
            "round_prefer_ceil" => Nearest::PreferCeil,
            "floor" => Nearest::Floor,
            "ceil" => Nearest::Ceil,
            _ => return None,
        };
        let flag = |name: &str| node.int(name, 0) != 0;
        Some(Manner { mode, coordinates, nearest, exclude: flag("exclude_outside"), antialias: flag("antialias") })
    }
}

impl Operator for Resize {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let mut made = step.cotangent()?;
        let (from, to) = (b.shape(step.input(0)?)?, b.shape(made)?);
        let axes = Self::axes(b.graph(), step.node, &from, &to)
            .ok_or_else(|| step.no_derivative("its scales or sizes are computed, or do not fit its input"))?;
        let manner = Self::manner(b.opset(), step.node)
            .ok_or_else(|| step.no_derivative("its mode of interpolation is not covered"))?;
        for (index, axis) in axes.iter().enumerate().filter(|(_, axis)| !axis.is_kept(&manner)) {
            let matrix = b.derive(&[], format!("transpose of {axis:?} by {manner:?}"), || {
                Tensor::f32(&[axis.from, axis.to], &axis.transposed(&manner))
            });
            made = b.along_axis(made, index, matrix)?;
        }
        Ok(vec![Some(made)])
    }

    fn carries(&self, _graph: &Graph, _node: &Node, index: usize) -> bool {
        index == 0
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Opaque
    }

    fn until(&self, op: &str) -> Option<i64> {
        (op == "Upsample").then_some(9)
    }

    fn remark(&self, _op: &str) -> &'static str {
        "nearest, linear, cubic, antialiased; scales or sizes must be known"
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        tests::example(op, draw)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, Draw, check};
    use crate::{Attribute, Tensor};

    pub(super) fn example(op: &str, draw: &mut Draw) -> Case {
        let shape = vec![draw.int(1, 2), draw.int(1, 2), draw.int(1, 5), draw.int(1, 5)];
        let x = draw.distinct(&shape);
        let opset = if op == "Upsample" { draw.pick(&[7, 9]) } else { draw.pick(&[10, 11, 13, 18, 20, 23]) };
        let case = Case::new(opset, op).wrt(&shape, &x);
        let grow = op == "Upsample" || draw.flag();
        let scale =
            |draw: &mut Draw| if grow { draw.pick(&[1.0_f32, 1.5, 2.0, 3.0]) } else { draw.pick(&[0.4, 0.6, 1.0]) };
        let mut scales = vec![1.0, 1.0, scale(draw), scale(draw)];
        for (scale, size) in scales.iter_mut().zip(&shape) {
            *scale = scale.max(1.0 / *size as f32);
        }
        let list = Tensor::f32(&[4], &scales);
        if opset < 11 {
            let case = case.attribute("mode", draw.pick(&["nearest", "linear"]));
            return if opset < 9 { case.attribute("scales", Attribute::Floats(scales)) } else { case.constant(list) };
        }
        let mode = draw.pick(&["nearest", "linear", "cubic"]);
        let coordinates = draw.pick(&[
            "half_pixel",
            "pytorch_half_pixel",
            "align_corners",
            "asymmetric",
            "tf_crop_and_resize",
            if opset >= 19 { "half_pixel_symmetric" } else { "half_pixel" },
        ]);
        let mut case = case.attribute("mode", mode).attribute("coordinate_transformation_mode", coordinates);
        if mode == "nearest" {
            let rounding = draw.pick(&["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]);
            case = case.attribute("nearest_mode", rounding);
        } else if opset >= 18 && coordinates != "tf_crop_and_resize" && draw.int(0, 2) == 0 {
            case = case.attribute("antialias", 1);
        }
        if mode == "cubic" && draw.flag() {
            case = case.attribute("exclude_outside", 1).attribute("cubic_coeff_a", -0.5_f32);
        }
        case = match coordinates {
            "tf_crop_and_resize" => case.constant(Tensor::f32(&[8], &[0.0, 0.0, 0.1, 0.2, 1.0, 1.0, 0.9, 1.3])),
            _ => case.missing(),
        };
        if draw.flag() {
            return case.constant(list);
        }
        let sizes: Vec<i64> = shape.iter().zip(&scales).map(|(size, scale)| (*size as f32 * scale) as i64).collect();
        let case = case.missing().constant(Tensor::i64(&[4], &sizes));
        // Of a cell or two in one direction the other's scale might leave nothing.
        if opset < 18 || !grow || draw.flag() {
            return case;
        }
        case.attribute("keep_aspect_ratio_policy", draw.pick(&["stretch", "not_larger", "not_smaller"]))
    }

    #[test]
    fn resizing_agrees_with_central_differences() {
        check(&["Resize", "Resize", "Resize", "Resize", "Upsample"]);
    }
}
