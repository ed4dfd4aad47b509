//! Einsum, from its definition: a loop over every index that the equation names.

use super::array::{Array, flat, positions};
use super::{Call, Result, fail};
use std::collections::BTreeMap;

/// The names of a term's axes. Those of an ellipsis are `.0`, `.1`, …, counted from the last.
fn names(term: &str, rank: usize) -> Vec<String> {
    let letters = term.chars().filter(|character| *character != '.').count();
    let mut names = Vec::new();
    let mut dots = 0;
    for character in term.chars() {
        if character != '.' {
            names.push(character.to_string());
            continue;
        }
        dots += 1;
        if dots == 1 {
            names.extend((0..rank.saturating_sub(letters)).rev().map(|place| format!(".{place}")));
        }
    }
    names
}

pub(super) fn einsum(call: &Call<'_>) -> Result<Array> {
    let Some(equation) = call.node.string("equation") else { return fail("an equation is needed") };
    let equation = equation.replace(' ', "");
    let (left, right) = equation.split_once("->").map_or((&*equation, None), |(left, right)| (left, Some(right)));
    let mut operands = Vec::new();
    for (index, term) in left.split(',').enumerate() {
        let x = call.input(index)?;
        operands.push((names(term, x.rank()), x));
    }
    let mut sizes: BTreeMap<String, usize> = BTreeMap::new();
    let mut occurrences: BTreeMap<String, usize> = BTreeMap::new();
    for (names, x) in &operands {
        for (name, size) in names.iter().zip(&x.shape) {
            let known = sizes.entry(name.clone()).or_insert(1);
            *known = (*known).max(*size);
            *occurrences.entry(name.clone()).or_insert(0) += 1;
        }
    }
    let dotted: Vec<String> = sizes.keys().filter(|name| name.starts_with('.')).rev().cloned().collect();
    let output = match right {
        Some(term) => names(term, term.chars().filter(|character| *character != '.').count() + dotted.len()),
        None => {
            let single = occurrences.iter().filter(|(name, count)| **count == 1 && !name.starts_with('.'));
            dotted.into_iter().chain(single.map(|(name, _)| name.clone())).collect()
        }
    };
    let all: Vec<&String> = sizes.keys().collect();
    let ranges: Vec<usize> = sizes.values().copied().collect();
    let place = |names: &[String], shape: &[usize], position: &[usize]| {
        let at: Vec<usize> = names
            .iter()
            .zip(shape)
            .map(|(name, size)| {
                all.iter().position(|other| *other == name).map_or(0, |axis| position[axis]).min(size - 1)
            })
            .collect();
        flat(&at, shape)
    };
    let shape: Vec<usize> = output.iter().map(|name| sizes[name]).collect();
    let mut result = vec![0.0; shape.iter().product()];
    for position in positions(&ranges) {
        let mut product = 1.0;
        for (names, x) in &operands {
            product *= x.floats()?[place(names, &x.shape, &position)];
        }
        result[place(&output, &shape, &position)] += product;
    }
    Ok(Array::float(shape, result))
}
