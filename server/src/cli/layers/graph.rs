//! A network as a picture: its blocks from top to bottom, column after column, each with its parallel paths in it.
//!
//! SVG, because it is text, scales, and needs nothing to be written. Only what the descriptor says is drawn.

use whyglass_engine::json::{Block, Layer, ModelDescriptor};

const WIDTH: f64 = 330.0;
const GAP: f64 = 22.0;
const MARGIN: f64 = 24.0;
const TITLE: f64 = 64.0;
const HEAD: f64 = 58.0;
const STEP: f64 = 20.0;
/// No column is higher, unless one block is.
const TALLEST: f64 = 1150.0;
/// Of a path, so many steps are drawn.
const STEPS: usize = 7;

/// The picture of `model`.
pub(super) fn draw(name: &str, model: &ModelDescriptor) -> String {
    let columns = columns(&model.blocks);
    let tallest = columns.iter().map(|column| column.iter().map(|&i| height(&model.blocks[i]) + GAP).sum::<f64>());
    let size = [
        2.0 * MARGIN + columns.len() as f64 * WIDTH + (columns.len().saturating_sub(1)) as f64 * 2.0 * GAP,
        2.0 * MARGIN + TITLE + tallest.fold(0.0, f64::max),
    ];
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0} {:.0}\" width=\"{:.0}\" height=\"{:.0}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M0 0 8 4 0 8z\" fill=\"#667\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        size[0], size[1], size[0], size[1]
    );
    // Of a path, what the file is called.
    let title = name.rsplit(['/', '\\']).next().unwrap_or(name);
    text(&mut svg, [MARGIN, MARGIN + 16.0], "font-size=\"20\" font-weight=\"600\" fill=\"#223\"", title);
    let parameters: u64 = model.blocks.iter().map(|block| block.parameters).sum();
    let input = model.input.map_or_else(String::new, |size| format!("{}×{} pixels, ", size.height, size.width));
    let line = format!(
        "{input}{} classes, {} parameters, {} multiply–adds",
        model.classes,
        short(parameters),
        short(model.macs)
    );
    text(&mut svg, [MARGIN, MARGIN + 38.0], "fill=\"#556\"", &line);
    let mut previous: Option<[f64; 2]> = None;
    for (index, column) in columns.iter().enumerate() {
        let x = MARGIN + index as f64 * (WIDTH + 2.0 * GAP);
        let mut y = MARGIN + TITLE;
        for &number in column {
            let block = &model.blocks[number];
            if let Some(from) = previous {
                arrow(&mut svg, from, [x + WIDTH / 2.0, y]);
            }
            draw_block(&mut svg, [x, y], block, model);
            y += height(block);
            previous = Some([x + WIDTH / 2.0, y]);
            y += GAP;
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Numbers of blocks, by column: as few columns as fit, as low as they can be.
fn columns(blocks: &[Block]) -> Vec<Vec<usize>> {
    let total: f64 = blocks.iter().map(|block| height(block) + GAP).sum();
    let wanted = (total / TALLEST).ceil().max(1.0);
    let mut bound = total / wanted;
    loop {
        let columns = filled(blocks, bound);
        if columns.len() as f64 <= wanted {
            return columns;
        }
        bound *= 1.02;
    }
}

/// Columns that are filled up to `bound` one after the other.
fn filled(blocks: &[Block], bound: f64) -> Vec<Vec<usize>> {
    let mut columns: Vec<Vec<usize>> = vec![Vec::new()];
    let mut used = 0.0;
    for (index, block) in blocks.iter().enumerate() {
        let needed = height(block) + GAP;
        if used + needed > bound && used > 0.0 {
            columns.push(Vec::new());
            used = 0.0;
        }
        used += needed;
        columns.last_mut().expect("there is one").push(index);
    }
    columns
}

fn height(block: &Block) -> f64 {
    if branches(block) {
        let longest = block.paths.iter().map(|path| path.len().min(STEPS)).max().unwrap_or(0);
        HEAD + longest as f64 * STEP + 16.0
    } else {
        HEAD
    }
}

fn branches(block: &Block) -> bool {
    block.paths.len() > 1
}

fn draw_block(svg: &mut String, [x, y]: [f64; 2], block: &Block, model: &ModelDescriptor) {
    let none = Layer::default();
    let layer = model.layer(&block.output).unwrap_or(&none);
    let [fill, edge] = colours(&block.kind);
    let height = height(block);
    svg.push_str(&format!(
        "<rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{height}\" rx=\"7\" fill=\"{fill}\" stroke=\"{edge}\"{}/>\n",
        if layer.reason.is_some() { " stroke-dasharray=\"5 3\"" } else { "" }
    ));
    let bold = "font-weight=\"600\" fill=\"#223\"";
    text(svg, [x + 10.0, y + 18.0], bold, &cut(&block.name, 30));
    let shape = layer.shape.iter().map(i64::to_string).collect::<Vec<_>>().join("×");
    text(svg, [x + WIDTH - 10.0, y + 18.0], "text-anchor=\"end\" fill=\"#334\"", &shape);
    text(svg, [x + 10.0, y + 34.0], "fill=\"#334\"", &cut(&block.kind, 48));
    let mut notes = Vec::new();
    if let Some(field) = layer.receptive_field {
        notes.push(format!("sees {}×{} px", field.size[0], field.size[1]));
    }
    if block.parameters > 0 {
        notes.push(format!("{} parameters", short(block.parameters)));
    }
    match (&model.feature_layer, &layer.reason) {
        (_, Some(reason)) => notes.push(format!("no gradient: {}", cut(reason, 30))),
        (Some(features), None) if *features == block.output => notes.push("features".to_owned()),
        (Some(_), None) if super::remarks(model, layer, Some(block)).contains("features inside") => {
            notes.push("features inside".to_owned());
        }
        _ => {}
    }
    text(svg, [x + 10.0, y + 49.0], "font-size=\"10.5\" fill=\"#667\"", &notes.join(" · "));
    if branches(block) {
        draw_paths(svg, [x, y + HEAD], block, edge);
    }
}

/// The paths side by side, each from a common top to a common bottom.
fn draw_paths(svg: &mut String, [x, y]: [f64; 2], block: &Block, edge: &str) {
    let paths = &block.paths;
    let longest = paths.iter().map(|path| path.len().min(STEPS)).max().unwrap_or(0) as f64;
    let bottom = y + longest * STEP + 4.0;
    let each = (WIDTH - 20.0) / paths.len() as f64;
    let centre = x + WIDTH / 2.0;
    for (index, path) in paths.iter().enumerate() {
        let middle = x + 10.0 + each * (index as f64 + 0.5);
        svg.push_str(&format!(
            "<path d=\"M{centre} {} C{centre} {y} {middle} {} {middle} {} V{} C{middle} {} {centre} {} {centre} {}\" \
             fill=\"none\" stroke=\"{edge}\"/>\n",
            y - 4.0,
            y - 2.0,
            y + 4.0,
            bottom,
            bottom + 5.0,
            bottom + 3.0,
            bottom + 9.0
        ));
        let hidden = path.len().saturating_sub(STEPS);
        for (step, word) in path.iter().take(STEPS).enumerate() {
            let word = if hidden > 0 && step == STEPS - 1 { format!("… {} more", hidden + 1) } else { word.clone() };
            let top = y + 3.0 + step as f64 * STEP;
            let wide = each - 8.0;
            svg.push_str(&format!(
                "<rect x=\"{}\" y=\"{top}\" width=\"{wide}\" height=\"{}\" rx=\"3\" fill=\"#fff\" stroke=\"{edge}\" stroke-width=\"0.7\"/>\n",
                middle - wide / 2.0,
                STEP - 4.0
            ));
            let room = (wide / 5.3) as usize;
            text(
                svg,
                [middle, top + 11.5],
                "font-size=\"9.5\" text-anchor=\"middle\" fill=\"#334\"",
                &cut(&word, room),
            );
        }
    }
}

fn arrow(svg: &mut String, [x, y]: [f64; 2], [to_x, to_y]: [f64; 2]) {
    let path = if to_y > y {
        format!("M{x} {y} V{}", to_y - 2.0)
    } else {
        // To the top of the next column, through the gap between them.
        let between = to_x - WIDTH / 2.0 - GAP;
        format!("M{x} {y} V{} H{between} V{} H{to_x} V{}", y + GAP / 2.0, to_y - GAP / 2.0, to_y - 2.0)
    };
    svg.push_str(&format!("<path d=\"{path}\" fill=\"none\" stroke=\"#667\" marker-end=\"url(#tip)\"/>\n"));
}

/// Fill and edge by what a block does.
fn colours(kind: &str) -> [&'static str; 2] {
    let families = [
        ("attention", ["#efe7fb", "#7a55b8"]),
        ("MLP", ["#fbeee3", "#b8733a"]),
        ("pooling", ["#e3f4e8", "#3f8f5b"]),
        ("linear", ["#fbf3d9", "#a88a1d"]),
        ("squeeze", ["#fde6ee", "#b84a72"]),
        ("dense", ["#dff1f3", "#2f8790"]),
        ("branches", ["#dff1f3", "#2f8790"]),
        ("residual", ["#e6ecfb", "#4a68b8"]),
        ("convolution", ["#e8f1fa", "#4c86b4"]),
    ];
    families.into_iter().find(|(word, _)| kind.contains(word)).map_or(["#f1f1f4", "#777788"], |(_, colours)| colours)
}

fn text(svg: &mut String, [x, y]: [f64; 2], style: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    svg.push_str(&format!("<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{words}</text>\n"));
}

fn cut(words: &str, most: usize) -> String {
    if words.chars().count() <= most {
        return words.to_owned();
    }
    let kept: String = words.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end_matches([' ', ',']))
}

/// `11.7 M`
fn short(number: u64) -> String {
    let value = number as f64;
    match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 => format!("{:.1} k", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} M", value / 1e6),
        _ => format!("{:.1} G", value / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_drawn_once_with_its_name_escaped_and_its_paths_in_it() {
        let svg = draw("tiny", &crate::cli::layers::tests::descriptor());
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("block &amp; &lt;1&gt;") && svg.contains("17×8") && svg.contains("softmax"), "{svg}");
        assert_eq!(svg.matches("rx=\"7\"").count(), 2, "two blocks");
        assert_eq!(svg.matches("marker-end").count(), 1, "one arrow between them");
        assert!(svg.contains("stroke-dasharray"), "no gradient reaches the second");
    }

    #[test]
    fn long_networks_go_into_columns_of_much_the_same_height() {
        let block = Block { name: "b".into(), kind: "convolution".into(), ..Default::default() };
        let columns = columns(&vec![block; 40]);
        let lengths: Vec<usize> = columns.iter().map(Vec::len).collect();
        assert_eq!(lengths.iter().sum::<usize>(), 40);
        assert!(
            lengths.len() == 3 && lengths.iter().max().unwrap() - lengths.iter().min().unwrap() <= 2,
            "{lengths:?}"
        );
    }

    #[test]
    fn words_are_cut_and_numbers_are_short() {
        assert_eq!((cut("convolution, 3", 13), cut("é", 1)), ("convolution…".to_owned(), "é".to_owned()));
        assert_eq!(
            [short(12), short(1_500), short(11_700_000), short(4_100_000_000)],
            ["12", "1.5 k", "11.7 M", "4.1 G"]
        );
    }
}
