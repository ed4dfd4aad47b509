//! Einsum: the cotangent of an operand is another Einsum, of the others and the output's cotangent.

use super::{Geometry, Operator, Step};
use crate::builder::Builder;
use crate::{Error, Graph, Node, ValueId};
use std::collections::BTreeMap;

type Made = Result<Vec<Option<ValueId>>, Error>;

/// An axis by its letter; those of an ellipsis are counted from the right, above all letters.
type Label = u32;
const ELLIPSIS: Label = 0x11_0000;

/// An equation whose ellipses are written out: the labels of each operand's axes, and of the output's.
#[derive(Debug, PartialEq)]
struct Equation {
    operands: Vec<Vec<Label>>,
    output: Vec<Label>,
}

impl Equation {
    /// `None` where the equation does not fit operands of these ranks.
    fn parse(text: &str, ranks: &[usize]) -> Option<Self> {
        let text: String = text.chars().filter(|character| !character.is_whitespace()).collect();
        let (left, right) = match text.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (&*text, None),
        };
        let terms: Vec<&str> = left.split(',').collect();
        if terms.len() != ranks.len() {
            return None;
        }
        let mut operands = Vec::new();
        let mut broadcast = 0;
        for (term, rank) in terms.iter().zip(ranks) {
            let letters = term.replace("...", "").chars().count();
            let rest = rank.checked_sub(letters)?;
            broadcast = broadcast.max(rest);
            operands.push(labels(term, rest));
        }
        let output = match right {
            Some(term) => labels(term, broadcast),
            None => {
                let mut counts: BTreeMap<Label, usize> = BTreeMap::new();
                operands.iter().flatten().for_each(|label| *counts.entry(*label).or_default() += 1);
                let once = counts.into_iter().filter(|(label, count)| *label < ELLIPSIS && *count == 1);
                let spread = (0..broadcast as Label).rev().map(|place| ELLIPSIS + place);
                spread.chain(once.map(|(label, _)| label)).collect()
            }
        };
        operands.iter().zip(ranks).all(|(operand, rank)| operand.len() == *rank).then_some(Self { operands, output })
    }
}

/// The labels of `term`, with `rest` axes where its ellipsis is.
fn labels(term: &str, rest: usize) -> Vec<Label> {
    let (before, after) = term.split_once("...").map_or((term, None), |(before, after)| (before, Some(after)));
    let mut labels: Vec<Label> = before.chars().map(Label::from).collect();
    if let Some(after) = after {
        labels.extend((0..rest as Label).rev().map(|place| ELLIPSIS + place));
        labels.extend(after.chars().map(Label::from));
    }
    labels
}

fn distinct(labels: &[Label]) -> Vec<Label> {
    let mut seen = Vec::new();
    for label in labels {
        if !seen.contains(label) {
            seen.push(*label);
        }
    }
    seen
}

pub(super) struct Einsum;

impl Operator for Einsum {
    fn vjp(&self, b: &mut Builder<'_>, step: &Step<'_>) -> Made {
        let count = step.node.inputs.len();
        let inputs: Vec<ValueId> = (0..count).map(|index| step.input(index)).collect::<Result<_, _>>()?;
        let shapes: Vec<Vec<i64>> = inputs.iter().map(|input| b.shape(*input)).collect::<Result<_, _>>()?;
        let ranks: Vec<usize> = shapes.iter().map(Vec::len).collect();
        let equation = step.node.string("equation").and_then(|text| Equation::parse(text, &ranks));
        let equation = equation.ok_or_else(|| step.no_derivative("its equation does not fit its inputs"))?;
        let mut sizes: BTreeMap<Label, i64> = BTreeMap::new();
        for (labels, shape) in equation.operands.iter().zip(&shapes) {
            for (label, size) in labels.iter().zip(shape) {
                let known = sizes.entry(*label).or_insert(1);
                *known = (*known).max(*size);
            }
        }
        let g = (step.cotangent()?, equation.output.clone());
        let mut made = vec![None; count];
        for index in (0..count).filter(|index| step.wants(*index)) {
            let mut operands = vec![g.clone()];
            for other in (0..count).filter(|other| *other != index) {
                operands.push((inputs[other], equation.operands[other].clone()));
            }
            made[index] = Some(of_operand(b, &equation.operands[index], &shapes[index], operands, &sizes)?);
        }
        Ok(made)
    }

    fn geometry(&self, _graph: &Graph, _node: &Node) -> Geometry {
        Geometry::Opaque
    }

    #[cfg(test)]
    fn example(&self, op: &str, draw: &mut super::testing::Draw) -> super::testing::Case {
        tests::example(op, draw)
    }
}

