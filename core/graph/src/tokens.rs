//! Sequences of tokens: which grid of patches they were cut from, so that they have a place in the picture again.
//!
//! The grid is read from the graph, not guessed from a number: feature maps are flattened to a sequence, and tokens that
//! are constants (a class token, registers) are put in front of it.

use crate::receptive::ReceptiveField;
use crate::{Graph, Node, ValueId};
use std::collections::HashMap;

/// A sequence of `prefix` tokens that stand for no place, and then those of a grid, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenGrid {
    pub prefix: usize,
    pub height: usize,
    pub width: usize,
}

/// What is known of a value on the way from feature maps to tokens.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// 1×C×h×w.
    Planes(i64, i64),
    /// 1×h×w×C.
    ChannelsLast(i64, i64),
    /// 1×C×h·w.
    Rows(i64, i64),
    Tokens(TokenGrid),
}

/// The grids of all sequences 1×T×C of a graph specialised to one picture: a sequence that is as long as one that was cut
/// from a grid is taken for one of it, unless grids of that length differ. `fields` says which values are feature maps.
pub(crate) fn grids(graph: &Graph, fields: &HashMap<ValueId, ReceptiveField>) -> HashMap<ValueId, TokenGrid> {
    let mut forms: HashMap<ValueId, Form> = HashMap::new();
    let mut by_length: HashMap<i64, Option<TokenGrid>> = HashMap::new();
    let mut found = HashMap::new();
    for node in &graph.nodes {
        let Some(output) = node.outputs.first().copied().flatten() else { continue };
        let Some(shape) = graph.shape(output) else { continue };
        let form = form(graph, node, shape, &forms).or_else(|| match *shape {
            [1, _, height, width] if fields.contains_key(&output) => Some(Form::Planes(height, width)),
            _ => None,
        });
        if let (Some(Form::Tokens(grid)), &[1, length, _]) = (form, shape) {
            let known = by_length.entry(length).or_insert(Some(grid));
            *known = known.filter(|other| *other == grid);
        }
        if let Some(form) = form {
            forms.insert(output, form);
        }
        if let &[1, length, channels] = shape
            && channels > 1
            && let Some(Some(grid)) = by_length.get(&length)
        {
            found.insert(output, *grid);
        }
    }
    // What was taken for a grid before another of the same length came is not known after all.
    found.retain(|id, _| graph.shape(*id).is_some_and(|shape| matches!(by_length.get(&shape[1]), Some(Some(_)))));
    found
}

fn form(graph: &Graph, node: &Node, shape: &[i64], forms: &HashMap<ValueId, Form>) -> Option<Form> {
    if !node.domain.is_empty() {
        return None;
    }
    let before = node.input(0).and_then(|id| forms.get(&id)).copied();
    match (&*node.op, before, shape) {
        ("Transpose", Some(Form::Planes(h, w)), _) if node.ints("perm") == Some(&[0, 2, 3, 1]) => {
            Some(Form::ChannelsLast(h, w))
        }
        ("Transpose", Some(Form::Rows(height, width)), _) if node.ints("perm") == Some(&[0, 2, 1]) => {
            Some(Form::Tokens(TokenGrid { prefix: 0, height: height as usize, width: width as usize }))
        }
        ("Reshape" | "Flatten", Some(Form::Planes(h, w)), &[1, _, cells]) if cells == h * w => Some(Form::Rows(h, w)),
        ("Reshape", Some(Form::ChannelsLast(height, width)), &[1, cells, _]) if cells == height * width => {
            Some(Form::Tokens(TokenGrid { prefix: 0, height: height as usize, width: width as usize }))
        }
        // Pointwise steps between the convolution and the sequence (a normalisation, a bias).
        ("LayerNormalization" | "Add" | "Mul" | "Sub" | "Div", Some(Form::ChannelsLast(h, w)), &[1, a, b, _])
            if (a, b) == (h, w) =>
        {
            Some(Form::ChannelsLast(h, w))
        }
        ("Concat", _, &[1, _, _]) if node.int("axis", 0).rem_euclid(3) == 1 => joined(graph, node, forms),
        ("Slice", Some(Form::Tokens(grid)), &[1, left, _]) => {
            let all = node.input(0).and_then(|id| graph.shape(id))?[1];
            let start = graph.constant(node.input(1)?)?.to_i64()?;
            let dropped = usize::try_from(all - left).ok()?;
            let from_the_front = start == [all - left] || start == [-left];
            (from_the_front && dropped <= grid.prefix)
                .then(|| Form::Tokens(TokenGrid { prefix: grid.prefix - dropped, ..grid }))
        }
        // Whatever keeps the length works on tokens, or between them.
        (_, Some(Form::Tokens(grid)), &[1, length, _]) => {
            (length == (grid.prefix + grid.height * grid.width) as i64).then_some(Form::Tokens(grid))
        }
        _ => None,
    }
}

/// Constants put in front of a sequence.
fn joined(graph: &Graph, node: &Node, forms: &HashMap<ValueId, Form>) -> Option<Form> {
    let mut prefix = 0;
    let mut grid = None;
    for id in node.inputs.iter().flatten() {
        match (graph.constant(*id), forms.get(id), grid) {
            (Some(tensor), _, None) => prefix += usize::try_from(*tensor.shape().get(1)?).ok()?,
            (None, Some(Form::Tokens(tokens)), None) => grid = Some(*tokens),
            _ => return None,
        }
    }
    grid.map(|grid| Form::Tokens(TokenGrid { prefix: grid.prefix + prefix, ..grid }))
}
