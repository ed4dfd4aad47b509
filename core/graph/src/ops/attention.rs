//! Attention (scaled dot products, one softmax, several heads) and RotaryEmbedding, which turns what they compare.

use super::{Geometry, Operator, Step};
use crate::builder::Builder;
use crate::{Dtype, Error, Graph, Node, Tensor, ValueId};

type Made = Result<Vec<Option<ValueId>>, Error>;

/// What a masked score gets instead of −∞, of which differences are not numbers.
const MASKED: f32 = -1e30;

/// softmax(scale · Q·Kᵀ + mask)·V, per head; several query heads may share one of keys and values.
pub(super) struct Attention;

/// Queries, keys and values as batch × key heads × query heads per key head × positions × width.
struct Heads {
    batch: i64,
    keys: i64,
    group: i64,
}

impl Heads {
    fn of(b: &Builder<'_>, step: &Step<'_>) -> Result<Self, Error> {
        let (q, k) = (b.shape(step.input(0)?)?, b.shape(step.input(1)?)?);
        let heads = |shape: &[i64], attribute: &str| match shape.len() {
            4 => shape[1],
            _ => step.node.int(attribute, 0),
        };
        let (queries, keys) = (heads(&q, "q_num_heads"), heads(&k, "kv_num_heads"));
        if keys < 1 || queries % keys != 0 {
            return Err(step.no_derivative("its numbers of heads do not fit each other"));
        }
        Ok(Self { batch: q[0], keys, group: queries / keys })
    }

    /// `x`, with `per_key` heads per key head, as five axes.
    fn split(&self, b: &mut Builder<'_>, x: ValueId, per_key: i64) -> Result<ValueId, Error> {
        let shape = b.shape(x)?;
        if let [_, _, positions, width] = shape[..] {
            return b.reshape(x, &[self.batch, self.keys, per_key, positions, width]);
        }
        let (positions, width) = (shape[1], shape[2] / (self.keys * per_key));
        let apart = b.reshape(x, &[self.batch, positions, self.keys, per_key, width])?;
        b.transpose(apart, &[0, 2, 3, 1, 4])
    }

    /// The other way, to `shape`.
    fn join(b: &mut Builder<'_>, x: ValueId, shape: &[i64]) -> Result<ValueId, Error> {
        let x = if shape.len() == 4 { x } else { b.transpose(x, &[0, 3, 1, 2, 4])? };
        b.reshape(x, shape)
    }

    /// The mask of `shape`, which broadcasts to batch × query heads × queries × keys, for five axes.
    fn mask_shape(&self, shape: &[i64]) -> Vec<i64> {
        let mut whole = vec![1; 4_usize.saturating_sub(shape.len())];
        whole.extend(shape);
        let heads = if whole[1] == 1 { [1, 1] } else { [self.keys, self.group] };
        vec![whole[0], heads[0], heads[1], whole[2], whole[3]]
    }
}

impl Attention {
    /// What is added to the scores besides a mask of numbers.
    fn masks(b: &mut Builder<'_>, step: &Step<'_>, heads: &Heads, scores: &[i64]) -> Result<Vec<ValueId>, Error> {
        let mut masks = Vec::new();
        if let Some(mask) = step.node.input(3) {
            let wide = heads.mask_shape(&b.shape(mask)?);
            let mut numbers = b.as_float(mask)?;
            if b.constant(mask).is_some_and(|mask| mask.dtype() == Dtype::Bool) {
                let closed = b.complement(1.0, numbers)?;
                numbers = b.scale(closed, MASKED)?;
            }
            masks.push(b.reshape(numbers, &wide)?);
        }
        if step.node.int("is_causal", 0) != 0 {
            let (rows, columns) = (scores[3], scores[4]);
            let cells = (0..rows * columns).map(|cell| if cell % columns > cell / columns { MASKED } else { 0.0 });
            let cells: Vec<f32> = cells.collect();
            masks.push(b.tensor(Tensor::f32(&[rows, columns], &cells)));
        }
        Ok(masks)
    }
}

impl Operator for Attention {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        step.only_first_output()?;
        let cached = step.node.input(4).is_some() || step.node.input(5).is_some();
        if cached || step.node.float("softcap", 0.0) != 0.0 {
            return Err(step.no_derivative("a cache of keys and values, and a cap of its scores, are not covered"));
        }
        if step.node.input(3).is_some_and(|mask| b.constant(mask).is_none()) && !step.wants(3) {
            // Numbers or truth values: only a constant says which.
            return Err(step.no_derivative("its mask is computed"));
        }
        let heads = Heads::of(b, step)?;
        let shapes: Vec<Vec<i64>> =
            (0..3).map(|index| step.input(index).and_then(|input| b.shape(input))).collect::<Result<_, _>>()?;
        let q = heads.split(b, step.input(0)?, heads.group)?;
        let k = heads.split(b, step.input(1)?, 1)?;
        let v = heads.split(b, step.input(2)?, 1)?;
        let g = heads.split(b, step.cotangent()?, heads.group)?;
        let width = b.shape(q)?[4];
        let scale = step.node.float("scale", 1.0 / (width as f32).sqrt());

        let q = b.scale(q, scale)?;
        let turned = b.transpose_matrix(k)?;
        let mut scores = b.matmul(q, turned)?;
        let shape = b.shape(scores)?;
        for mask in Self::masks(b, step, &heads, &shape)? {
            scores = b.add(scores, mask)?;
        }
        let p = b.node("Softmax", &[scores], [("axis", (-1_i64).into())], shape);