/// The cotangent of an operand with the axes `own` of `shape`, from the other `operands` and the output's cotangent.
fn of_operand(
    b: &mut Builder<'_>,
    own: &[Label],
    shape: &[i64],
    operands: Vec<(ValueId, Vec<Label>)>,
    sizes: &BTreeMap<Label, i64>,
) -> Result<ValueId, Error> {
    let axes = distinct(own);
    let size_of = |label: &Label| own.iter().position(|other| other == label).map_or(1, |axis| shape[axis]);
    let mut terms = Vec::new();
    for (value, labels) in operands {
        // An axis of 1 that is broadcast says nothing, and would not agree with the others' size.
        let of_value = b.shape(value)?;
        let kept: Vec<usize> = (0..labels.len()).filter(|i| of_value[*i] == sizes[&labels[*i]]).collect();
        let value = b.reshape(value, &kept.iter().map(|i| of_value[*i]).collect::<Vec<_>>())?;
        terms.push((value, kept.iter().map(|i| labels[*i]).collect::<Vec<_>>()));
    }
    let known: Vec<Label> = axes
        .iter()
        .copied()
        .filter(|label| size_of(label) == sizes[label] && terms.iter().any(|(_, labels)| labels.contains(label)))
        .collect();
    let mut made = contract(b, &terms, &known, sizes)?;
    // Axes that were summed alone get the same everywhere.
    let thin: Vec<i64> = axes.iter().map(|label| if known.contains(label) { sizes[label] } else { 1 }).collect();
    made = b.reshape(made, &thin)?;
    made = b.expand(made, &axes.iter().map(size_of).collect::<Vec<_>>())?;
    // An axis that occurs again is on the diagonal.
    let mut first = vec![1; own.len()];
    for label in &axes {
        let axis = own.iter().position(|other| other == label).expect("a label of its own");
        first[axis] = size_of(label);
    }
    made = b.reshape(made, &first)?;
    for (again, label) in own.iter().enumerate() {
        let axis = own.iter().position(|other| other == label).expect("a label of its own");
        if axis < again {
            let size = shape[again];
            let mut identity = vec![1; own.len()];
            (identity[axis], identity[again]) = (size, size);
            let numbers: Vec<f32> =
                (0..size * size).map(|cell| f32::from(u8::from(cell / size == cell % size))).collect();
            let mask = b.floats(&identity, &numbers);
            made = b.mul(made, mask)?;
        }
    }
    Ok(made)
}

/// The Einsum of `terms` with the axes `output`. Terms without an axis are only factors.
fn contract(
    b: &mut Builder<'_>,
    terms: &[(ValueId, Vec<Label>)],
    output: &[Label],
    sizes: &BTreeMap<Label, i64>,
) -> Result<ValueId, Error> {
    let (factors, terms): (Vec<_>, Vec<_>) = terms.iter().partition(|(_, labels)| labels.is_empty());
    let mut made = match &*terms {
        [] => None,
        [(value, labels)] if labels == output => Some(*value),
        _ => {
            let letters: BTreeMap<Label, char> = sizes.keys().copied().zip(('a'..='z').chain('A'..='Z')).collect();
            let spell = |labels: &[Label]| -> String { labels.iter().filter_map(|label| letters.get(label)).collect() };
            let left: Vec<String> = terms.iter().map(|(_, labels)| spell(labels)).collect();
            let equation = format!("{}->{}", left.join(","), spell(output));
            let values: Vec<ValueId> = terms.iter().map(|(value, _)| *value).collect();
            let shape = output.iter().map(|label| sizes[label]).collect();
            Some(b.node("Einsum", &values, [("equation", (&*equation).into())], shape))
        }
    };
    for (factor, _) in factors {
        made = Some(match made {
            Some(made) => b.mul(made, *factor)?,
            None => *factor,
        });
    }
    made.ok_or_else(|| Error::invalid_request("a contraction of nothing"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Case, Draw, check};

    pub(super) fn example(op: &str, draw: &mut Draw) -> Case {
        let equation = draw.pick(&[
            "ij,jk->ik",
            "bij,bjk->bik",
            "bhqd,bhkd->bhqk",
            "...ij,...jk->...ik",
            "i,j->ij",
            "ij->ji",
            "ij->",
            "ij,ij->i",
            "ij,j,jk->k",
            "ii->i",
            "iji->j",
            "ij,jk",
            "bij->ib",
            "a b..., b... -> a...",
            "ij,kj->i",
        ]);
        let sizes: BTreeMap<char, i64> = ('a'..='z').map(|letter| (letter, draw.int(1, 3))).collect();
        let batch = draw.shape(0, 2);
        let mut case = Case::new(draw.opset(12), op).attribute("equation", equation);
        for term in equation.split("->").next().expect("a left side").split(',') {
            let mut shape: Vec<i64> = Vec::new();
            let mut spread = false;
            for character in term.chars() {
                match sizes.get(&character) {
                    Some(size) => shape.push(*size),
                    None if character == '.' && !spread => {
                        spread = true;
                        shape.extend(draw.broadcastable(&batch));
                    }
                    None => {}
                }
            }
            let x = draw.distinct(&shape);
            case = case.wrt(&shape, &x);
        }
        case
    }

    #[test]
    fn equations_are_written_out() {
        let [a, b, c] = ['a', 'b', 'c'].map(Label::from);
        let implicit = Equation::parse("b a, b c", &[2, 2]);
        assert_eq!(implicit, Some(Equation { operands: vec![vec![b, a], vec![b, c]], output: vec![a, c] }));
        let spread = Equation::parse("...a->a...", &[3]);
        let [outer, inner] = [ELLIPSIS + 1, ELLIPSIS];
        assert_eq!(spread, Some(Equation { operands: vec![vec![outer, inner, a]], output: vec![a, outer, inner] }));
        assert_eq!(Equation::parse("ab->a", &[1]), None);
        assert_eq!(Equation::parse("a,b->a", &[1]), None);
    }

    #[test]
    fn contractions_agree_with_central_differences() {
        check(&["Einsum", "Einsum", "Einsum"]);
    }
}
