//! What a [`Plan`] does, in words and in multiplications: for people who ask why a sweep is as fast as it is.

use super::plan::Plan;
use crate::layers;

impl Plan {
    /// What it does, for people: one line per stage.
    #[must_use]
    pub(crate) fn lines(&self) -> Vec<String> {
        let name = |node: usize| {
            let node = &self.graph.nodes[self.space.nodes[node].index];
            node.outputs.iter().flatten().next().map_or("", |id| self.graph.value(*id).name.as_str())
        };
        let mut lines: Vec<String> = Vec::new();
        for planned in &self.stages {
            let last = planned.stage.nodes.end - 1;
            let of = |axis: usize| {
                let axis = &planned.axes[axis];
                let sizes: Vec<String> =
                    axis.classes.iter().map(|l| l.nodes[l.nodes.len() - 1].len().to_string()).collect();
                (sizes.join("/"), axis.classes.len())
            };
            let ((down, a), (across, b)) = (of(0), of(1));
            let [height, width] = self.space.cells[self.space.nodes[last].outputs[0]].size;
            lines.push(format!(
                "up to {}: {} nodes, windows of {down} rows of {height} and {across} columns of {width}, {} programs",
                name(last),
                planned.stage.nodes.len(),
                a * b
            ));
        }
        lines.push(format!(
            "the rest whole; {:.2} times as fast, with {:.2} times fewer multiplications",
            self.gain,
            self.saving()
        ));
        lines
    }

    /// How many times fewer multiplications a window takes than everything does, in the mean over all windows. It bounds what a
    /// sweep can gain where multiplying is all that takes time. 1 of a network that multiplies nothing.
    #[must_use]
    pub(crate) fn saving(&self) -> f64 {
        let of = |index: usize| layers::macs_of(&self.graph, &self.graph.nodes[index]) as f64;
        let whole: f64 = (0..self.graph.nodes.len()).map(of).sum();
        let mut saved = 0.0;
        for planned in &self.stages {
            for node in planned.stage.nodes.clone() {
                let windowed = &self.space.nodes[node];
                let [height, width] = self.space.cells[windowed.outputs[0]].size;
                let number = node - planned.stage.nodes.start;
                let cells: f64 = planned.axes.iter().map(|axis| axis.mean(|layout| layout.nodes[number])).product();
                saved += of(windowed.index) * (1.0 - cells / (height * width) as f64);
            }
        }
        if whole == 0.0 { 1.0 } else { whole / (whole - saved) }
    }
}