        let turned = b.transpose_matrix(v)?;
        let of_p = b.matmul(g, turned)?;
        let weighted = b.mul(of_p, p)?;
        let mean = b.reduce_sum(weighted, &[4])?;
        let centred = b.sub(of_p, mean)?;
        let of_scores = b.mul(centred, p)?;

        let mut made = vec![None; 4];
        if step.wants(0) {
            let of_q = b.matmul(of_scores, k)?;
            let of_q = b.scale(of_q, scale)?;
            made[0] = Some(Heads::join(b, of_q, &shapes[0])?);
        }
        if step.wants(1) {
            let turned = b.transpose_matrix(of_scores)?;
            let of_k = b.matmul(turned, q)?;
            let of_k = b.reduce_sum(of_k, &[2])?;
            made[1] = Some(Heads::join(b, of_k, &shapes[1])?);
        }
        if step.wants(2) {
            let turned = b.transpose_matrix(p)?;
            let of_v = b.matmul(turned, g)?;
            let of_v = b.reduce_sum(of_v, &[2])?;
            made[2] = Some(Heads::join(b, of_v, &shapes[2])?);
        }
        if step.wants(3) {
            let shape = b.shape(step.input(3)?)?;
            let wide = heads.mask_shape(&shape);
            let summed = b.sum_to(of_scores, &wide)?;
            made[3] = Some(b.reshape(summed, &shape)?);
        }
        Ok(made)
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Opaque
    }

    fn remark(&self, _op: &str) -> &'static str {
        "without a cache and a cap; a mask is known, or computed from what is differentiated by"
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        tests::attention(op, draw)
    }
}

/// Pairs of numbers turned by angles that depend on the position: turned back, with the opposite angle.
pub(super) struct RotaryEmbedding;

impl Operator for RotaryEmbedding {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        if step.wants(1) || step.wants(2) {
            return Err(step.no_derivative("its angles depend on what is differentiated by"));
        }
        let g = step.cotangent()?;
        let shape = b.shape(g)?;
        let back = b.unary("Neg", step.input(2)?)?;
        let inputs: Vec<ValueId> =
            [Some(g), Some(step.input(1)?), Some(back), step.node.input(3)].into_iter().flatten().collect();
        let attribute = |name: &str| crate::Attribute::Int(step.node.int(name, 0));
        let names = ["interleaved", "num_heads", "rotary_embedding_dim"];
        Ok(vec![Some(b.node("RotaryEmbedding", &inputs, names.map(|name| (name, attribute(name))), shape))])
    }

    fn carries(&self, _graph: &Graph, _node: &Node, index: usize) -> bool {
        index != 3
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Opaque
    }

    fn remark(&self, _op: &str) -> &'static str {
        "not by its angles"
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        tests::rotary(op, draw)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, Draw, check};
    use crate::{Dtype, Tensor};

    pub(super) fn attention(op: &str, draw: &mut Draw) -> Case {
        let (batch, keys, group) = (draw.int(1, 2), draw.int(1, 2), draw.int(1, 2));
        let (rows, columns, width, depth) = (draw.int(1, 3), draw.int(2, 3), draw.int(1, 3), draw.int(1, 3));
        let flat = draw.flag();
        let shape = |heads: i64, positions: i64, width: i64| match flat {
            true => vec![batch, positions, heads * width],
            false => vec![batch, heads, positions, width],
        };
        let mut case = Case::new(23, op);
        for shape in [shape(keys * group, rows, width), shape(keys, columns, width), shape(keys, columns, depth)] {
            let numbers = draw.distinct(&shape);
            case = case.wrt(&shape, &numbers);
        }
        if flat {
            case = case.attribute("q_num_heads", keys * group).attribute("kv_num_heads", keys);
        }
        let mask =
            draw.pick(&[vec![rows, columns], vec![batch, 1, rows, columns], vec![1, keys * group, rows, columns]]);
        match draw.int(0, 4) {
            0 => case.attribute("is_causal", 1),
            1 => case.attribute("scale", 0.7_f32),
            2 => {
                let numbers = draw.distinct(&mask);
                case.wrt(&mask, &numbers)
            }
            3 => {
                // The first key is always seen.
                let open = (0..mask.iter().product()).map(|cell: i64| u8::from(cell % columns == 0 || draw.flag()));
                let open: Vec<u8> = open.collect();
                case.constant(Tensor::new(Dtype::Bool, mask, open.into()))
            }
            _ => case,
        }
    }

    pub(super) fn rotary(op: &str, draw: &mut Draw) -> Case {
        let (batch, heads, positions, half) = (draw.int(1, 2), draw.int(1, 2), draw.int(1, 3), draw.int(1, 2));
        let flat = draw.flag();
        let width = 2 * half;
        let shape = if flat { vec![batch, positions, heads * width] } else { vec![batch, heads, positions, width] };
        let x = draw.distinct(&shape);
        let angles = [batch, positions, half];
        let case = Case::new(23, op).wrt(&shape, &x).constant(draw.weights(&angles)).constant(draw.weights(&angles));
        let case = case.attribute("interleaved", draw.int(0, 1));
        if flat { case.attribute("num_heads", heads) } else { case }
    }

    #[test]
    fn attention_agrees_with_central_differences() {
        check(&["Attention", "Attention", "RotaryEmbedding"]);
    }
}
